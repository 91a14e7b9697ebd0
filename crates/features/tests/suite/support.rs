//! A small project that uses every kind of the language, and random histories of it.

use domain::stream::TimeUnit;
use domain::time::{DAY, HOUR, MINUTE};
use domain::{Decimal, Field, FieldType, Roles, Stream, StreamMode, Text, Value};
use features::{Input, Plan};
use project::FeatureFile;
use proptest::prelude::*;
use std::sync::Arc;

fn field(name: &str, kind: FieldType, required: bool) -> Field {
    Field { name: Text::new(name), kind, required, description: String::new(), min: None, max: None, max_length: None, convert: None }
}

pub(crate) fn stream(name: &str, mode: StreamMode, lateness: i64, fields: Vec<Field>, judged: bool) -> Arc<Stream> {
    let slot = |name: &str| fields.iter().position(|f| f.name == name);
    Arc::new(Stream {
        name: Text::new(name),
        topic: Text::new(name),
        description: String::new(),
        mode,
        key: slot("account_id").unwrap_or(0),
        event_time: slot("event_time").or_else(|| slot("updated_at")).unwrap_or(0),
        fields,
        lateness,
        skew: 10 * MINUTE,
        closed: false,
        partitions: 1,
        judged: judged.then_some(Roles { id: 0, account: None, amount: None, kind: None }),
    })
}

pub(crate) fn streams() -> Vec<Arc<Stream>> {
    vec![
        stream(
            "transactions",
            StreamMode::Append,
            2 * HOUR,
            vec![
                field("transaction_id", FieldType::Text, true),
                field("account_id", FieldType::Text, false),
                field("merchant_id", FieldType::Text, false),
                field("amount", FieldType::Decimal(2), false),
                field("quantity", FieldType::Integer, false),
                field("score", FieldType::Float, false),
                field("online", FieldType::Boolean, false),
                field("shop", FieldType::Integer, true),
                field("event_time", FieldType::Timestamp(TimeUnit::Text), true),
            ],
            true,
        ),
        stream(
            "clicks",
            StreamMode::Append,
            HOUR,
            vec![
                field("click_id", FieldType::Text, true),
                field("account_id", FieldType::Text, false),
                field("page", FieldType::Text, false),
                field("seconds", FieldType::Integer, true),
                field("event_time", FieldType::Timestamp(TimeUnit::Text), true),
            ],
            false,
        ),
        stream(
            "balances",
            StreamMode::Upsert,
            HOUR,
            vec![
                field("account_id", FieldType::Text, true),
                field("balance", FieldType::Decimal(2), false),
                field("updated_at", FieldType::Timestamp(TimeUnit::Text), true),
            ],
            false,
        ),
    ]
}

pub(crate) fn file(path: &str, sql: &str) -> FeatureFile {
    FeatureFile { path: path.into(), source: sql.into(), sql: sql.into(), lines: (1..=sql.lines().count()).collect(), join: Vec::new() }
}

/// (path, SQL, whether it runs as it stands in DuckDB over unique times).
pub(crate) const FILES: &[(&str, &str)] = &[
    (
        "features/velocity.sql",
        "select account_id,
  count(*) over w10m as count_10m,
  count(*) over w1h as count_1h,
  count(amount) over w1h as amounts_1h,
  sum(amount) over w1h as sum_1h,
  sum(amount) over w6h as sum_6h,
  avg(amount) over w6h as avg_6h,
  stddev(amount) over w6h as stddev_6h,
  stddev_pop(amount) over w1h as stddev_pop_1h,
  min(amount) over w1h as min_1h,
  max(amount) over w6h as max_6h,
  count(distinct merchant_id) over w6h as merchants_6h,
  count(distinct merchant_id) filter (where online) over w1h as online_merchants_1h,
  sum(quantity) filter (where amount > 50 and online) over w6h as big_online_quantity,
  count(*) filter (where not online) over w1h as offline_1h,
  amount / nullif(avg(amount) over w6h, 0) as amount_to_average,
  max(amount * 2) over w1h as double_max,
  sum(amount * amount) over w1h as squares_1h
from transactions
window w10m as (partition by account_id order by event_time range interval '10 minutes' preceding),
  w1h as (partition by account_id order by event_time range between interval '1 hour' preceding and current row),
  w6h as (partition by account_id order by event_time range interval '6 hours' preceding)",
    ),
    (
        "features/history.sql",
        "select account_id,
  first_value(amount) over w as first_amount,
  last_value(merchant_id) over early as early_last,
  first(merchant_id) over early as early_first,
  count(*) over early as early_count,
  min(score) over early as early_min_score,
  max(event_time) over early as early_time,
  min(merchant_id) over w as min_merchant,
  max(online) over w as any_online,
  lag(amount) over w as previous_amount,
  lag(merchant_id, 3, 'none') over w as third_merchant,
  coalesce(lag(event_time, 1) over w < event_time, false) as moved_on
from transactions
window w as (partition by account_id order by event_time range interval '3 hours' preceding),
  early as (partition by account_id order by event_time range between interval '5 hours' preceding and interval '1 hour' preceding)",
    ),
    (
        "features/ever.sql",
        "select account_id, shop,
  count(*) over w as ever_count,
  sum(amount) over w as ever_sum,
  avg(quantity) over w as ever_avg,
  stddev(amount) over w as ever_stddev,
  min(amount) over w as ever_min,
  max(merchant_id) over w as ever_max_merchant,
  first_value(amount) over w as ever_first,
  last_value(amount) over before as before_last,
  count(*) filter (where online) over before as before_online
from transactions
window w as (partition by account_id, shop order by event_time),
  before as (partition by account_id, shop order by event_time range between unbounded preceding and interval '30 minutes' preceding)",
    ),
    (
        "features/shops.sql",
        "select shop, count(*) over w as shop_count, count(distinct account_id) over w as shop_accounts, max(amount) over w as shop_max,
  min(quantity) over w as shop_min_quantity, sum(amount) over w as shop_sum
from transactions t window w as (partition by t.shop order by t.event_time range interval '1 day' preceding)",
    ),
    ("features/plain.sql", "select amount * 2 as amount_doubled from transactions"),
];

pub(crate) const OTHER_FILES: &[(&str, &str)] = &[
    (
        "features/a_row.sql",
        "select amount / nullif(known_balance, 0) as amount_to_balance, coalesce(clicks_1h, 0) + count_1h as clicks_and_payments,
  coalesce(shop_accounts, -1) as shop_accounts_or_none, balance_at < event_time as balance_before, previous_amount as amount_before
from features",
    ),
    (
        "features/clicks.sql",
        "select account_id, count(*) over w as clicks_1h, coalesce(sum(seconds) over w, 0) as click_seconds, lag(page) over w as last_page,
  lag(seconds, 2, -1) over w as second_seconds, count(distinct page) over w as pages, max(seconds) over e as early_seconds, last(page) over e as early_page
from clicks window w as (partition by account_id order by event_time range interval '1 hour' preceding),
  e as (partition by account_id order by event_time range between interval '3 hours' preceding and interval '10 minutes' preceding)",
    ),
    (
        "features/clicks_ever.sql",
        "select account_id, count(*) over w as clicks_ever, first_value(page) over w as first_page, min(seconds) over w as least_seconds
from clicks window w as (partition by account_id order by event_time)",
    ),
    ("features/balance.sql", "select account_id, balance as account_balance, balance * 2 > 100 as rich, coalesce(balance, 0) as known_balance, updated_at as balance_at from balances"),
];

pub(crate) fn plan_of(files: &[(&str, &str)]) -> Arc<Plan> {
    let files: Vec<_> = files.iter().map(|(path, sql)| file(path, sql)).collect();
    match features::compile(&files, &streams()) {
        Ok(plan) => Arc::new(plan),
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

pub(crate) fn everything() -> Arc<Plan> {
    plan_of(&FILES.iter().chain(OTHER_FILES).copied().collect::<Vec<_>>())
}

/// One event of a history, before it is a row.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) stream: usize,
    pub(crate) time: i64,
    pub(crate) row: Vec<Value>,
}

impl Event {
    pub(crate) fn input(&self, sequence: usize) -> Input<'_> {
        Input { stream: self.stream, sequence: sequence as u64 + 1, event_time: self.time, row: &self.row }
    }
}

/// What an event is drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    stream: u8,
    step: u8,
    late: u16,
    account: u8,
    merchant: u8,
    amount: i32,
    bits: u8,
}

pub(crate) fn drawn() -> impl Strategy<Value = Drawn> {
    (any::<u8>(), any::<u8>(), any::<u16>(), any::<u8>(), any::<u8>(), -5_000i32..200_000, any::<u8>())
        .prop_map(|(stream, step, late, account, merchant, amount, bits)| Drawn { stream, step, late, account, merchant, amount, bits })
}

/// 2026-01-01.
const START: i64 = 1_767_225_600_000_000;

/// Histories by the minute, so that times tie; one event in eight is late, some far too late; keys and values may be null.
pub(crate) fn history(drawn: &[Drawn], in_order: bool, accounts: u8) -> Vec<Event> {
    let mut clock = START;
    let mut events = Vec::with_capacity(drawn.len());
    for (i, d) in drawn.iter().enumerate() {
        let stream = if in_order { 0 } else { [0, 0, 0, 0, 0, 1, 1, 2][usize::from(d.stream % 8)] };
        clock += match d.step {
            0..=99 if !in_order => 0,
            0..=249 => i64::from(d.step % 7) * MINUTE,
            250..=253 => 2 * HOUR,
            254 => 9 * HOUR,
            255 => 2 * DAY,
        };
        if in_order {
            clock += 1_000_000;
        }
        let time = match d.late % 64 {
            0..=5 if !in_order => clock - i64::from(d.late / 64 % 115) * MINUTE,
            6 if !in_order => clock - i64::from(d.late / 64 % 60) * HOUR,
            7 if !in_order => clock + i64::from(d.late / 64 % 10) * MINUTE,
            _ => clock,
        };
        let null = |bit: u8, value: Value| if d.bits & (1 << bit) == 0 && d.merchant % 3 == 0 { Value::Null } else { value };
        let account = if d.account == 255 && !in_order { Value::Null } else { Value::text(format!("a{}", d.account % accounts)) };
        let merchant = Value::text(format!(
            "merchant-{}{}",
            d.merchant % 11,
            if d.merchant == 77 { "-with-a-name-too-long-to-stand-inline" } else { "" }
        ));
        let row = match stream {
            0 => vec![
                Value::text(format!("t{i}")),
                account,
                null(1, merchant),
                null(2, Value::Decimal(Decimal::new(i128::from(d.amount), 2))),
                null(3, Value::Int(i64::from(d.amount % 17))),
                null(4, Value::Float(f64::from(d.amount) / 8.0)),
                null(5, Value::Bool(d.bits & 64 != 0)),
                Value::Int(i64::from(d.bits % 2)),
                Value::Timestamp(time),
            ],
            1 => vec![
                Value::text(format!("c{i}")),
                account,
                null(1, Value::text(format!("/page/{}", d.merchant % 5))),
                Value::Int(i64::from(d.amount % 60)),
                Value::Timestamp(time),
            ],
            _ => vec![
                Value::text(format!("a{}", d.account % accounts)),
                null(2, Value::Decimal(Decimal::new(i128::from(d.amount), 2))),
                Value::Timestamp(time),
            ],
        };
        events.push(Event { stream, time, row });
    }
    events
}

impl Drawn {
    /// Makes the clock slow, so that many events share a frame.
    pub(crate) fn hurry(&mut self) {
        self.step = if self.step < 250 { self.step % 103 } else { 0 };
    }
}
