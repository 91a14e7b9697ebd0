use super::*;
use crate::{World, WorldConfig};
use std::collections::HashMap;

fn world() -> World {
    World::new(WorldConfig { seed: 3, ..WorldConfig::default() }).unwrap()
}

const RATES: FaultRates = FaultRates { late: 0.02, duplicate: 0.03, malformed: 0.01 };

#[test]
fn without_rates_nothing_changes() {
    let plain: Vec<_> = world().take(5_000).collect();
    let faulty: Vec<_> = Faulty::new(world().take(5_000), FaultRates::default(), 1).unwrap().collect();
    assert!(plain == faulty);
}

#[test]
fn faults_repeat_with_their_seed() {
    let run = |seed| Faulty::new(world().take(5_000), RATES, seed).unwrap().collect::<Vec<_>>();
    assert!(run(1) == run(1));
    assert!(run(1) != run(2));
}

#[test]
fn every_event_arrives_and_faults_have_their_shares() {
    let n = 50_000;
    let mut count: HashMap<Option<Fault>, usize> = HashMap::new();
    let mut bytes: HashMap<Vec<u8>, usize> = HashMap::new();
    for event in world().take(n) {
        *bytes.entry(event.json).or_default() += 1;
    }
    for event in Faulty::new(world().take(n), RATES, 1).unwrap() {
        *count.entry(event.fault).or_default() += 1;
        match event.fault {
            Some(Fault::Malformed) => {
                assert!(serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&event.json).is_err());
            }
            Some(Fault::Duplicate) => assert!(bytes.contains_key(&event.json)),
            _ => *bytes.get_mut(&event.json).unwrap() -= 1,
        }
    }
    let share = |fault| count[&fault] as f64 / n as f64;
    assert!((share(Some(Fault::Late)) - 0.02).abs() < 0.003);
    assert!((share(Some(Fault::Duplicate)) - 0.03).abs() < 0.003);
    assert!((share(Some(Fault::Malformed)) - 0.01).abs() < 0.002);
    // What has not come whole came broken, and nothing else is missing.
    assert_eq!(bytes.values().sum::<usize>(), count[&Some(Fault::Malformed)]);
}

#[test]
fn late_events_stand_behind_later_ones() {
    let mut greatest = i64::MIN;
    let (mut late, mut behind) = (0, 0);
    for event in Faulty::new(world().take(50_000), RATES, 1).unwrap() {
        if event.fault == Some(Fault::Late) {
            late += 1;
            behind += usize::from(event.event_time < greatest);
        } else if event.fault.is_none() {
            assert!(event.event_time >= greatest);
        }
        greatest = greatest.max(event.event_time);
    }
    assert!(behind * 10 > late * 9, "{behind} of {late}");
}

#[test]
fn a_rate_that_is_no_share_is_refused() {
    let error = Faulty::new(world(), FaultRates { late: 1.5, ..RATES }, 1).unwrap_err();
    assert!(error.to_string().contains("late rate is 1.5"), "{error}");
}
