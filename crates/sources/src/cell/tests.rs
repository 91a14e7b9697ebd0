use super::*;
use FieldType::{Boolean, Float, Integer, Text, Timestamp};

fn write(cell: Cell<'_>, kind: &FieldType) -> String {
    let mut out = Vec::new();
    match cell.write(kind, DateOrder::MonthFirst, &mut out) {
        Ok(()) => String::from_utf8(out).unwrap(),
        Err((code, reason)) => format!("{code}: {reason}"),
    }
}

#[test]
fn cells_become_values_of_their_field() {
    let decimal = FieldType::Decimal(3);
    let time = Timestamp(TimeUnit::Text);
    let seconds = Timestamp(TimeUnit::Seconds);
    for (cell, kind, expected) in [
        (Cell::Null, &Text, "null"),
        (Cell::Text("a\"b\u{1}é"), &Text, r#""a\"b\u0001é""#),
        (Cell::Text(" as is "), &Text, r#"" as is ""#),
        (Cell::Int(17850), &Text, r#""17850""#),
        (Cell::Float(17850.0), &Text, r#""17850""#),
        (Cell::Float(1.5), &Text, r#""1.5""#),
        (Cell::Float(1e15), &Text, r#""1000000000000000""#),
        (Cell::Number("17850.0"), &Text, r#""17850""#),
        (Cell::Number("1.50"), &Text, r#""1.50""#),
        (Cell::Number("2.50"), &decimal, "2.50"),
        (Cell::Number("90"), &seconds, "90"),
        (Cell::Number("90"), &time, "wrong_type: must be a timestamp, got 90"),
        (Cell::Bool(true), &Text, r#""true""#),
        (Cell::Time(0), &Text, r#""1970-01-01T00:00:00.000000Z""#),
        (Cell::Text("2.50"), &decimal, "2.50"),
        (Cell::Text(" 2.50 "), &decimal, "2.50"),
        (Cell::Text("-0.001"), &decimal, "-0.001"),
        (Cell::Text("1e3"), &decimal, "1e3"),
        (Cell::Text("+5"), &decimal, "5"),
        (Cell::Text(".5"), &decimal, "0.5"),
        (Cell::Text("007"), &Integer, "7"),
        (Cell::Text("1,234.50"), &decimal, r#""1,234.50""#),
        (Cell::Text("NaN"), &decimal, r#""NaN""#),
        (Cell::Text("1e+-3"), &decimal, r#""1e+-3""#),
        (Cell::Float(2.55), &decimal, "2.55"),
        (Cell::Float32(2.55), &decimal, "2.55"),
        (Cell::Float(0.1 + 0.2), &decimal, "0.30000000000000004"),
        (Cell::Float(f64::NAN), &decimal, "null"),
        (Cell::Float(f64::INFINITY), &decimal, r#""inf""#),
        (Cell::Decimal(Decimal::new(-12345, 4)), &decimal, "-1.2345"),
        (Cell::Float(-5.0), &Integer, "-5"),
        (Cell::Float(1e300), &Float, &format!("1{}", "0".repeat(300))),
        (Cell::Text("1e-3"), &Float, "1e-3"),
        (Cell::Bool(true), &Integer, r#""true""#),
        (Cell::Text("12/1/2010 8:26"), &time, r#""2010-12-01T08:26:00.000000Z""#),
        (Cell::Time(1), &time, r#""1970-01-01T00:00:00.000001Z""#),
        (Cell::Int(90), &seconds, "90"),
        (Cell::Text("90"), &seconds, "90"),
        (Cell::Text("1970-01-02"), &seconds, r#""1970-01-02T00:00:00.000000Z""#),
        (Cell::Text("Yes"), &Boolean, "true"),
        (Cell::Int(0), &Boolean, "false"),
        (Cell::Int(90), &time, "wrong_type: must be a timestamp, got 90"),
        (Cell::FineTime, &time, "too_precise: has digits past the microsecond"),
        (Cell::Text("soon"), &time, "wrong_type: must be a time such as 2010-12-31 08:26:00 or 12/31/2010 8:26, got \"soon\""),
        (Cell::Int(2), &Boolean, "wrong_type: must be true or false, got 2"),
        (Cell::Bytes, &Text, "not_utf8: is not UTF-8 text"),
        (Cell::Nested("[1]"), &Text, "wrong_type: must be text, got [1]"),
    ] {
        assert_eq!(write(cell, kind), expected, "{cell:?} as {}", kind.name());
    }
}

#[test]
fn numbers_follow_the_grammar_of_json() {
    for good in ["0", "-0", "10", "0.5", "-1.25e+10", "1E5", "1e-5"] {
        assert!(is_json_number(good), "{good}");
    }
    for bad in ["", "-", "+1", "01", "1.", ".1", "1e", "1e+", "1e++1", "0x1", "1 ", "--1", "1.2.3", "inf", "١"] {
        assert!(!is_json_number(bad), "{bad}");
    }
}
