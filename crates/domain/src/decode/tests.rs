use super::*;
use crate::stream::StreamMode;

fn stream(closed: bool) -> Stream {
    let field = |name: &str, kind, required| Field {
        name: Text::new(name),
        kind,
        required,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert: None,
    };
    let mut fields = vec![
        field("id", FieldType::Text, true),
        field("amount", FieldType::Decimal(2), true),
        field("count", FieldType::Integer, false),
        field("ok", FieldType::Boolean, false),
        field("at", FieldType::Timestamp(TimeUnit::Millis), true),
        field("lat", FieldType::Float, false),
        field("channel", FieldType::Enum(vec!["online".into(), "pos".into()]), false),
    ];
    fields[0].max_length = Some(8);
    fields[1].min = Some(Value::Decimal(Decimal::new(0, 2)));
    Stream {
        name: "t".into(),
        topic: "t".into(),
        description: String::new(),
        mode: StreamMode::Append,
        key: 0,
        event_time: 4,
        lateness: 0,
        skew: 0,
        closed,
        partitions: 1,
        judged: None,
        fields,
    }
}

fn decode(json: &str) -> Result<Vec<Value>, String> {
    let mut row = Vec::new();
    match Decoder::new(&stream(false)).decode(json.as_bytes(), &mut row) {
        Ok(_) => Ok(row),
        Err(wrong) => Err(wrong.iter().map(|w| format!("{}|{w}", w.code)).collect::<Vec<_>>().join("; ")),
    }
}

/// A record with one field replaced.
fn with(field: &str, json: &str) -> Result<Value, String> {
    let mut fields = vec![("id", "\"a\""), ("amount", "1"), ("at", "0")];
    fields.retain(|(name, _)| *name != field);
    fields.push((field, json));
    let body: Vec<String> = fields.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
    let slot = stream(false).slot(field).unwrap_or(0);
    decode(&format!("{{{}}}", body.join(","))).map(|row| row[slot].clone())
}

#[test]
fn fields_are_read_exactly() {
    let row = decode(r#"{"id":"a\u00e9","amount":12.30,"count":-5,"ok":true,"at":"2026-11-21T09:30:00.5+01:00","lat":1e-3,"channel":"pos","more":{"x":[1]}}"#).unwrap();
    let shown: Vec<String> = row.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["aé", "12.30", "-5", "true", "2026-11-21T08:30:00.500000Z", "0.001", "pos"]);
    assert_eq!(with("amount", "1e2").unwrap().to_string(), "100.00");
    assert_eq!(with("amount", "\"7.5\"").unwrap().to_string(), "7.50");
    assert_eq!(with("at", "1500").unwrap(), Value::Timestamp(1_500_000));
}

#[test]
fn every_wrong_value_is_named_with_its_reason() {
    let digits = "9".repeat(300);
    for (field, json, expected) in [
        ("amount", "1e400", "out_of_bounds|amount: has more than 18 digits: 1e400"),
        ("amount", "NaN", "not_json|"),
        ("amount", "\"NaN\"", "wrong_type|amount: must be decimal(2), got \"NaN\""),
        ("amount", "1.234", "too_precise|amount: has more than 2 digits after the point: 1.234"),
        ("amount", "-0.01", "out_of_bounds|amount: must be at least 0.00, got -0.01"),
        ("amount", &digits, "out_of_bounds|amount: has more than 18 digits: 9999"),
        ("amount", "true", "wrong_type|amount: must be decimal(2), got true"),
        ("amount", "1e-400", "too_precise|"),
        ("count", "1.5", "wrong_type|count: must be integer, got 1.5"),
        ("count", "9223372036854775808", "out_of_bounds|count: does not fit 64 bits"),
        ("ok", "\"true\"", "wrong_type|ok: must be boolean"),
        ("at", "\"2026-02-30T00:00:00Z\"", "wrong_type|at: must be an RFC 3339 timestamp"),
        ("at", "\"0000-01-01T00:00:00Z\"", "out_of_bounds|at: must be in years 1 to 9999"),
        ("at", "9223372036854775807", "out_of_bounds|at: is not a time"),
        ("lat", "1e400", "not_json|"),
        ("channel", "\"phone\"", "not_in_enum|channel: must be one of online, pos, got \"phone\""),
        ("id", "\"123456789\"", "too_long|id: has more than 8 characters"),
        ("id", "null", "missing|id: is required and null"),
        ("id", "7", "wrong_type|id: must be text, got 7"),
    ] {
        let got = with(field, json).expect_err(json);
        let expected = if field == "lat" { "out_of_bounds|lat" } else { expected };
        assert!(got.starts_with(expected), "{field} = {json}: {got}");
    }
}

#[test]
fn records_that_are_no_object_are_refused() {
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (json, expected) in [
        ("", "not_json|not a JSON object"),
        ("hello", "not_json|"),
        ("[1]", "not_json|not a JSON object: invalid type: sequence, expected a JSON object"),
        ("{}", "missing|id: is required and missing; missing|amount"),
        ("{\"id\":\"a\"", "not_json|"),
        ("{\"id\":\"a\"} x", "not_json|"),
        ("{\"id\":\"a\",\"id\":\"b\",\"amount\":1,\"at\":1}", "repeated|id: stands twice in the record"),
        (&deep, "too_deep|x: nests deeper than 64 levels"),
    ] {
        let got = decode(json).expect_err(&json[..json.len().min(40)]);
        assert!(got.starts_with(expected), "{got}");
    }
    let wrong = Decoder::new(&stream(false)).decode(b"{\"id\":\"\xff\"}", &mut Vec::new()).unwrap_err();
    assert_eq!(wrong[0].code, "not_utf8");
    assert_eq!(wrong[0].reason, "invalid UTF-8 at byte 7");
}

#[test]
fn undeclared_fields_are_counted_or_refused() {
    let json = br#"{"id":"a","amount":1,"at":1,"colour":"red"}"#;
    assert_eq!(Decoder::new(&stream(false)).decode(json, &mut Vec::new()), Ok(1));
    let wrong = Decoder::new(&stream(true)).decode(json, &mut Vec::new()).unwrap_err();
    assert_eq!((&*wrong[0].code, wrong[0].field.as_deref()), ("undeclared", Some("colour")));
}
