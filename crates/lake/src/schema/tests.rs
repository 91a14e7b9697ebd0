use super::{Column, of_stream, sql_type};
use crate::{TableName, TableSchema};
use domain::{Field, FieldType, Stream, StreamMode, Text, Type};

fn stream(fields: &[(&str, FieldType)]) -> Stream {
    let field = |(name, kind): &(&str, FieldType)| Field {
        name: Text::new(name),
        kind: kind.clone(),
        required: true,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert: None,
    };
    Stream {
        name: "payments".into(),
        topic: "payments".into(),
        description: String::new(),
        mode: StreamMode::Append,
        fields: fields.iter().map(field).collect(),
        key: 0,
        event_time: 0,
        lateness: 0,
        skew: 0,
        closed: false,
        partitions: 1,
        judged: None,
    }
}

#[test]
fn a_streams_fields_become_columns() {
    let columns = of_stream(&stream(&[
        ("id", FieldType::Text),
        ("kind", FieldType::Enum(vec!["a".into()])),
        ("amount", FieldType::Decimal(2)),
        ("n", FieldType::Integer),
        ("at", FieldType::Timestamp(domain::stream::TimeUnit::Text)),
        ("x", FieldType::Float),
        ("ok", FieldType::Boolean),
    ]));
    let named: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, sql_type(&c.kind))).collect();
    let wanted = ["id text", "kind text", "amount decimal(18,2)", "n bigint", "at timestamp with time zone", "x double", "ok boolean"];
    assert_eq!(named, wanted);
    let table = TableSchema::new(&columns).unwrap();
    assert_eq!(table.arrow.fields().len(), columns.len() + 7);
    assert_eq!(sql_type(&Column::of("sum", Type::Decimal(4)).kind), "decimal(38,4)");
}

#[test]
fn names_are_words_of_sql_and_folders() {
    assert_eq!("gold.fct_orders".parse::<TableName>().unwrap().to_string(), "gold.fct_orders");
    for wrong in ["orders", "Gold.orders", "gold.", ".orders", "gold.a.b", "gold.9a", "gold.a b", "gold.../etc", "gold._x"] {
        assert!(wrong.parse::<TableName>().is_err(), "{wrong}");
    }
}
