//! What every store must do, as functions that panic where one does not. An implementation's tests call [`run`] with a way to
//! open a store at a fresh place, and again at the same place.

mod made;
mod upkeep;

pub use made::{Decisions, decision};

use crate::*;
use domain::{Action, Decimal, Decision, Kind, Rejection, Severity, TopicPartition};

/// 2026-11-21T09:30:00Z.
const START: i64 = 1_795_253_400_000_000;
const TOPIC: &str = "decisions";

/// Runs every case, each on a store of its own. `open` is given the case's name: the same name must give the same data again.
pub fn run<S: Store>(open: impl Fn(&str) -> S) {
    for (name, case) in cases::<S>() {
        let open = || open(name);
        case(&open);
    }
}

fn cases<S: Store>() -> Vec<(&'static str, fn(&dyn Fn() -> S))> {
    vec![
        ("rows_and_position_come_together", rows_and_position_come_together),
        ("a_batch_counts_once", a_batch_counts_once),
        ("an_overlap_is_skipped_in_part", an_overlap_is_skipped_in_part),
        ("a_store_that_fell_back_says_so", a_store_that_fell_back_says_so),
        ("partitions_have_positions_of_their_own", partitions_have_positions_of_their_own),
        ("a_known_transaction_keeps_its_prediction", a_known_transaction_keeps_its_prediction),
        ("documents_come_back_byte_for_byte", documents_come_back_byte_for_byte),
        ("pages_are_stable_while_rows_arrive", pages_are_stable_while_rows_arrive),
        ("predictions_filter", predictions_filter),
        ("alerts_filter_and_page_inside_one_decision", alerts_filter_and_page_inside_one_decision),
        ("a_damaged_cursor_is_rejected", a_damaged_cursor_is_rejected),
        ("a_transaction_with_all_that_was_said", a_transaction_with_all_that_was_said),
        ("ids_may_be_long_and_odd", ids_may_be_long_and_odd),
        ("amounts_are_exact", amounts_are_exact),
        ("dead_letters_keep_every_byte", dead_letters_keep_every_byte),
        ("what_is_too_old_goes_in_batches", upkeep::what_is_too_old_goes_in_batches),
        ("a_store_at_a_glance", upkeep::a_store_at_a_glance),
        ("users_and_secrets_last", users_and_secrets_last),
        ("users_of_the_broker_come_and_go", users_of_the_broker_come_and_go),
        ("positions_of_other_sinks_are_their_own", positions_of_other_sinks_are_their_own),
        ("readers_never_see_half_a_batch", readers_never_see_half_a_batch),
    ]
}

fn next(store: &impl Store, topic: &str, partition: i32) -> i64 {
    store.positions().expect("positions").next(&TopicPartition::new(topic, partition))
}

fn ids(items: &[Box<RawValue>]) -> Vec<String> {
    items
        .iter()
        .map(|item| {
            let json: serde_json::Value = serde_json::from_str(item.get()).expect("a document is JSON");
            json["transaction_id"].as_str().expect("an id").to_owned()
        })
        .collect()
}

fn page(limit: usize, cursor: Option<String>) -> PageRequest {
    PageRequest { limit, cursor }
}

fn rows_and_position_come_together<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    assert_eq!(store.totals().unwrap(), Totals::default());
    assert_eq!(next(&store, TOPIC, 0), 0);
    let applied = Decisions::range(0..100).apply(&store, 0);
    assert_eq!(applied, Applied { decisions: 100, alerts: 30, dead_letters: 0, skipped: 0 });
    store.sync().unwrap();
    drop(store);
    let store = open();
    assert_eq!(next(&store, TOPIC, 0), 100);
    let totals = store.totals().unwrap();
    assert_eq!((totals.transactions, totals.allow, totals.review, totals.block, totals.alerts), (100, 80, 10, 10, 30));
    assert_eq!(totals.last_sequence, Some(99));
    assert_eq!(totals.last_prediction.as_deref(), Some("2026-11-21T09:31:39.001500Z"));
}

fn a_batch_counts_once<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    let batch = Decisions::range(0..50);
    batch.apply(&store, 0);
    let before = store.totals().unwrap();
    let again = batch.apply(&store, 0);
    assert_eq!(again, Applied { skipped: 50, ..Applied::default() });
    assert_eq!(store.totals().unwrap(), before);
    // An older, shorter batch does not move the position back.
    Decisions::range(0..10).apply(&store, 0);
    assert_eq!(next(&store, TOPIC, 0), 50);
}

fn an_overlap_is_skipped_in_part<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..50).apply(&store, 0);
    let applied = Decisions::range(30..80).apply(&store, 0);
    assert_eq!((applied.decisions, applied.skipped), (30, 20));
    assert_eq!(next(&store, TOPIC, 0), 80);
    assert_eq!(store.totals().unwrap().transactions, 80);
    // A batch without records (transaction markers alone) still moves the position.
    store.apply(&[Batch { topic: TOPIC, partition: 0, from: 80, next_offset: 83, decisions: &[], dead_letters: &[] }]).unwrap();
    assert_eq!(next(&store, TOPIC, 0), 83);
}

/// A reader that knows a later position than the store has lost nothing yet: it is told, and reads again.
fn a_store_that_fell_back_says_so<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..10).apply(&store, 0);
    let (later, fitting) = (Decisions::range(20..30), Decisions::range(10..30));
    let (later, fitting) = (later.records(), fitting.records());
    let batch = |from, decisions| Batch { topic: TOPIC, partition: 0, from, next_offset: 30, decisions, dead_letters: &[] };
    assert_eq!(store.apply(&[batch(20, &later)]).expect_err("records are missing").kind, Kind::Retry);
    let audit = AuditBatch { topic: "control", partition: 0, from: 5, next_offset: 9, lines: &[] };
    assert_eq!(store.audit_from(&audit).expect_err("lines are missing").kind, Kind::Retry);
    assert_eq!((next(&store, TOPIC, 0), next(&store, "control", 0), store.totals().unwrap().transactions), (10, 0, 10));
    assert_eq!(store.apply(&[batch(10, &fitting)]).unwrap().decisions, 20);
}

fn partitions_have_positions_of_their_own<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    let (even, odd) = (
        Decisions::new((0..20).filter(|n| n % 2 == 0).map(|n| (n as i64 / 2, decision(n)))),
        Decisions::new((0..20).filter(|n| n % 2 == 1).map(|n| (n as i64 / 2, decision(n)))),
    );
    let (a, b) = (even.records(), odd.records());
    let batch = |partition, decisions| Batch { topic: TOPIC, partition, from: 0, next_offset: 10, decisions, dead_letters: &[] };
    let applied = store.apply(&[batch(0, &a), batch(1, &b)]).unwrap();
    assert_eq!(applied.decisions, 20);
    assert_eq!((next(&store, TOPIC, 0), next(&store, TOPIC, 1), next(&store, "another", 0)), (10, 10, 0));
}

fn a_known_transaction_keeps_its_prediction<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..1).apply(&store, 0);
    let mut other = decision(7);
    other.transaction_id = decision(0).transaction_id;
    let applied = Decisions::new([(7, other)]).apply(&store, 0);
    assert_eq!(applied, Applied { skipped: 1, ..Applied::default() });
    assert_eq!(next(&store, TOPIC, 0), 8);
    let view = store.transaction(&decision(0).transaction_id).unwrap().expect("it is known");
    assert_eq!(view.prediction.get().as_bytes(), decision(0).to_json());
}

fn documents_come_back_byte_for_byte<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..11).apply(&store, 0);
    let predictions = store.predictions(&PredictionFilter::default(), &page(100, None)).unwrap();
    assert_eq!(predictions.next, None);
    let expected: Vec<_> = (0..11).rev().map(|n| String::from_utf8(decision(n).to_json()).unwrap()).collect();
    assert_eq!(predictions.items.iter().map(|d| d.get().to_owned()).collect::<Vec<_>>(), expected);
    let alerts = store.alerts(&AlertFilter::default(), &page(100, None)).unwrap();
    let expected: Vec<_> = (0..11)
        .rev()
        .flat_map(|n| decision(n).alerts().map(|a| serde_json::to_string(&a).unwrap()).collect::<Vec<_>>().into_iter().rev())
        .collect();
    assert_eq!(alerts.items.iter().map(|d| d.get().to_owned()).collect::<Vec<_>>(), expected);
}

fn pages_are_stable_while_rows_arrive<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..25).apply(&store, 0);
    let (mut seen, mut cursor, mut arrived) = (Vec::new(), None, 25);
    loop {
        let found = store.predictions(&PredictionFilter::default(), &page(10, cursor)).unwrap();
        seen.extend(ids(&found.items));
        Decisions::range(arrived..arrived + 5).apply(&store, 0);
        arrived += 5;
        cursor = found.next;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (0..25).rev().map(|n| decision(n).transaction_id.to_string()).collect();
    assert_eq!(seen, expected);
    // Exactly as many as there are: no empty page follows.
    let filter = PredictionFilter { until: Some(decision(10).taken_at), ..PredictionFilter::default() };
    assert_eq!(store.predictions(&filter, &page(10, None)).unwrap().next, None);
}

fn predictions_filter<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..60).apply(&store, 0);
    let check = |filter: PredictionFilter, keep: &dyn Fn(&Decision) -> bool| {
        let expected: Vec<_> = (0..60).rev().map(decision).filter(|d| keep(d)).map(|d| d.transaction_id.to_string()).collect();
        assert!(!expected.is_empty(), "the case {filter:?} must find something");
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let part = store.predictions(&filter, &page(7, cursor)).unwrap();
            found.extend(ids(&part.items));
            cursor = part.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{filter:?}");
    };
    let all = PredictionFilter::default;
    for action in [Action::Allow, Action::Review, Action::Block] {
        check(PredictionFilter { decision: Some(action), ..all() }, &|d| d.decision == action);
    }
    check(PredictionFilter { account_id: Some("acc-1".into()), ..all() }, &|d| d.account_id.as_deref() == Some("acc-1"));
    let (since, until) = (decision(20).taken_at, decision(40).taken_at);
    check(PredictionFilter { since: Some(since), ..all() }, &|d| d.taken_at >= since);
    check(PredictionFilter { until: Some(until), ..all() }, &|d| d.taken_at < until);
    check(
        PredictionFilter {
            decision: Some(Action::Block),
            account_id: Some("acc-2".into()),
            since: Some(since),
            until: Some(until + 20_000_000),
        },
        &|d| {
            d.decision == Action::Block
                && d.account_id.as_deref() == Some("acc-2")
                && d.taken_at >= since
                && d.taken_at < until + 20_000_000
        },
    );
    let nobody = PredictionFilter { account_id: Some("' OR 1=1 --".into()), ..all() };
    assert_eq!(store.predictions(&nobody, &page(10, None)).unwrap().items.len(), 0);
}

fn alerts_filter_and_page_inside_one_decision<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..60).apply(&store, 0);
    let walk = |filter: &AlertFilter, limit| {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let part = store.alerts(filter, &page(limit, cursor)).unwrap();
            found.extend(part.items.iter().map(|a| a.get().to_owned()));
            cursor = part.next;
            if cursor.is_none() {
                break found;
            }
        }
    };
    let expect = |keep: &dyn Fn(&domain::Alert) -> bool| -> Vec<String> {
        let mut all: Vec<_> = (0..60).flat_map(|n| decision(n).alerts().collect::<Vec<_>>()).filter(|a| keep(a)).collect();
        all.reverse();
        all.iter().map(|a| serde_json::to_string(a).unwrap()).collect()
    };
    // Pages of one: a page may end between two alerts of the same decision.
    assert_eq!(walk(&AlertFilter::default(), 1), expect(&|_| true));
    let severity = AlertFilter { severity: Some(Severity::Critical), ..AlertFilter::default() };
    assert_eq!(walk(&severity, 4), expect(&|a| a.severity == Severity::Critical));
    let rule = AlertFilter { alert_type: Some("high_amount".into()), account_id: Some("acc-0".into()), ..AlertFilter::default() };
    let expected = expect(&|a| a.alert_type == "high_amount" && a.account_id.as_deref() == Some("acc-0"));
    assert!(!expected.is_empty());
    assert_eq!(walk(&rule, 2), expected);
    let shadow = AlertFilter { alert_type: Some("watched".into()), ..AlertFilter::default() };
    assert_eq!(walk(&shadow, 4).len(), 0);
}

fn a_damaged_cursor_is_rejected<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    for cursor in ["", "x", "12", "-1-0", "1--1", "1-", "99999999999999999999-0", "+1-0", "1-0-0", "1-0; drop table alerts"] {
        let page = page(10, Some(cursor.into()));
        for outcome in [
            store.predictions(&PredictionFilter::default(), &page).map(drop),
            store.alerts(&AlertFilter::default(), &page).map(drop),
            store.dead_letters(&page).map(drop),
        ] {
            assert_eq!(outcome.expect_err(cursor).kind, Kind::Reject, "{cursor}");
        }
    }
}

fn a_transaction_with_all_that_was_said<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    Decisions::range(0..11).apply(&store, 0);
    assert!(store.transaction("tx-nobody").unwrap().is_none());
    let view = store.transaction("tx-00000010").unwrap().expect("it is known");
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(
        json["transaction"],
        serde_json::json!({
            "transaction_id": "tx-00000010", "account_id": "acc-1", "transaction_type": "purchase", "amount": 10.01,
            "timestamp": "2026-11-21T09:30:10.000000Z", "processed_at": "2026-11-21T09:30:10.001500Z",
        })
    );
    assert_eq!(json["prediction"]["decision"], "block");
    let rules: Vec<_> = json["alerts"].as_array().unwrap().iter().map(|a| a["alert_type"].as_str().unwrap()).collect();
    assert_eq!(rules, ["velocity", "high_amount"]);
}

/// Whatever a stream lets through is stored: one payment must not hold up all others.
fn ids_may_be_long_and_odd<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    // Letters that no index can compress.
    let mut random = 88_172_645_463_325_252u64;
    let long: String = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from_u32(0x4e00 + (random >> 50) as u32).unwrap_or('x')
    })
    .take(4096)
    .collect();
    let ids = [long.clone(), format!("{long}2"), "a\0b".into(), "'; --".into(), "\u{2400}\\N\t\n".into(), " ".into()];
    let made = ids.iter().zip(0u64..).map(|(id, n)| {
        let mut d = decision(n * 10);
        (d.transaction_id, d.account_id) = (id.as_str().into(), Some(id.as_str().into()));
        d.hits.iter_mut().for_each(|hit| hit.message.push('\0'));
        (n as i64, d)
    });
    let made: Vec<_> = made.collect();
    Decisions::new(made.clone()).apply(&store, 0);
    for (id, (_, d)) in ids.iter().zip(&made) {
        let view = store.transaction(id).unwrap().expect("it is known");
        assert_eq!((view.transaction.transaction_id.as_str(), view.prediction.get().as_bytes()), (id.as_str(), &*d.to_json()));
        assert_eq!(view.alerts.len(), 2);
        let filter = PredictionFilter { account_id: Some(id.clone()), ..PredictionFilter::default() };
        assert_eq!(store.predictions(&filter, &page(10, None)).unwrap().items.len(), 1);
        let filter = AlertFilter { account_id: Some(id.clone()), ..AlertFilter::default() };
        assert_eq!(store.alerts(&filter, &page(10, None)).unwrap().items.len(), 2);
    }
    assert!(store.transaction(&long[3..]).unwrap().is_none());
}

fn amounts_are_exact<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    let amounts = ["0.10", "-12.34", "999999999999999999", "0.000000000000000001", "9007199254740993.01"];
    let made = amounts.iter().enumerate().map(|(n, text)| {
        let scale = text.split_once('.').map_or(0, |(_, places)| places.len() as u8);
        let mut d = decision(n as u64);
        d.amount = Some(Decimal::parse(text, scale).expect("a decimal"));
        (n as i64, d)
    });
    Decisions::new(made).apply(&store, 0);
    for (n, text) in amounts.iter().enumerate() {
        let view = store.transaction(&decision(n as u64).transaction_id).unwrap().expect("it is known");
        assert_eq!(view.transaction.amount.expect("an amount").get(), *text);
    }
    let mut none = decision(50);
    (none.amount, none.account_id, none.transaction_type) = (None, None, None);
    Decisions::new([(50, none)]).apply(&store, 0);
    assert!(store.transaction("tx-00000050").unwrap().expect("it is known").transaction.amount.is_none());
}

fn dead_letters_keep_every_byte<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    let letter = |n: i64| DeadLetter {
        topic: "transactions".into(),
        partition: 2,
        offset: n * 10,
        errors: vec![Rejection::field("wrong_type", "amount", "is text, not a decimal"), Rejection::record("not_json", "and more")],
        raw: vec![0, 159, 146, 150, n as u8],
        at: START + n,
    };
    let letters: Vec<_> = (0..5).map(letter).collect();
    let records: Vec<_> = letters.iter().enumerate().map(|(n, letter)| DeadLetterRecord { offset: n as i64, letter }).collect();
    let batch = Batch { topic: "dead-letters", partition: 0, from: 0, next_offset: 5, decisions: &[], dead_letters: &records };
    assert_eq!(store.apply(&[batch]).unwrap().dead_letters, 5);
    assert_eq!(store.apply(&[batch]).unwrap(), Applied { skipped: 5, ..Applied::default() });
    assert_eq!(store.totals().unwrap().dead_letters, 5);
    let first = store.dead_letters(&page(3, None)).unwrap();
    let rest = store.dead_letters(&page(3, first.next.clone())).unwrap();
    assert_eq!(rest.next, None);
    let found: Vec<_> = first.items.into_iter().chain(rest.items).collect();
    assert_eq!(found, letters.into_iter().rev().collect::<Vec<_>>());
}

fn users_and_secrets_last<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    assert_eq!((store.user("admin").unwrap(), store.user_count().unwrap()), (None, 0));
    let mut user = User { name: "admin".into(), password_hash: "$argon2id$1".into(), role: Role::Admin };
    assert!(store.put_first_user(&user).unwrap());
    assert!(!store.put_first_user(&User { name: "second".into(), ..user.clone() }).unwrap());
    assert_eq!(store.user_count().unwrap(), 1);
    user.password_hash = "$argon2id$2".into();
    store.put_user(&user).unwrap();
    assert_eq!(store.secret("jwt", &|| vec![1, 2, 3]).unwrap(), [1, 2, 3]);
    assert_eq!(store.secret("jwt", &|| panic!("it is there already")).unwrap(), [1, 2, 3]);
    store.audit(&AuditEntry { actor: "admin".into(), action: "login".into(), subject: "admin".into(), detail: String::new() }).unwrap();
    drop(store);
    let store = open();
    assert_eq!((store.user("admin").unwrap(), store.user_count().unwrap()), (Some(user), 1));
    assert_eq!(store.user("Admin").unwrap(), None);
    assert_eq!(store.secret("jwt", &|| vec![9]).unwrap(), [1, 2, 3]);
}

fn users_of_the_broker_come_and_go<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    let user = |name: &str, grants: &str| KafkaUser {
        name: name.into(),
        scram_sha_256: "SCRAM-SHA-256$4096:c2FsdA==$a:b".into(),
        scram_sha_512: "SCRAM-SHA-512$4096:c2FsdA==$c:d".into(),
        grants: grants.into(),
    };
    assert_eq!((store.kafka_user("shop").unwrap(), store.kafka_users().unwrap()), (None, vec![]));
    for user in [user("shop", "{}"), user("billing", "{}"), user("shop", r#"{"read":["alerts"]}"#)] {
        store.put_kafka_user(&user).unwrap();
    }
    drop(store);
    let store = open();
    assert_eq!(store.kafka_user("shop").unwrap(), Some(user("shop", r#"{"read":["alerts"]}"#)));
    assert_eq!(store.kafka_user("Shop").unwrap(), None);
    assert_eq!(store.kafka_users().unwrap(), [user("billing", "{}"), user("shop", r#"{"read":["alerts"]}"#)]);
    // They are not users of the API.
    assert_eq!((store.user("shop").unwrap(), store.user_count().unwrap()), (None, 0));
    assert_eq!((store.remove_kafka_user("shop").unwrap(), store.remove_kafka_user("shop").unwrap()), (true, false));
    assert_eq!(store.kafka_users().unwrap(), [user("billing", "{}")]);
}

/// What other sinks keep here is theirs, and moves nothing of the store's.
fn positions_of_other_sinks_are_their_own<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    let at = TopicPartition::new("alerts", 0);
    assert_eq!(store.sink_position("webhook shop", &at).unwrap(), None);
    store.keep_sink_position("webhook shop", &at, 12).unwrap();
    store.keep_sink_position("webhook desk", &at, 3).unwrap();
    store.keep_sink_position("webhook shop", &at, 7).unwrap();
    assert_eq!(store.keep_sink_position("store", &at, 1).unwrap_err().kind, Kind::Bug);
    drop(store);
    let store = open();
    assert_eq!(store.sink_position("webhook shop", &at).unwrap(), Some(7));
    assert_eq!(store.sink_position("webhook desk", &at).unwrap(), Some(3));
    assert_eq!(store.sink_position("webhook shop", &TopicPartition::new("alerts", 1)).unwrap(), None);
    assert_eq!(store.positions().unwrap().next(&at), 0);
}

/// Readers beside a writer: whatever they see ends at the end of a batch.
fn readers_never_see_half_a_batch<S: Store>(open: &dyn Fn() -> S) {
    let store = open();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut looks = 0;
                    loop {
                        let last = done.load(std::sync::atomic::Ordering::Acquire);
                        let totals = store.totals().expect("totals");
                        assert_eq!(totals.transactions % 50, 0);
                        assert_eq!(totals.last_sequence.map_or(0, |s| s + 1), totals.transactions);
                        let newest = store.predictions(&PredictionFilter::default(), &page(1, None)).expect("predictions");
                        if let Some(id) = ids(&newest.items).first() {
                            let view = store.transaction(id).expect("a transaction").expect("a prediction has its transaction");
                            assert_eq!(view.transaction.transaction_id, *id);
                        }
                        looks += 1;
                        if last {
                            break looks;
                        }
                    }
                })
            })
            .collect();
        for n in 0..20 {
            Decisions::range(n * 50..(n + 1) * 50).apply(&store, 0);
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        for reader in readers {
            assert!(reader.join().expect("a reader saw half a batch") > 0);
        }
    });
    assert_eq!(store.totals().unwrap().transactions, 1000);
}
