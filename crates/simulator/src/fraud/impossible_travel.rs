//! Impossible travel: a card was copied, and the copy is used far away while its owner goes on paying at home: stripes at tills, and
//! cash where the number was seen.

use super::{Plot, Report, Scenario, Step};
use crate::counter::Cast;
use crate::places::{CITIES, km, place};
use crate::visits::{Entry, Method, Visit};
use domain::Micros;
use domain::time::{HOUR, MINUTE};

pub(super) struct ImpossibleTravel;

impl Scenario for ImpossibleTravel {
    fn name(&self) -> &'static str {
        "impossible_travel"
    }

    fn share(&self) -> f64 {
        10.0
    }

    fn length(&self) -> f64 {
        3.0
    }

    fn report(&self) -> Report {
        Report { median_days: 3.0, sigma: 0.8, source: "customer" }
    }

    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot> {
        let seen = cast.recent.latest(cast.dice).filter(|s| at - s.at < 6 * HOUR)?;
        let mut city = seen.city;
        for _ in 0..40 {
            city = cast.dice.below(CITIES.len() as u64) as u8;
            if km(seen.city, city) > 700.0 {
                break;
            }
        }
        let account = cast.account(seen.account);
        let mut desk = cast.desk(account, seen.city);
        desk.city = city;
        let steps = cast.dice.between(1, 5);
        Some(Plot::new(vec![seen.account], desk, steps, cast))
    }

    fn step(&self, plot: &mut Plot, cast: &mut Cast, _: Micros) -> Step {
        let account = plot.account(cast);
        let city = plot.desk.city;
        let pause = plot.pause(4 * MINUTE, 90 * MINUTE, cast);
        if cast.dice.chance(0.35) {
            let base = cast.dice.between(2, 20) * 2_000;
            let visit = cast.cash(account, city, base);
            let entry = if cast.dice.chance(0.5) { Some(Entry::Swipe) } else { visit.entry };
            return Step::fraud(Visit { entry, ..visit }, pause);
        }
        let merchant = cast.merchants.of_country(place(city).country, cast.dice.bits());
        let factor = cast.dice.log_normal(1.5, 0.4);
        let base = cast.amount(merchant, factor);
        let visit = cast.till(account, city, merchant, base);
        let entry = if cast.dice.chance(0.5) { Some(Entry::Swipe) } else { visit.entry };
        Step::fraud(Visit { entry, method: Method::Card, ..visit }, pause)
    }
}
