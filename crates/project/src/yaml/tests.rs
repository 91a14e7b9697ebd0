use super::*;

/// Every scalar of a document as `path=text@line:column`.
fn places(text: &str) -> Vec<String> {
    fn walk(node: &Node, path: &str, out: &mut Vec<String>) {
        match &node.content {
            Content::Scalar(s) => out.push(format!("{path}={}@{}:{}", s.text, node.place.line, node.place.column)),
            Content::List(items) => items.iter().enumerate().for_each(|(i, n)| walk(n, &format!("{path}[{i}]"), out)),
            Content::Map(entries) => entries.iter().for_each(|(k, n)| walk(n, &format!("{path}.{}", k.name), out)),
        }
    }
    let mut out = Vec::new();
    walk(&parse("f.yml", text).unwrap().unwrap(), "", &mut out);
    out
}

fn mistakes(text: &str) -> Vec<String> {
    parse("f.yml", text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_character_of_a_scalar_is_its_place() {
    assert_eq!(places("a: b\nc:   d e\n"), [".a=b@1:4", ".c=d e@2:6"]);
    assert_eq!(places("a: 'b'\nc: \"d\"\n"), [".a=b@1:5", ".c=d@2:5"]);
    assert_eq!(places("a: |\n  one\n  two\n"), [".a=one\ntwo\n@2:3"]);
    assert_eq!(places("# why\nx:\n  a: >-\n\n      one\n      two\n  b: 1\n"), [".x.a=\none two@5:7", ".x.b=1@7:6"]);
    assert_eq!(places("- {a: 1, é: ü}\n- [x]\n"), ["[0].a=1@1:7", "[0].é=ü@1:13", "[1][0]=x@2:4"]);
}

#[test]
fn plain_scalars_follow_the_core_schema() {
    let json = |text: &str| parse("f", text).unwrap().unwrap().to_json().to_string();
    assert_eq!(
        json("[1, -2, 1.5, 42.50, 1e3, true, null, ~, yes, '1', 2026-01-15T12:00:00Z, 1.2.3, .5]"),
        r#"[1,-2,1.5,42.5,1000.0,true,null,null,"yes","1","2026-01-15T12:00:00Z","1.2.3",0.5]"#
    );
    // What a float would change stays text.
    assert_eq!(json("[1234567890123456.78, 99999999999999999999, 1e999]"), r#"["1234567890123456.78","99999999999999999999","1e999"]"#);
}

#[test]
fn what_is_not_plain_data_is_refused() {
    assert_eq!(mistakes("a: 1\nb: 2\na: 3\n"), ["f.yml:3:1: `a` stands twice, first on line 1\n  hint: remove one of the two"]);
    assert_eq!(mistakes("a: &x 1\nb: *x\n").len(), 2);
    assert_eq!(mistakes("a: !!str 1\n").len(), 1);
    assert_eq!(mistakes("a: 1\n---\nb: 1\n"), ["f.yml:3:1: a second document in one file\n  hint: remove what follows the `---`"]);
    assert_eq!(mistakes("[a]: 1\n"), ["f.yml:1:1: a key must be a name"]);
    assert_eq!(mistakes(&("[".repeat(100) + &"]".repeat(100))), ["f.yml:1:34: nests deeper than 32 levels"]);
    assert!(mistakes("a: [1\nb: 2\n")[0].starts_with("f.yml:2:"));
    assert!(parse("f", "# nothing\n").unwrap().is_none());
}
