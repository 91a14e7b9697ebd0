//! One file at a time: its size, its opening words, and that it speaks of the product alone.

/// The largest file a person should have to read; larger ones are split by what they are about.
const MOST_BYTES: usize = 60 * 1024;
/// Places that exist only where somebody happened to work. Put together so that this file does not contain them.
const PRIVATE_PLACES: &[&str] = &[concat!("/wo", "rk/"), concat!("/tmp/", "brief"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// What is wrong with one file, by its path in the repository.
pub(crate) fn check(path: &str, bytes: &[u8]) -> Vec<String> {
    let mut wrong = Vec::new();
    if bytes.len() > MOST_BYTES {
        wrong.push(format!("{path} has {} KB; split it by what it is about", bytes.len() / 1024));
    }
    // What a fuzzer begins with is bytes, whatever they look like.
    if path.contains("/fuzz/corpus/") {
        return wrong;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        wrong.push(format!("{path} is not UTF-8"));
        return wrong;
    };
    for (number, line) in text.lines().enumerate() {
        for place in PRIVATE_PLACES.iter().filter(|p| line.contains(**p)) {
            wrong.push(format!("{path}:{}: names `{place}`, which exists on one machine only", number + 1));
        }
        if line.ends_with([' ', '\t']) && !path.ends_with(".md") {
            wrong.push(format!("{path}:{}: ends in white space", number + 1));
        }
    }
    let is_product_code = path.starts_with("crates/")
        && path.ends_with(".rs")
        && path.contains("/src/")
        && !path.ends_with("tests.rs")
        && !path.contains("/tests/");
    if is_product_code && !text.starts_with("//!") {
        wrong.push(format!("{path} does not open with what it is for (`//!`)"));
    }
    wrong
}

#[test]
fn each_rule_complains() {
    let table: [(&str, &[u8], usize); 10] = [
        ("crates/a/src/lib.rs", b"//! What it is for.\n", 0),
        ("crates/a/src/lib.rs", b"fn f() {}\n", 1),
        ("crates/a/src/tests.rs", b"fn f() {}\n", 0),
        ("crates/a/tests/suite.rs", b"fn f() {}\n", 0),
        ("docs/a.md", concat!("see /wo", "rk/x and /ho", "me/x\n").as_bytes(), 2),
        ("docs/a.md", b"a break  \n", 0),
        ("tests/a.py", b"x = 1 \n", 1),
        ("tests/a.py", b"\xff", 1),
        ("crates/a/fuzz/corpus/x/y", b"\xff", 0),
        ("docs/a.md", &[b'a'; MOST_BYTES + 1], 1),
    ];
    for (path, bytes, complaints) in table {
        assert_eq!(check(path, bytes).len(), complaints, "{path}: {:?}", check(path, bytes));
    }
}
