use super::*;

#[test]
fn the_nearest_name_must_be_near() {
    let valid = ["account_count_10m", "account_count_24h", "amount", "when"];
    assert_eq!(nearest("acount_count_24h", valid), Some("account_count_24h"));
    assert_eq!(nearest("wehn", valid), Some("when"));
    assert_eq!(nearest("AMOUNT", valid), Some("amount"));
    assert_eq!(nearest("merchant", valid), None);
    assert_eq!(nearest("x", []), None);
}

#[test]
fn the_caret_stands_under_its_character() {
    let place = |line, column| Place { file: "f".into(), line, column };
    assert_eq!(excerpt("a\n\tbé: x", &place(2, 4)).unwrap(), "\tbé: x\n\t  ^");
    assert_eq!(excerpt("ab", &place(1, 3)).unwrap(), "ab\n  ^");
    assert_eq!(excerpt("ab", &place(1, 0)).unwrap(), "ab");
    assert_eq!(excerpt("ab", &place(2, 1)), None);
    assert_eq!(excerpt("ab", &Place::file("f")), None);
    let long = format!("{}X{}", "a".repeat(500), "b".repeat(500));
    let shown = excerpt(&long, &place(1, 501)).unwrap();
    let (line, caret) = shown.split_once('\n').unwrap();
    assert_eq!(line.find('X'), caret.find('^'));
    assert_eq!(line.chars().count(), EXCERPT_WIDTH);
}

#[test]
fn a_place_counts_characters() {
    let text = "é = 1\nb = ü";
    assert_eq!(Place::at("f", text, text.len()).to_string(), "f:2:6");
    assert_eq!(Place::at("f", text, 3).to_string(), "f:1:3");
}
