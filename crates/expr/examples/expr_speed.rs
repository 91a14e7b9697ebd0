//! Nanoseconds per evaluation of some typical rules: `cargo run --release -p expr --example expr_speed`.

#![allow(clippy::print_stdout)]

use domain::{Micros, Type, Value, decimal::Decimal};
use expr::{Context, Lists, Scope, compile};
use std::hint::black_box;
use std::time::Instant;

const COLUMNS: &[(&str, Type)] = &[
    ("amount", Type::Decimal(2)),
    ("channel", Type::Text),
    ("merchant_id", Type::Text),
    ("country", Type::Text),
    ("event_time", Type::Timestamp),
    ("account_count_10m", Type::Int),
    ("account_average", Type::Float),
    ("account_opened_at", Type::Timestamp),
];

struct Columns;

impl Scope for Columns {
    fn column(&self, _: Option<&str>, name: &str) -> Option<(usize, Type)> {
        COLUMNS.iter().position(|(n, _)| *n == name).map(|slot| (slot, COLUMNS[slot].1))
    }
    fn column_names(&self) -> Vec<String> {
        COLUMNS.iter().map(|(n, _)| (*n).to_owned()).collect()
    }
    fn list(&self, _: &str, _: &str) -> Option<(usize, usize)> {
        Some((0, 0))
    }
    fn list_names(&self) -> Vec<String> {
        Vec::new()
    }
}

struct Nothing;

impl Lists for Nothing {
    fn contains(&self, _: usize, _: usize, value: &Value, _: Micros) -> bool {
        value.is_null()
    }
}

fn main() {
    let slots = [
        Value::Decimal(Decimal::new(3_100_000, 2)),
        Value::text("online"),
        Value::text("merchant-000000000000123456789"),
        Value::text("DE"),
        Value::Timestamp(1_795_253_415_500_000),
        Value::Int(6),
        Value::Float(42.5),
        Value::Timestamp(1_795_000_000_000_000),
    ];
    for sql in [
        "channel = 'online' and amount > 30000",
        "account_count_10m >= 6 and amount > 5 * account_average",
        "country in ('AF', 'BY', 'CF', 'CU', 'IR', 'KP', 'LY', 'MM', 'RU', 'SD', 'SO', 'SY') or country = 'YE'",
        "merchant_id in (select merchant_id from suspicious_merchants)",
        "event_time - account_opened_at < interval '7 days' and amount * 1.19 > 1000",
        "extract(hour from event_time) between 1 and 5 and coalesce(account_average, 0) < amount / 10",
        "merchant_id like 'merchant-%789' and lower(channel) <> 'pos'",
        "case when amount > 10000 then account_count_10m > 3 else account_count_10m > 10 end",
    ] {
        let program = compile(sql, &Columns).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        let context = Context { slots: &slots, lists: &Nothing, at: 0 };
        let rounds = 2_000_000;
        let start = Instant::now();
        let hits = (0..rounds).filter(|_| black_box(&program).test(black_box(&context))).count();
        let nanos = start.elapsed().as_nanos() as f64 / f64::from(rounds);
        println!("{nanos:7.1} ns  {:5}  {sql}", hits > 0);
    }
}
