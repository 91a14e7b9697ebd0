use super::*;
use crate::{CLICKSTREAM, LABELS, ORDER_ITEMS, ORDERS, PAYMENTS, REVIEWS};
use domain::time::{DAY, HOUR};
use std::collections::HashSet;

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
    assert!(saved == second.save());
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
            TRANSACTIONS | CLICKSTREAM | ORDER_ITEMS | PAYMENTS | REVIEWS => "event_time",
            LABELS => "known_at",
            _ => "updated_at",
        };
        assert_eq!(json(&event)[field], domain::time::format(event.event_time));
    }
    assert!(last > START);
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

#[test]
fn the_daily_rhythm_moves_the_rate_and_keeps_its_mean() {
    // From a Monday in March on, without a payday in it.
    let start = domain::time::parse("2026-03-09T00:00:00Z").unwrap();
    let config = WorldConfig { rate: 0.5, start, daily_rhythm: true, clicks: false, ..config() };
    let mut world = World::new(config).unwrap();
    let hours: Vec<usize> = (1..=7 * 24).map(|hour| world.until(start + hour * HOUR).filter(SimEvent::is_payment).count()).collect();
    let mean = hours.iter().sum::<usize>() as f64 / (0.5 * 7.0 * 86_400.0);
    assert!((0.84..0.94).contains(&mean), "March without paydays: {mean}");
    let days: Vec<usize> = hours.chunks(24).map(|day| day.iter().sum()).collect();
    assert!(days[5] > days[1] * 11 / 10, "Saturdays are busier than Tuesdays: {days:?}");
    assert!(hours.iter().max().unwrap() > &(hours.iter().min().unwrap() * 3 / 2), "{hours:?}");
}

#[test]
fn the_fraud_rate_holds_closely_at_every_rate() {
    for (rate, fraud_rate, payments) in [(1000.0, 0.005, 200_000), (0.02, 0.02, 40_000), (20.0, 0.3, 50_000), (10.0, 0.0, 20_000)] {
        let config = WorldConfig { fraud_rate, clicks: false, start: START, ..WorldConfig::at_rate(rate) };
        let mut world = World::new(config).unwrap();
        world.payments(payments).for_each(drop);
        let expected = fraud_rate * payments as f64;
        let fraud = world.totals().fraud as f64;
        // A dozen may be made before they are owed, one is owed before it is made; the rest are those that are planned or were refused.
        assert!((fraud - expected).abs() <= 20.0 + 0.02 * expected, "{fraud} for {expected} at {rate} a second");
        // What happens at the same moment as the last payment comes with it.
        assert!((payments..payments + 2).contains(&world.totals().payments));
    }
}

/// The greatest share of fraud among so many payments in a row.
fn worst_share(world: &mut World, payments: u64, window: usize) -> f64 {
    let mut flags = Vec::new();
    let mut fraud = world.totals().fraud;
    for _ in 0..payments {
        world.payments(1).for_each(drop);
        flags.push(world.totals().fraud - fraud);
        fraud = world.totals().fraud;
    }
    let worst = flags.windows(window).map(|w| w.iter().sum::<u64>()).max().unwrap_or_default();
    worst as f64 / window as f64
}

#[test]
fn rates_can_change_on_the_way_without_a_burst_of_fraud() {
    for (before, after, fraud_rate) in [(1000.0, 5.0, 0.01), (1000.0, 1.0, 0.02), (2.0, 300.0, 0.01), (100.0, 100.0, 0.001)] {
        let mut world = World::new(WorldConfig { start: START, fraud_rate: 0.02, clicks: false, ..WorldConfig::at_rate(before) }).unwrap();
        world.payments(30_000).for_each(drop);
        world.set_rates(after, fraud_rate).unwrap();
        let (fraud, payments) = (world.totals().fraud, world.totals().payments);
        let worst = worst_share(&mut world, 6_000, 500);
        assert!(worst < fraud_rate + 0.06, "{worst} of 500 payments in a row after {before} became {after}");
        let share = (world.totals().fraud - fraud) as f64 / (world.totals().payments - payments) as f64;
        assert!((share - fraud_rate).abs() < 0.006, "{share} for {fraud_rate} after {before} became {after}");
    }
}

#[test]
fn a_rate_that_changed_holds_at_once() {
    let mut world = world();
    world.payments(100).for_each(drop);
    assert!(world.set_rates(-1.0, 0.0).is_err());
    world.set_rates(500.0, 0.0).unwrap();
    let from = world.clock();
    let count = world.until(from + MINUTE).filter(SimEvent::is_payment).count();
    assert!((28_500..31_500).contains(&count), "{count}");
    world.set_rates(5.0, 0.1).unwrap();
    let payments = world.totals().payments;
    world.until(from + 11 * MINUTE).for_each(drop);
    let payments = world.totals().payments - payments;
    assert!((2_600..3_400).contains(&payments), "{payments}");
}

#[test]
fn a_resumed_world_goes_on_at_the_time_given() {
    let mut world = world();
    let before: Vec<_> = world.payments(500).collect();
    let now = world.clock() + 5 * DAY;
    world.resume_at(now);
    let mut ids: HashSet<_> = before.iter().filter(|e| e.is_payment()).map(|e| json(e)["transaction_id"].clone()).collect();
    let mut last = before.last().unwrap().event_time;
    let (mut labels, mut parcels, mut payments) = (0, 0, 0);
    for event in world.payments(500) {
        assert!(event.event_time >= last);
        last = event.event_time;
        match event.stream {
            LABELS => labels += 1,
            ORDERS | PAYMENTS | REVIEWS => parcels += 1,
            _ => assert!(event.event_time >= now, "{} {} is before the resume", event.stream, event.event_time),
        }
        if event.is_payment() {
            payments += 1;
            assert!(ids.insert(json(&event)["transaction_id"].clone()));
        }
    }
    assert!(labels > 0 && parcels > 500 && (500..502).contains(&payments), "{labels} {parcels} {payments}");
    // Fifty payments a second: the pause adds none of its own.
    assert!(world.clock() - now < 30 * SECOND);
    let clock = world.clock();
    world.resume_at(clock - DAY);
    assert!(world.next().unwrap().event_time >= clock);
}

#[test]
fn a_world_may_be_saved_in_the_middle_of_a_moment() {
    let config = WorldConfig { rate: 0.05, fraud_rate: 0.1, accounts: 1_000, ..config() };
    let straight: Vec<SimEvent> = World::new(config.clone()).unwrap().take(21_000).collect();
    let mut stopped = World::new(config).unwrap();
    let mut events = Vec::new();
    while events.len() < straight.len() {
        events.extend(stopped.by_ref().take(701));
        stopped = World::restore(&stopped.save()).unwrap();
    }
    assert!(events[..straight.len()] == straight[..]);
}
