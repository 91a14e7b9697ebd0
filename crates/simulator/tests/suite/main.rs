//! The simulator against the shipped project: every event decodes with its stream, and what the project's rules and lists are
//! about does happen.

mod books;

use domain::{Decoder, Stream, Value};
use project::Project;
use simulator::{FaultRates, Faulty, STREAMS, SimEvent, TRANSACTIONS, World, WorldConfig};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

const START: i64 = 1_767_225_600_000_000;

fn shipped() -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../projects/ecommerce");
    Project::load(&root).unwrap_or_else(|mistakes| panic!("{}", mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

fn config() -> WorldConfig {
    WorldConfig { seed: 11, start: START, rate: 20.0, fraud_rate: 0.05, ..WorldConfig::default() }
}

struct Streams(HashMap<String, (Stream, Decoder)>);

impl Streams {
    fn of(project: &Project) -> Self {
        Self(project.streams.iter().map(|s| (s.stream.name.to_string(), ((*s.stream).clone(), Decoder::new(&s.stream)))).collect())
    }

    /// The event's row, after checking what must hold of every event.
    fn row(&self, event: &SimEvent) -> Vec<Value> {
        let (stream, decoder) = &self.0[event.stream];
        let mut row = Vec::new();
        let unknown = decoder.decode(&event.json, &mut row).unwrap_or_else(|wrong| {
            panic!("{}: {wrong:?}: {}", event.stream, String::from_utf8_lossy(&event.json));
        });
        assert_eq!(unknown, 0, "every field is declared: {}", String::from_utf8_lossy(&event.json));
        assert_eq!(row[stream.key].to_string(), event.key, "{}", event.stream);
        assert_eq!(row[stream.event_time], Value::Timestamp(event.event_time), "{}", event.stream);
        row
    }

    fn get<'r>(&self, stream: &str, row: &'r [Value], field: &str) -> &'r Value {
        &row[self.0[stream].0.slot(field).unwrap_or_else(|| panic!("{stream} has {field}"))]
    }
}

#[test]
fn every_event_decodes_with_the_shipped_streams() {
    let project = shipped();
    let streams = Streams::of(&project);
    // A month, so that parcels arrive and reviews are written.
    let mut world = World::new(WorldConfig { rate: 0.01, accounts: 1_000, ..config() }).unwrap();
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let events: Vec<SimEvent> = world.payments(26_000).collect();
    for event in events.into_iter().chain(world.outstanding_labels()) {
        streams.row(&event);
        *seen.entry(event.stream).or_default() += 1;
    }
    assert_eq!(seen.keys().copied().collect::<BTreeSet<_>>(), STREAMS.into_iter().collect());
}

#[test]
fn rates_are_those_of_the_project() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../projects/ecommerce/rates/exchange_rates.csv");
    let file = std::fs::read_to_string(path).unwrap();
    let rates: Vec<(String, i64)> = file
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| {
            let mut columns = line.split(',');
            let (currency, rate) = (columns.next().unwrap(), columns.next().unwrap());
            (currency.to_owned(), domain::Decimal::parse(rate, 4).unwrap().unscaled as i64)
        })
        .collect();
    let own: Vec<(String, i64)> = simulator::money::exchange_rates().iter().map(|(c, r)| ((*c).to_owned(), *r)).collect();
    assert_eq!(rates, own);
}

#[test]
fn what_the_lists_and_rules_are_about_happens() {
    let project = shipped();
    let streams = Streams::of(&project);
    let listed = |name: &str| -> BTreeSet<String> {
        let list = project.lists.iter().find(|l| l.name == name).unwrap_or_else(|| panic!("there is a list {name}"));
        list.entries.iter().map(|e| e.key[0].to_string()).collect()
    };
    let (merchants, countries) = (listed("suspicious_merchants"), listed("high_risk_countries"));
    let mut world = World::new(WorldConfig { clicks: false, ..config() }).unwrap();
    let (mut at_merchant, mut from_country, mut large) = (0, 0, 0);
    for event in world.payments(50_000).filter(SimEvent::is_payment) {
        let row = streams.row(&event);
        let field = |name| streams.get(TRANSACTIONS, &row, name);
        at_merchant += u32::from(field("merchant_id").as_text().is_some_and(|m| merchants.contains(m)));
        from_country += u32::from(field("country").as_text().is_some_and(|c| countries.contains(c)));
        large += u32::from(field("amount_base").as_f64().is_some_and(|a| a > 30_000.0));
    }
    // 2,500 are fraud: enough of each kind to show, and not many more than are fraud.
    assert!((30..600).contains(&at_merchant), "{at_merchant}");
    assert!((30..600).contains(&from_country), "{from_country}");
    assert!((4..200).contains(&large), "{large}");
}

#[test]
fn nobody_pays_in_person_where_he_cannot_be() {
    let project = shipped();
    let streams = Streams::of(&project);
    // Few accounts for many days, so that journeys begin and end.
    let config = WorldConfig { rate: 0.2, fraud_rate: 0.0, accounts: 500, clicks: false, ..config() };
    let mut last: HashMap<String, (i64, f64, f64)> = HashMap::new();
    let (mut moves, mut journeys) = (0, 0);
    for event in World::new(config).unwrap().payments(150_000).filter(SimEvent::is_payment) {
        let row = streams.row(&event);
        let field = |name| streams.get(TRANSACTIONS, &row, name);
        if !matches!(field("channel").as_text(), Some("pos" | "atm")) {
            continue;
        }
        let (latitude, longitude) = (field("latitude").as_f64().unwrap(), field("longitude").as_f64().unwrap());
        if let Some((then, from_latitude, from_longitude)) = last.insert(event.key.to_string(), (event.event_time, latitude, longitude)) {
            let hours = (event.event_time - then) as f64 / 3.6e9;
            let km = distance_km(from_latitude, from_longitude, latitude, longitude);
            assert!(km < 300.0 || km <= 900.0 * hours, "{km} km in {hours} hours");
            moves += 1;
            journeys += u32::from(km > 300.0);
        }
    }
    assert!(moves > 50_000 && journeys > 20, "{journeys} of {moves}");
}

/// Great-circle distance by the haversine formula.
fn distance_km(from_latitude: f64, from_longitude: f64, latitude: f64, longitude: f64) -> f64 {
    let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
    let h =
        half(from_latitude, latitude) + from_latitude.to_radians().cos() * latitude.to_radians().cos() * half(from_longitude, longitude);
    2.0 * 6371.0 * h.sqrt().asin()
}

#[test]
fn broken_records_are_refused_and_all_others_taken() {
    let project = shipped();
    let streams = Streams::of(&project);
    let rates = FaultRates { late: 0.05, duplicate: 0.05, malformed: 0.05 };
    let mut row = Vec::new();
    let mut refused = 0;
    for event in Faulty::new(World::new(config()).unwrap().take(30_000), rates, 5).unwrap() {
        let taken = streams.0[event.stream].1.decode(&event.json, &mut row).is_ok();
        assert_eq!(taken, event.fault != Some(simulator::Fault::Malformed), "{}", String::from_utf8_lossy(&event.json));
        refused += u32::from(!taken);
    }
    assert!((1_300..1_700).contains(&refused), "{refused}");
}
