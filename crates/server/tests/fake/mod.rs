//! A platform in memory, for tests and for trying the API by hand: it judges by amount alone, remembers everything, and can be told
//! to misbehave.

mod changes;
mod feed;

use async_trait::async_trait;
use axum::body::Bytes;
use changes::FakeChanges;
use domain::decision::{Judged, Reason, RuleHit, RuleMode};
use domain::stream::{Field, FieldType, Roles, StreamMode, TimeUnit};
use domain::{Action, Decimal, Decision, Decoder, Error, Rejection, Result, Severity, Stream, Value};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use server::status::Status;
use server::{AlertFeed, AlertQuery, Changes, Page, PartState, Platform, PredictionQuery, Readiness, Refusal, Role, Stats, User};
use std::collections::HashMap;
use std::time::Duration;
use telemetry::Metrics;
use tokio::sync::Semaphore;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    Busy,
    Down,
    Panics,
    /// Waits for a permit of `hold` before it answers.
    Holds,
}

pub(crate) struct Fake {
    decoder: Decoder,
    pub(crate) metrics: Metrics,
    pub(crate) feed: feed::FakeFeed,
    users: HashMap<&'static str, User>,
    judged: Mutex<Judgements>,
    changes: FakeChanges,
    pub(crate) mode: Mutex<Mode>,
    /// Requests that were reached while it holds.
    pub(crate) held: Semaphore,
    pub(crate) hold: Semaphore,
}

#[derive(Default)]
struct Judgements {
    decisions: Vec<(Decision, String)>,
    by_id: HashMap<String, (Bytes, usize)>,
}

/// The stream of transactions that it judges.
pub(crate) fn stream() -> Stream {
    let field = |name: &str, kind, required| Field {
        name: name.into(),
        kind,
        required,
        description: format!("the {}", name.replace('_', " ")),
        min: None,
        max: None,
        max_length: Some(64),
        convert: None,
    };
    let mut fields = vec![
        field("transaction_id", FieldType::Text, true),
        field("account_id", FieldType::Text, false),
        field("amount", FieldType::Decimal(2), true),
        field("channel", FieldType::Enum(vec!["online".into(), "shop".into()]), false),
        field("event_time", FieldType::Timestamp(TimeUnit::Text), true),
    ];
    fields[2].min = Some(Value::Decimal(Decimal::new(0, 2)));
    Stream {
        name: "transactions".into(),
        topic: "transactions".into(),
        description: "payments".into(),
        mode: StreamMode::Append,
        fields,
        key: 1,
        event_time: 4,
        lateness: 0,
        skew: 0,
        closed: false,
        partitions: 1,
        judged: Some(Roles { id: 0, account: Some(1), amount: Some(2), kind: Some(3) }),
    }
}

impl Fake {
    /// With the users `admin`, `analyst` and `viewer`, all with this password.
    pub(crate) fn new(password: &str) -> Self {
        let hash = server::auth::hash_password(password).expect("a password");
        let users = [("admin", Role::Admin), ("analyst", Role::Analyst), ("viewer", Role::Viewer)]
            .map(|(name, role)| (name, User { name: name.into(), password_hash: hash.clone(), role }));
        Self {
            decoder: Decoder::new(&stream()),
            metrics: Metrics::new("0.0.0"),
            feed: feed::FakeFeed::new(),
            users: users.into(),
            judged: Mutex::default(),
            changes: FakeChanges::default(),
            mode: Mutex::new(Mode::Well),
            held: Semaphore::new(0),
            hold: Semaphore::new(0),
        }
    }

    fn judge(&self, json: &Bytes) -> std::result::Result<Bytes, Refusal> {
        let mut row = Vec::new();
        self.decoder.decode(json, &mut row).map_err(Refusal::Invalid)?;
        let Value::Text(id) = &row[0] else { return Err(Refusal::Invalid(vec![Rejection::field("missing", "transaction_id", "is null")])) };
        let mut judged = self.judged.lock();
        if let Some((content, at)) = judged.by_id.get(id.as_str()) {
            if content != json {
                return Err(Refusal::Conflict(format!("transaction {id} was judged with other content")));
            }
            return Ok(judged.decisions[*at].1.clone().into());
        }
        let Value::Decimal(amount) = row[2] else { unreachable!("amount is required") };
        let Value::Timestamp(event_time) = row[4] else { unreachable!("event_time is required") };
        let sequence = judged.decisions.len();
        let (action, severity) = match amount.unscaled {
            3_000_001.. => (Action::Block, Severity::Critical),
            1_000_001.. => (Action::Review, Severity::Medium),
            _ => (Action::Allow, Severity::Low),
        };
        let message = format!("amount {amount} is high");
        let hit = RuleHit { rule: "high_amount".into(), action, severity, mode: RuleMode::Live, message: message.clone() };
        let hits = if action == Action::Allow { vec![] } else { vec![hit] };
        let text = |slot: usize| row[slot].as_text().map(Into::into);
        let decision = Decision {
            sequence: sequence as u64,
            transaction_id: id.clone(),
            account_id: text(1),
            transaction_type: text(3),
            amount: Some(amount),
            event_time,
            taken_at: 1_795_253_400_000_000 + sequence as i64 * 1_000_000,
            decision: action,
            score: if hits.is_empty() { 0.0 } else { 0.9 },
            judged: Judged::Full,
            reasons: hits.iter().map(|h| Reason { code: h.rule.clone(), message: message.clone(), weight: 0.9 }).collect(),
            hits,
            values: vec![("amount".into(), Value::Decimal(amount))],
            topic: "transactions".into(),
            partition: 0,
            offset: sequence as i64,
            project: "4f2a".into(),
            model: None,
        };
        let document = String::from_utf8(decision.to_json()).expect("JSON is UTF-8");
        judged.by_id.insert(id.to_string(), (Bytes::copy_from_slice(json), sequence));
        judged.decisions.push((decision, document.clone()));
        Ok(document.into())
    }

    /// The newest first, from the cursor on.
    fn page(&self, limit: usize, cursor: Option<String>, choose: impl Fn(&Decision, &str) -> Vec<String>) -> Result<Page> {
        let before = match &cursor {
            None => usize::MAX,
            Some(text) => {
                let parse = |text: &str| text.parse::<usize>().ok();
                let (n, ordinal) = text
                    .split_once('-')
                    .and_then(|(n, o)| parse(n).zip(parse(o)))
                    .ok_or_else(|| Error::reject("the cursor is not one that a page gave"))?;
                n + usize::from(ordinal > 0)
            }
        };
        let judged = self.judged.lock();
        let mut items = Vec::new();
        let mut next = None;
        for (n, (decision, document)) in judged.decisions.iter().enumerate().rev().filter(|(n, _)| *n < before) {
            let chosen = choose(decision, document);
            if chosen.is_empty() {
                continue;
            }
            if items.len() == limit {
                return Ok(Page { items, next });
            }
            items.extend(chosen.into_iter().map(|json| RawValue::from_string(json).expect("a document is JSON")));
            next = Some(format!("{n}-0"));
        }
        Ok(Page { items, next: None })
    }
}

fn alerts(decision: &Decision) -> Vec<String> {
    decision.alerts().map(|a| serde_json::to_string(&a).expect("an alert is JSON")).collect()
}

#[async_trait]
impl Platform for Fake {
    async fn predict(&self, transactions: Vec<Bytes>, _deadline: Duration) -> Vec<std::result::Result<Bytes, Refusal>> {
        let mode = *self.mode.lock();
        match mode {
            Mode::Well => {}
            Mode::Busy => return vec![Err(Refusal::Busy { retry_after: Duration::from_millis(1500) }); transactions.len()],
            Mode::Down => return vec![Err(Refusal::Unavailable("the log cannot be written".into())); transactions.len()],
            Mode::Panics => panic!("told to panic"),
            Mode::Holds => {
                self.held.add_permits(1);
                self.hold.acquire().await.expect("the semaphore stays open").forget();
            }
        }
        transactions.iter().map(|t| self.judge(t)).collect()
    }

    async fn predictions(&self, query: PredictionQuery) -> Result<Page> {
        if *self.mode.lock() == Mode::Down {
            return Err(Error::retry("the store is locked"));
        }
        self.page(query.limit, query.cursor, |d, document| {
            let chosen = query.decision.is_none_or(|a| a == d.decision)
                && query.account_id.as_ref().is_none_or(|a| d.account_id.as_deref() == Some(a))
                && query.since.is_none_or(|t| d.taken_at >= t)
                && query.until.is_none_or(|t| d.taken_at < t);
            if chosen { vec![document.to_owned()] } else { vec![] }
        })
    }

    async fn alerts(&self, query: AlertQuery) -> Result<Page> {
        self.page(query.limit, query.cursor, |d, _| {
            let chosen = query.account_id.as_ref().is_none_or(|a| d.account_id.as_deref() == Some(a))
                && d.hits
                    .iter()
                    .any(|h| query.severity.is_none_or(|s| s == h.severity) && query.alert_type.as_ref().is_none_or(|t| h.rule == t));
            if chosen { alerts(d) } else { vec![] }
        })
    }

    async fn transaction(&self, transaction_id: &str) -> Result<Option<Box<RawValue>>> {
        let judged = self.judged.lock();
        let Some((_, at)) = judged.by_id.get(transaction_id) else { return Ok(None) };
        let (d, document) = &judged.decisions[*at];
        let time = domain::time::format;
        let json = format!(
            r#"{{"transaction":{{"transaction_id":{},"account_id":{},"transaction_type":{},"amount":{},"timestamp":"{}","processed_at":"{}"}},"prediction":{document},"alerts":[{}]}}"#,
            serde_json::to_string(&d.transaction_id).expect("text"),
            serde_json::to_string(&d.account_id).expect("text"),
            serde_json::to_string(&d.transaction_type).expect("text"),
            d.amount.map_or_else(|| "null".into(), |a| a.to_string()),
            time(d.event_time),
            time(d.taken_at),
            alerts(d).join(","),
        );
        Ok(Some(RawValue::from_string(json).expect("it is JSON")))
    }

    async fn stats(&self) -> Result<Stats> {
        let judged = self.judged.lock();
        let count = |action| judged.decisions.iter().filter(|(d, _)| d.decision == action).count() as u64;
        Ok(Stats {
            transactions: judged.decisions.len() as u64,
            allow: count(Action::Allow),
            review: count(Action::Review),
            block: count(Action::Block),
            alerts: count(Action::Review) + count(Action::Block),
            dead_letters: 0,
            last_sequence: judged.decisions.last().map(|(d, _)| d.sequence),
            last_prediction: judged.decisions.last().map(|(d, _)| domain::time::format(d.taken_at)),
        })
    }

    async fn user(&self, name: &str) -> Result<Option<User>> {
        Ok(self.users.get(name).cloned())
    }

    fn ready(&self) -> Readiness {
        let ready = *self.mode.lock() != Mode::Down;
        let state = if ready { "up" } else { "down" };
        Readiness { ready, parts: vec![PartState { name: "log".into(), state: state.into(), detail: "in memory".into() }] }
    }

    fn alert_feed(&self) -> &dyn AlertFeed {
        &self.feed
    }

    fn status(&self) -> Status {
        let Readiness { ready, parts } = self.ready();
        Status {
            version: "0.0.0".into(),
            pid: std::process::id(),
            started_at: domain::time::format(0),
            uptime_seconds: 1.0,
            ready,
            parts,
            kafka: "127.0.0.1:9092".into(),
            project: server::status::ProjectStatus::default(),
            sequence: server::status::SequenceStatus::default(),
            counts: server::status::Counts::default(),
            rates: server::status::Rates::default(),
            latency: server::status::Latencies::default(),
            readers: Vec::new(),
            snapshot: None,
            memory: server::status::MemoryStatus::default(),
            log_bytes: 0,
            stream_clients: self.metrics.http.streams.get().try_into().unwrap_or(0),
        }
    }

    fn changes(&self) -> &dyn Changes {
        &self.changes
    }

    fn telemetry(&self) -> &Metrics {
        &self.metrics
    }
}
