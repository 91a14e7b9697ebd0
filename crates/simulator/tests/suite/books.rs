//! The books: what the world says of itself is what its records add up to, and its records fit together to the cent.

use super::START;
use domain::time::{DAY, HOUR};
use domain::{Decimal, Micros};
use serde_json::Value;
use simulator::{SimEvent, World, WorldConfig};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Two months of a small shop, so that parcels arrive and labels become known.
fn history() -> (World, Vec<(SimEvent, Value)>) {
    let config = WorldConfig { seed: 5, start: START, fraud_rate: 0.03, ..WorldConfig::at_rate(0.01) };
    let mut world = World::new(config).unwrap();
    let events: Vec<_> = world.payments(45_000).map(|e| (e.clone(), serde_json::from_slice(&e.json).unwrap())).collect();
    (world, events)
}

/// Hundredths, from the record's own digits.
fn cents(event: &SimEvent, field: &str) -> i64 {
    let text = std::str::from_utf8(&event.json).unwrap();
    let from = text.find(&format!("\"{field}\":")).unwrap_or_else(|| panic!("{field} in {text}")) + field.len() + 3;
    let digits = text[from..].split([',', '}']).next().unwrap();
    Decimal::parse(digits, 2).unwrap().unscaled as i64
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

/// Counts and sums by some word.
#[derive(Default)]
struct Tally(BTreeMap<String, (u64, i64)>);

impl Tally {
    fn add(&mut self, word: &str, cents: i64) {
        let entry = self.0.entry(word.to_owned()).or_default();
        *entry = (entry.0 + 1, entry.1 + cents);
    }

    fn check(&self, report: &Value, what: &str) {
        let counts: BTreeMap<String, (u64, i64)> = report
            .as_object()
            .unwrap_or_else(|| panic!("{what}"))
            .iter()
            .map(|(word, sum)| {
                let amount = Decimal::parse(sum["amount"].as_str().unwrap(), 2).unwrap().unscaled as i64;
                (word.clone(), (sum["count"].as_u64().unwrap(), amount))
            })
            .collect();
        assert_eq!(self.0, counts, "{what}");
    }
}

#[test]
fn the_totals_are_those_of_the_records() {
    let (mut world, mut events) = history();
    let rest: Vec<SimEvent> = world.outstanding_labels().collect();
    events.extend(rest.into_iter().map(|e| (e.clone(), serde_json::from_slice(&e.json).unwrap())));
    let mut tallies: HashMap<&str, Tally> = HashMap::new();
    let mut records: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut pieces, mut stars, mut bases, mut customers) = (0, 0, HashMap::new(), HashSet::new());
    for (event, value) in &events {
        *records.entry(event.stream).or_default() += 1;
        let mut tally = |name: &'static str, word: &str, cents: i64| tallies.entry(name).or_default().add(word, cents);
        match event.stream {
            "transactions" => {
                let base = cents(event, "amount_base");
                tally("type", text(value, "transaction_type"), base);
                tally("currency", text(value, "currency"), cents(event, "amount"));
                bases.insert(text(value, "transaction_id").to_owned(), base);
            }
            "orders" => tally("status", text(value, "status"), cents(event, "total_amount")),
            "order_items" => {
                let quantity = value["quantity"].as_i64().unwrap();
                pieces += quantity as u64;
                tally("lines", "lines", cents(event, "unit_price") * quantity - cents(event, "discount"));
            }
            "payments" => tally("payments", text(value, "status"), cents(event, "amount")),
            "reviews" => stars += value["rating"].as_u64().unwrap(),
            "labels" if value["label"] == "fraud" => tally("fraud", text(value, "scenario"), bases[text(value, "transaction_id")]),
            "customers" => {
                customers.insert(text(value, "customer_id").to_owned());
            }
            _ => {}
        }
    }
    let report = world.totals().report();
    tallies["type"].check(&report["transactions"]["by_type"], "by type");
    tallies["currency"].check(&report["transactions"]["by_currency"], "by currency");
    tallies["status"].check(&report["orders"]["by_status"], "orders by status");
    tallies["payments"].check(&report["payments"], "payments by status");
    tallies["fraud"].check(&report["fraud"]["by_scenario"], "fraud by scenario");
    tallies["lines"].check(&serde_json::json!({"lines": report["order_items"]["lines"]}), "order lines");
    assert_eq!(report["order_items"]["pieces"], pieces);
    assert_eq!(report["reviews"]["stars"], stars);
    assert_eq!(report["customers"], customers.len());
    assert_eq!(report["events"], events.len());
    for (stream, count) in records {
        assert_eq!(report["records"][stream], count, "{stream}");
    }
    let names: HashSet<&str> = tallies["fraud"].0.keys().map(String::as_str).collect();
    assert_eq!(names, simulator::fraud::scenario_names().into_iter().collect(), "every scenario happens");
}

#[test]
fn orders_their_lines_and_payments_fit_together() {
    let (_, events) = history();
    let (mut totals, mut sums, mut lines): (HashMap<String, i64>, HashMap<String, i64>, HashMap<String, u64>) = Default::default();
    let mut statuses: HashMap<String, Vec<String>> = HashMap::new();
    let (mut moved, mut paid, mut refunds) = (HashMap::new(), 0, 0);
    for (event, value) in &events {
        match event.stream {
            "orders" => {
                let id = text(value, "order_id").to_owned();
                totals.insert(id.clone(), cents(event, "total_amount"));
                lines.insert(id.clone(), value["items"].as_u64().unwrap());
                statuses.entry(id).or_default().push(text(value, "status").to_owned());
            }
            "order_items" => {
                let id = text(value, "order_id").to_owned();
                assert!(totals.contains_key(&id), "an order comes before its lines");
                let total = cents(event, "unit_price") * value["quantity"].as_i64().unwrap() - cents(event, "discount");
                assert!(cents(event, "discount") >= 0 && total >= 0);
                *sums.entry(id.clone()).or_default() += total;
                *lines.get_mut(&id).unwrap() -= 1;
            }
            "transactions" => {
                let base = cents(event, "amount_base");
                if let Some(order) = value["order_id"].as_str() {
                    assert!(totals.contains_key(order), "an order comes before its payment");
                }
                if let Some(original) = value["original_transaction_id"].as_str() {
                    let (bought, order) = &moved[original];
                    assert!(base <= *bought && text(value, "transaction_type") == "refund" && value["order_id"] == *order);
                    refunds += 1;
                }
                moved.insert(text(value, "transaction_id").to_owned(), (base, value["order_id"].clone()));
            }
            "payments" => {
                let amount = cents(event, "amount");
                let order = text(value, "order_id");
                match (text(value, "status"), value["transaction_id"].as_str()) {
                    ("declined", None) => assert_eq!(amount, totals[order]),
                    ("authorised" | "captured", Some(transaction)) => {
                        paid += 1;
                        assert_eq!((amount, amount), (totals[order], moved[transaction].0), "{value}");
                    }
                    ("refunded", Some(transaction)) => assert_eq!(amount, moved[transaction].0),
                    _ => panic!("{value}"),
                }
            }
            _ => {}
        }
    }
    assert_eq!(totals, sums, "what an order costs is the sum of its lines");
    assert!(paid > 10_000 && refunds > 300, "{paid} {refunds}");
    for (order, seen) in &statuses {
        let way: Vec<&str> = seen.iter().map(String::as_str).collect();
        let whole = ["pending", "paid", "shipped", "delivered", "returned"];
        let known = way == whole[..way.len().min(5)]
            || matches!(way[..], ["pending", "cancelled"] | ["pending", "paid", "cancelled"])
            // By mail of the electronic kind.
            || matches!(way[..], ["pending", "paid", "delivered"] | ["pending", "paid", "delivered", "returned"]);
        assert!(known, "{order}: {way:?}");
    }
}

#[test]
fn balances_follow_from_what_is_moved() {
    let rates: HashMap<&str, i64> = simulator::money::exchange_rates().iter().copied().collect();
    let (_, events) = history();
    let mut balances: HashMap<String, (i64, String)> = HashMap::new();
    let mut since: HashMap<String, i64> = HashMap::new();
    let (mut rows, mut overdrawn) = (0, 0);
    for (event, value) in &events {
        let account = value["account_id"].as_str();
        match (event.stream, account) {
            ("account_balances", Some(account)) => {
                let (balance, limit) = (cents(event, "balance"), cents(event, "credit_limit"));
                assert!(balance >= -limit, "{value}");
                overdrawn += u32::from(balance < 0);
                let moved = since.remove(account).unwrap_or(0);
                if let Some((before, _)) = balances.insert(account.to_owned(), (balance, text(value, "currency").to_owned())) {
                    rows += 1;
                    assert_eq!(balance, before + moved, "{value}");
                }
            }
            ("transactions", Some(account)) => {
                let own = &balances.get(account).unwrap_or_else(|| panic!("the row of {account} comes before its payments")).1;
                let (amount, base) = (cents(event, "amount"), cents(event, "amount_base"));
                assert_eq!(base, (amount * rates[text(value, "currency")] + 5_000) / 10_000);
                let moved = if text(value, "currency") == own {
                    amount
                } else {
                    let rate = rates[own.as_str()];
                    (base * 20_000 + rate) / (2 * rate)
                };
                let sign = if matches!(text(value, "transaction_type"), "refund" | "deposit") { 1 } else { -1 };
                *since.entry(account.to_owned()).or_default() += sign * moved;
            }
            _ => {}
        }
    }
    assert!(rows > 5_000 && overdrawn > 100, "{rows} {overdrawn}");
}

#[test]
fn rows_come_before_what_needs_them_and_ids_are_unique() {
    let (_, events) = history();
    let mut seen: HashSet<(&str, String)> = HashSet::new();
    let mut changed: HashMap<&str, u32> = HashMap::new();
    let mut sessions: HashMap<String, (u32, Micros)> = HashMap::new();
    for (event, value) in &events {
        let needs = |what: &'static str, field: &str| {
            if let Some(id) = value[field].as_str() {
                assert!(seen.contains(&(what, id.to_owned())), "{what} {id} comes before {value}");
            }
        };
        let own = match event.stream {
            "transactions" => {
                needs("account_balances", "account_id");
                needs("merchant_info", "merchant_id");
                needs("user_profiles", "customer_id");
                if let Some(session) = value["session_id"].as_str() {
                    assert!(sessions[session].0 > 0, "a purchase in a session has clicks before it");
                }
                "transaction_id"
            }
            "clickstream" => {
                needs("products", "product_id");
                let session = sessions.entry(text(value, "session_id").to_owned()).or_insert((0, event.event_time));
                assert!(event.event_time - session.1 < HOUR);
                session.0 += 1;
                "event_id"
            }
            "order_items" => {
                needs("products", "product_id");
                "order_item_id"
            }
            "reviews" => {
                needs("orders", "order_id");
                needs("customers", "customer_id");
                "review_id"
            }
            "orders" => {
                needs("customers", "customer_id");
                "order_id"
            }
            "payments" => "payment_id",
            "labels" => "transaction_id",
            "customers" | "user_profiles" => "customer_id",
            "products" => "product_id",
            "merchant_info" => "merchant_id",
            _ => "account_id",
        };
        let first = seen.insert((event.stream, text(value, own).to_owned()));
        if !first {
            *changed.entry(event.stream).or_default() += 1;
        }
    }
    for stream in ["transactions", "clickstream", "order_items", "reviews", "labels", "merchant_info"] {
        assert!(!changed.contains_key(stream), "{stream} has an id twice");
    }
    for stream in ["customers", "products", "user_profiles", "account_balances", "orders"] {
        assert!(changed[stream] > 5, "{stream} changes");
    }
}

#[test]
fn labels_become_known_days_later_in_their_place() {
    let config = WorldConfig { fraud_rate: 0.1, clicks: false, seed: 3, start: START, ..WorldConfig::at_rate(0.01) };
    let mut paid = HashMap::new();
    let mut days: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in World::new(config).unwrap().until(START + 60 * DAY) {
        let record: Value = serde_json::from_slice(&event.json).unwrap();
        match event.stream {
            "transactions" => {
                paid.insert(text(&record, "transaction_id").to_owned(), event.event_time);
            }
            "labels" => {
                let after = event.event_time - paid[text(&record, "transaction_id")];
                assert!((12 * HOUR..=120 * DAY).contains(&after));
                days.entry(record["scenario"].as_str().unwrap_or("genuine").to_owned()).or_default().push(after / DAY);
            }
            _ => {}
        }
    }
    let median = |name: &str| {
        let mut all = days[name].clone();
        all.sort_unstable();
        all[all.len() / 2]
    };
    assert!(median("stolen_card_spree") < 4 && median("friendly_fraud") > 20, "each kind in its own time");
}
