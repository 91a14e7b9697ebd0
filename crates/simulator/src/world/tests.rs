use super::*;
use crate::{ACCOUNT_BALANCES, CLICKSTREAM, LABELS, MERCHANT_INFO};
use domain::time::{DAY, HOUR};
use std::collections::{HashMap, HashSet};

const START: Micros = 1_767_225_600_000_000;

fn config() -> WorldConfig {
    WorldConfig { seed: 7, start: START, rate: 50.0, fraud_rate: 0.02, ..WorldConfig::default() }
}

fn world() -> World {
    World::new(config()).unwrap()
}

fn json(event: &SimEvent) -> serde_json::Value {
    serde_json::from_slice(&event.json).unwrap()
}

#[test]
fn the_same_seed_and_start_give_the_same_bytes() {
    let (a, b): (Vec<_>, Vec<_>) = (world().take(20_000).collect(), world().take(20_000).collect());
    assert!(a == b);
    let other: Vec<_> = World::new(WorldConfig { seed: 8, ..config() }).unwrap().take(20_000).collect();
    assert!(a != other);
}

#[test]
fn a_saved_world_goes_on_as_if_it_had_not_stopped() {
    let mut straight = world();
    let mut first = world();
    for _ in 0..30_000 {
        assert!(straight.next() == first.next());
    }
    let saved = first.save();
    let mut second = World::restore(&saved).unwrap();
    assert_eq!(saved, second.save());
    for _ in 0..30_000 {
        assert!(straight.next() == second.next());
    }
    assert_eq!(straight.totals(), second.totals());
}

#[test]
fn a_wrong_saved_world_is_a_stop_with_a_hint() {
    let error = World::restore(b"{}").unwrap_err();
    assert_eq!(error.kind, domain::Kind::Stop);
    assert!(error.to_string().contains("remove the saved world"), "{error}");
    let mut saved: serde_json::Value = serde_json::from_slice(&world().save()).unwrap();
    saved["format"] = 999.into();
    let error = World::restore(&serde_json::to_vec(&saved).unwrap()).unwrap_err();
    assert!(error.to_string().contains("format 999"), "{error}");
}

#[test]
fn parameters_out_of_bounds_are_named() {
    for (wrong, name) in [
        (WorldConfig { rate: 0.0, ..config() }, "rate is 0"),
        (WorldConfig { rate: f64::NAN, ..config() }, "rate is NaN"),
        (WorldConfig { fraud_rate: 0.9, ..config() }, "fraud rate is 0.9"),
        (WorldConfig { accounts: 3, ..config() }, "number of accounts is 3"),
        (WorldConfig { merchants: 1, ..config() }, "number of merchants is 1"),
        (WorldConfig { genuine_labels: 2.0, ..config() }, "genuine label share is 2"),
    ] {
        let error = World::new(wrong).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error}");
    }
}

#[test]
fn events_come_in_the_order_of_event_time_and_carry_it() {
    let mut last = START;
    for event in world().take(50_000) {
        assert!(event.event_time >= last);
        last = event.event_time;
        let field = match event.stream {
            TRANSACTIONS | CLICKSTREAM => "event_time",
            LABELS => "known_at",
            _ => "updated_at",
        };
        assert_eq!(json(&event)[field], domain::time::format(event.event_time));
    }
    assert!(last > START);
}

#[test]
fn ids_are_unique_and_rows_come_before_what_needs_them() {
    let (mut payments, mut clicks, mut accounts, mut merchants) = (HashSet::new(), HashSet::new(), HashSet::new(), HashSet::new());
    let mut sessions: HashMap<String, (u32, Micros)> = HashMap::new();
    let mut online = 0;
    for event in world().take(100_000) {
        let record = json(&event);
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        match event.stream {
            MERCHANT_INFO => assert!(merchants.insert(text("merchant_id").unwrap())),
            ACCOUNT_BALANCES => {
                accounts.insert(text("account_id").unwrap());
            }
            CLICKSTREAM => {
                assert!(clicks.insert(text("event_id").unwrap()));
                let seen = sessions.entry(text("session_id").unwrap()).or_insert((0, event.event_time));
                assert!(event.event_time - seen.1 <= LONGEST_VISIT);
                seen.0 += 1;
            }
            TRANSACTIONS => {
                assert!(payments.insert(text("transaction_id").unwrap()));
                assert_eq!(event.key, text("account_id").unwrap());
                assert!(accounts.contains(&text("account_id").unwrap()));
                assert!(text("merchant_id").is_none_or(|m| merchants.contains(&m)));
                if let Some(session) = text("session_id") {
                    online += 1;
                    assert!(sessions[&session].0 > 0, "a purchase in a session has clicks before it");
                }
            }
            _ => {}
        }
    }
    assert!(online > payments.len() / 4 && online < payments.len() * 3 / 4, "{online} of {}", payments.len());
    assert!(clicks.len() > payments.len());
}

#[test]
fn the_payment_rate_holds_from_the_first_second_on() {
    let mut world = world();
    let first = world.until(START + MINUTE).filter(SimEvent::is_payment).count();
    let second = world.until(START + 11 * MINUTE).filter(SimEvent::is_payment).count();
    // 3,000 and 30,000 expected; the standard deviations are 55 and 173.
    assert!((2_750..3_250).contains(&first), "{first}");
    assert!((29_200..30_800).contains(&second), "{second}");
}

#[test]
fn the_daily_rhythm_moves_the_rate_and_keeps_its_mean() {
    let config = WorldConfig { rate: 2.0, daily_rhythm: true, clicks: false, ..config() };
    let mut world = World::new(config).unwrap();
    let hours: Vec<usize> = (1..=24).map(|hour| world.until(START + hour * HOUR).filter(SimEvent::is_payment).count()).collect();
    let total: usize = hours.iter().sum();
    assert!((165_000..181_000).contains(&total), "{total}");
    assert!(hours.iter().max().unwrap() > &(hours.iter().min().unwrap() * 3 / 2), "{hours:?}");
}

#[test]
fn the_fraud_rate_holds_closely_at_every_rate() {
    for (rate, fraud_rate, payments) in [(1000.0, 0.005, 1_000_000), (0.05, 0.02, 20_000), (20.0, 0.3, 50_000), (10.0, 0.0, 20_000)] {
        let config = WorldConfig { rate, fraud_rate, clicks: false, ..config() };
        let mut world = World::new(config).unwrap();
        world.payments(payments).for_each(drop);
        let expected = fraud_rate * payments as f64;
        let fraud = world.totals().fraud as f64;
        // Twenty may be made before they are owed, one is owed before it is made.
        assert!((fraud - expected).abs() <= 22.0, "{fraud} for {expected} at {rate} a second");
        assert_eq!(world.totals().payments, payments);
    }
}

#[test]
fn small_batches_have_their_share_of_fraud_too() {
    let fraud = |seed| {
        let mut world = World::new(WorldConfig { seed, rate: 10.0, fraud_rate: 0.05, ..config() }).unwrap();
        world.payments(50).for_each(drop);
        world.totals().fraud
    };
    let all: Vec<u64> = (0..40).map(fraud).collect();
    assert!(all.iter().all(|fraud| (1..=5).contains(fraud)), "{all:?}");
    assert!((70..=130).contains(&all.iter().sum::<u64>()), "{all:?}");
}

#[test]
fn both_scenarios_look_as_they_should() {
    let mut world = World::new(WorldConfig { fraud_rate: 0.1, clicks: false, ..config() }).unwrap();
    let mut payments = HashMap::new();
    for event in world.payments(30_000).filter(SimEvent::is_payment) {
        payments.insert(json(&event)["transaction_id"].as_str().unwrap().to_owned(), json(&event));
    }
    let mut small: HashMap<String, (u32, u32)> = HashMap::new();
    let (mut takeovers, mut high) = (0, 0);
    for label in world.outstanding_labels() {
        let label = json(&label);
        let payment = &payments[label["transaction_id"].as_str().unwrap()];
        let amount: f64 = payment["amount"].as_f64().unwrap();
        match label["scenario"].as_str() {
            Some("card_testing") => {
                let seen = small.entry(payment["device_id"].as_str().unwrap().to_owned()).or_default();
                if amount < 5.0 { seen.0 += 1 } else { seen.1 += 1 }
            }
            Some("account_takeover") => {
                takeovers += 1;
                high += u32::from(amount > 1000.0);
                assert_eq!(payment["channel"], "online");
                assert!(!["US", "GB", "DE"].contains(&payment["country"].as_str().unwrap()));
            }
            other => assert_eq!((other, label["label"].as_str()), (None, Some("genuine"))),
        }
    }
    assert!(small.values().filter(|(tests, large)| *tests >= 6 && *large == 1).count() > 20);
    assert!(small.values().all(|(_, large)| *large <= 1));
    assert!(takeovers > 200 && high * 10 > takeovers * 7, "{high} of {takeovers}");
    let totals = world.totals();
    assert_eq!(totals.fraud_by_scenario.values().sum::<u64>(), totals.fraud);
}

#[test]
fn totals_are_those_of_the_bytes() {
    let mut world = world();
    let mut events: HashMap<&str, u64> = HashMap::new();
    let mut cents: HashMap<String, i128> = HashMap::new();
    for event in world.payments(5_000) {
        *events.entry(event.stream).or_default() += 1;
        if event.is_payment() {
            let text = String::from_utf8(event.json.clone()).unwrap();
            let amount = text.split("\"amount\":").nth(1).unwrap().split(',').next().unwrap();
            let currency = json(&event)["currency"].as_str().unwrap().to_owned();
            *cents.entry(currency).or_default() += domain::Decimal::parse(amount, 2).unwrap().unscaled;
        }
    }
    let totals = world.totals();
    assert_eq!(events[TRANSACTIONS], totals.payments);
    assert_eq!(events[CLICKSTREAM], totals.clicks);
    assert_eq!(events[ACCOUNT_BALANCES], totals.balances);
    assert_eq!(events[MERCHANT_INFO], totals.merchants);
    assert_eq!(events.values().sum::<u64>(), totals.events());
    assert_eq!(cents.len(), totals.cents_by_currency.len());
    for (currency, sum) in cents {
        assert_eq!(totals.amount(&currency).unscaled, sum);
    }
}

#[test]
fn labels_become_known_days_later_in_their_place() {
    let config = WorldConfig { rate: 0.02, fraud_rate: 0.1, clicks: false, ..config() };
    let mut paid = HashMap::new();
    let mut known = 0;
    for event in World::new(config).unwrap().until(START + 60 * DAY) {
        let record = json(&event);
        let id = record["transaction_id"].as_str().map(str::to_owned);
        match event.stream {
            TRANSACTIONS => {
                paid.insert(id.unwrap(), event.event_time);
            }
            LABELS => {
                known += 1;
                let after = event.event_time - paid[&id.unwrap()];
                assert!((12 * HOUR..=45 * DAY).contains(&after));
            }
            _ => {}
        }
    }
    assert!(known > 8_000, "{known}");
}

#[test]
fn a_resumed_world_goes_on_at_the_time_given() {
    let mut world = world();
    let before: Vec<_> = world.payments(500).collect();
    let now = world.clock() + 5 * DAY;
    world.resume_at(now);
    let mut ids: HashSet<_> = before.iter().filter(|e| e.is_payment()).map(|e| json(e)["transaction_id"].clone()).collect();
    let mut last = before.last().unwrap().event_time;
    let (mut labels, mut payments) = (0, 0);
    for event in world.payments(500) {
        assert!(event.event_time >= last);
        last = event.event_time;
        if event.stream == LABELS {
            labels += 1;
        } else {
            assert!(event.event_time >= now, "{} is before the resume", event.stream);
        }
        if event.is_payment() {
            payments += 1;
            assert!(ids.insert(json(&event)["transaction_id"].clone()));
        }
    }
    assert!(labels > 0 && payments == 500);
    // Fifty payments a second: the pause adds none of its own.
    assert!(world.clock() - now < 30 * SECOND);
    let clock = world.clock();
    world.resume_at(clock - DAY);
    assert!(world.next().unwrap().event_time >= clock);
}

#[test]
fn rates_can_change_on_the_way() {
    let mut world = world();
    world.payments(100).for_each(drop);
    world.set_rates(500.0, 0.0).unwrap();
    assert!(world.set_rates(-1.0, 0.0).is_err());
    let from = world.clock();
    let count = world.until(from + MINUTE).filter(SimEvent::is_payment).count();
    assert!((29_000..31_000).contains(&count), "{count}");
    world.set_rates(5.0, 0.1).unwrap();
    let (payments, fraud) = (world.totals().payments, world.totals().fraud);
    world.until(from + 11 * MINUTE).for_each(drop);
    let (payments, fraud) = (world.totals().payments - payments, world.totals().fraud - fraud);
    assert!((2_700..3_300).contains(&payments), "{payments}");
    assert!((230..370).contains(&fraud), "{fraud}");
}

#[test]
fn sessions_do_not_go_on_after_a_long_pause() {
    let mut world = world();
    world.payments(500).for_each(drop);
    for (pause, expected) in [(MINUTE, true), (HOUR, false)] {
        let mut seen = HashSet::new();
        for event in world.payments(500).filter(|e| e.stream == CLICKSTREAM) {
            seen.insert(event.key);
        }
        world.resume_at(world.clock() + pause);
        let again = world.payments(500).any(|e| e.stream == CLICKSTREAM && seen.contains(&e.key));
        assert_eq!(again, expected);
    }
}
