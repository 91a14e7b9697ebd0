use super::*;
use domain::stream::{Field, FieldType, StreamMode, TimeUnit};
use domain::{Decimal, Stream};
use serde_json::{Value, json};

fn described(transactions: Option<Stream>) -> Value {
    let mut config = Config::new("1.2.3", vec![]);
    config.transactions = transactions;
    serde_json::from_str(&document(&config).unwrap()).unwrap()
}

#[test]
fn every_reference_is_kept_and_every_failure_is_a_problem() {
    let api = described(None);
    assert_eq!((&api["openapi"], &api["info"]["version"]), (&json!("3.1.0"), &json!("1.2.3")));
    let text = api.to_string();
    let mut references = 0;
    for part in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(api["components"]["schemas"].get(name).is_some(), "{name} is not described");
        references += 1;
    }
    assert!(references > 50);
    let mut routes = 0;
    for (path, methods) in api["paths"].as_object().unwrap() {
        for operation in methods.as_object().unwrap().values() {
            routes += 1;
            assert!(operation["summary"].as_str().or(operation["description"].as_str()).is_some(), "{path} says nothing of itself");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let media: Vec<_> = response["content"].as_object().unwrap().keys().collect();
                let failure = status.parse::<u16>().unwrap() >= 400;
                assert_eq!(media == ["application/problem+json"], failure, "{path} {status} {media:?}");
            }
        }
    }
    assert_eq!(routes, 20);
}

#[test]
fn the_projects_own_fields_are_described() {
    let field = |name: &str, kind, required| Field {
        name: name.into(),
        kind,
        required,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert: None,
    };
    let mut amount = field("amount", FieldType::Decimal(2), true);
    amount.min = Some(domain::Value::Decimal(Decimal::new(1, 2)));
    amount.description = "what is paid".into();
    let stream = Stream {
        name: "transactions".into(),
        topic: "t".into(),
        description: "payments".into(),
        mode: StreamMode::Append,
        fields: vec![
            field("id", FieldType::Text, true),
            amount,
            field("channel", FieldType::Enum(vec!["online".into(), "shop".into()]), false),
            field("at", FieldType::Timestamp(TimeUnit::Millis), true),
            field("count", FieldType::Integer, false),
        ],
        key: 0,
        event_time: 3,
        lateness: 0,
        skew: 0,
        closed: true,
        partitions: 1,
        judged: None,
    };
    let schema = &described(Some(stream))["components"]["schemas"]["Transaction"];
    assert_eq!(schema["required"], json!(["id", "amount", "at"]));
    assert_eq!((&schema["additionalProperties"], &schema["description"]), (&json!(false), &json!("payments")));
    let properties = &schema["properties"];
    assert_eq!(properties["id"], json!({ "type": "string", "maxLength": 4096 }));
    assert_eq!(properties["channel"], json!({ "type": ["string", "null"], "enum": ["online", "shop", null] }));
    let count = &properties["count"]["anyOf"][0]["anyOf"];
    assert_eq!(count[0], json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX }));
    assert_eq!((&count[1]["pattern"], &properties["count"]["anyOf"][1]), (&json!("^-?[0-9]{1,18}$"), &json!({ "type": "null" })));
    assert_eq!(properties["amount"]["description"], "what is paid");
    assert_eq!(
        properties["amount"]["anyOf"][0],
        json!({ "type": "number", "minimum": 0.01, "maximum": 9_999_999_999_999_999i64, "multipleOf": 0.01 })
    );
    assert_eq!(properties["amount"]["anyOf"][1]["pattern"], "^[1-9][0-9]{0,15}(\\.[0-9]{1,2})?$");
    assert_eq!(properties["at"]["anyOf"][0]["type"], "integer");
}
