//! What the tables cannot show: nearest names, carets over lines, and evaluation against plain arithmetic over random numbers.

use crate::*;
use domain::decimal::Decimal;
use proptest::prelude::*;

struct Two;

impl Scope for Two {
    fn column(&self, _: Option<&str>, name: &str) -> Option<(usize, Type)> {
        match name {
            "a" => Some((0, Type::Decimal(2))),
            "b" => Some((1, Type::Decimal(3))),
            "x" => Some((2, Type::Int)),
            "s" => Some((3, Type::Text)),
            "p" => Some((4, Type::Text)),
            _ => None,
        }
    }
    fn column_names(&self) -> Vec<String> {
        vec!["a".into(), "b".into(), "x".into(), "s".into(), "p".into()]
    }
    fn list(&self, _: &str, _: &str) -> Option<(usize, usize)> {
        None
    }
    fn list_names(&self) -> Vec<String> {
        Vec::new()
    }
}

fn eval(sql: &str, slots: &[Value]) -> Value {
    let program = compile(sql, &Two).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    program.eval(&Context { slots, lists: &NoLists, at: 0 })
}

/// `like` by its definition: every way to split the text.
fn like_by_definition(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|i| like_by_definition(rest, &text[i..])),
        ['_', rest @ ..] => !text.is_empty() && like_by_definition(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && like_by_definition(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn decimals_are_exact(a in -1_000_000_000_000i64..1_000_000_000_000, b in -1_000_000_000_000i64..1_000_000_000_000) {
        let slots = [Value::Decimal(Decimal::new(a.into(), 2)), Value::Decimal(Decimal::new(b.into(), 3))];
        let (wide_a, wide_b) = (i128::from(a) * 10, i128::from(b));
        prop_assert_eq!(eval("a + b", &slots), Value::Decimal(Decimal::new(wide_a + wide_b, 3)));
        prop_assert_eq!(eval("a - b", &slots), Value::Decimal(Decimal::new(wide_a - wide_b, 3)));
        prop_assert_eq!(eval("a * b", &slots), Value::Decimal(Decimal::new(i128::from(a) * i128::from(b), 5)));
        prop_assert_eq!(eval("a < b", &slots), Value::Bool(wide_a < wide_b));
        prop_assert_eq!(eval("a % b", &slots), wide_a.checked_rem(wide_b).map_or(Value::Null, |r| Value::Decimal(Decimal::new(r, 3))));
        prop_assert_eq!(eval("a - a = 0 and a + a = 2 * a", &slots), Value::Bool(true));
    }

    #[test]
    fn like_follows_its_definition(pattern in "[ab%_]{0,6}", text in "[abé]{0,8}") {
        let slots = [Value::Null, Value::Null, Value::Null, Value::text(&text), Value::text(&pattern)];
        let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        let expected = Value::Bool(like_by_definition(&p, &t));
        prop_assert_eq!(eval("s like p", &slots), expected.clone());
        prop_assert_eq!(eval(&format!("s like '{pattern}'"), &slots), expected);
    }

    #[test]
    fn integers_overflow_to_null(x in any::<i64>(), y in any::<i64>()) {
        let slots = [Value::Null, Value::Null, Value::Int(x)];
        // Parsed as a decimal where it has no positive counterpart.
        prop_assume!(y != i64::MIN);
        let int = |v: Option<i64>| v.map_or(Value::Null, Value::Int);
        prop_assert_eq!(eval(&format!("x + {y}"), &slots), int(x.checked_add(y)));
        prop_assert_eq!(eval(&format!("x - {y}"), &slots), int(x.checked_sub(y)));
        prop_assert_eq!(eval(&format!("x * {y}"), &slots), int(x.checked_mul(y)));
        prop_assert_eq!(eval("-x", &slots), int(x.checked_neg()));
        prop_assert_eq!(eval(&format!("x between {y} and {y}"), &slots), Value::Bool(x == y));
    }

    #[test]
    fn any_text_compiles_or_says_where_it_does_not(sql in "[ -~é\n]{0,40}") {
        if let Err(errors) = compile(&sql, &Two) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= sql.len());
                prop_assert!(caret(&sql, &error).contains('^'));
            }
        }
        let _ = Template::compile(&sql, &Two);
    }
}

#[test]
fn the_nearest_name_is_one_that_could_be_meant() {
    let names = ["amount", "account_id", "account_count_10m", "merchant_id", "is_new"];
    for (wrong, right) in [
        ("amout", Some("amount")),
        ("AMOUNT", Some("amount")),
        ("acount_id", Some("account_id")),
        ("id_account", Some("account_id")),
        ("account_count", Some("account_count_10m")),
        ("merchant", Some("merchant_id")),
        ("xyz", None),
        ("zip_code", None),
    ] {
        assert_eq!(nearest(wrong, names).as_deref(), right, "{wrong}");
    }
}

#[test]
fn a_caret_stands_under_the_place() {
    let shown = |sql: &str, span| caret(sql, &SqlError { message: String::new(), span, hint: None });
    assert_eq!(shown("a = é or b", 8..9), "a = é or b\n       ^");
    assert_eq!(shown("a\n\tor bad\nand c", 6..9), "\tor bad\n\t   ^^^");
    assert_eq!(shown("one\ntwo", 1..6), "one\n ^^");
    assert_eq!(shown("a >", 3..3), "a >\n   ^");
    assert_eq!(shown("", 0..0), "\n^");
}

#[test]
fn an_integer_compares_exactly_with_a_decimal_far_away() {
    let slots = [Value::Decimal(Decimal::new(i128::MAX, 2)), Value::Null, Value::Int(i64::MAX)];
    assert_eq!(eval("a > x", &slots), Value::Bool(true));
    assert_eq!(eval("a + 1", &slots), Value::Null, "past 38 digits");
    assert_eq!(eval("a * a", &slots), Value::Null, "past 38 digits");
}
