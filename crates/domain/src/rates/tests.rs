use super::*;
use crate::decode::Decoder;
use crate::stream::{Field, Stream, StreamMode, TimeUnit};

fn decimal(text: &str, scale: u8) -> Decimal {
    Decimal::parse(text, scale).unwrap()
}

fn rates() -> Arc<Rates> {
    let of = |currency: &str, from, rate| (Text::new(currency), from, decimal(rate, RATE_SCALE));
    let entries = [of("USD", Micros::MIN, "1"), of("EUR", 1000, "1.085"), of("EUR", 0, "1.1"), of("JPY", 0, "0.0067")];
    Arc::new(Rates::new("fx".into(), entries))
}

#[test]
fn a_rate_holds_from_its_moment_on() {
    let rates = rates();
    assert_eq!(rates.at("EUR", -1), None);
    assert_eq!(rates.at("EUR", 999), Some(decimal("1.1", 1)));
    assert_eq!(rates.at("EUR", 1000), Some(decimal("1.085", 3)));
    assert_eq!(rates.at("USD", Micros::MIN), Some(Decimal::from(1)));
    assert_eq!(rates.at("XXX", 0), None);
}

#[test]
fn an_amount_is_converted_exactly_and_rounded_half_away_from_zero() {
    let rates = rates();
    let convert = |amount: &str, currency: &str, at| rates.convert(decimal(amount, 2), currency, at, 2).map(|d| d.to_string());
    assert_eq!(convert("10.00", "EUR", 1000).as_deref(), Some("10.85"));
    assert_eq!(convert("1.00", "EUR", 1000).as_deref(), Some("1.09"));
    assert_eq!(convert("-1.00", "EUR", 1000).as_deref(), Some("-1.09"));
    assert_eq!(convert("99", "JPY", 0).as_deref(), Some("0.66"));
    assert_eq!(convert("9999999999999999.99", "EUR", 0), None);
}

/// Slots: amount, currency, at, base.
fn stream(required: bool) -> Stream {
    let field = |name: &str, kind, required, convert| Field {
        name: Text::new(name),
        kind,
        required,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert,
    };
    let convert = Convert { amount: 0, currency: 1, rates: rates() };
    Stream {
        name: "t".into(),
        topic: "t".into(),
        description: String::new(),
        mode: StreamMode::Append,
        key: 1,
        event_time: 2,
        lateness: 0,
        skew: 0,
        closed: false,
        partitions: 1,
        judged: None,
        fields: vec![
            field("amount", FieldType::Decimal(2), false, None),
            field("currency", FieldType::Text, false, None),
            field("at", FieldType::Timestamp(TimeUnit::Micros), true, None),
            field("base", FieldType::Decimal(2), required, Some(convert)),
        ],
    }
}

fn base(required: bool, json: &str) -> Result<Value, String> {
    let mut row = Vec::new();
    let outcome = Decoder::new(&stream(required)).decode(json.as_bytes(), &mut row);
    outcome.map(|_| row[3].clone()).map_err(|wrong| wrong.iter().map(|w| format!("{}|{w}", w.code)).collect::<Vec<_>>().join("; "))
}

#[test]
fn a_field_is_filled_where_the_event_does_not_bring_it() {
    let two = |text: &str| Ok(Value::Decimal(decimal(text, 2)));
    assert_eq!(base(false, r#"{"amount":10,"currency":"EUR","at":5}"#), two("11.00"));
    assert_eq!(base(false, r#"{"amount":10,"currency":"EUR","at":5,"base":null}"#), two("11.00"));
    assert_eq!(base(true, r#"{"amount":10,"currency":"EUR","at":5,"base":10.5}"#), two("10.50"), "what the event says stands");
}

#[test]
fn without_a_rate_it_is_null_or_where_it_must_be_there_refused() {
    let unknown = r#"{"amount":10,"currency":"XXX","at":0}"#;
    assert_eq!(base(false, unknown), Ok(Value::Null));
    assert_eq!(base(false, r#"{"currency":"EUR","at":0}"#), Ok(Value::Null));
    let refused = "no_rate|currency: no rate in `fx` makes `base` of 10.00 XXX at 1970-01-01T00:00:00.000000Z";
    assert_eq!(base(true, unknown), Err(refused.into()));
    assert_eq!(
        base(true, r#"{"amount":"x","currency":"EUR","at":0}"#),
        Err("wrong_type|amount: must be decimal(2), got \"x\"".into()),
        "one mistake is one"
    );
    let no_time = r#"{"amount":10,"currency":"EUR"}"#;
    assert_eq!(base(true, no_time), Err("missing|at: is required and missing".into()), "one mistake is one");
}
