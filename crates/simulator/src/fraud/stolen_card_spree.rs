//! Stolen card spree: a purse is stolen, and its card is used at tills of the same city within hours: first below the limit up to
//! which nobody asks for a number, then for more, perhaps at a machine if the number was in the purse.

use super::{Plot, Report, Scenario, Step};
use crate::counter::Cast;
use crate::merchants::{ELECTRONICS, JEWELLERY};
use crate::places::place;
use domain::Micros;
use domain::time::{HOUR, MINUTE};

pub(super) struct StolenCardSpree;

const KNOWS_THE_NUMBER: u8 = 1;

impl Scenario for StolenCardSpree {
    fn name(&self) -> &'static str {
        "stolen_card_spree"
    }

    fn share(&self) -> f64 {
        15.0
    }

    fn length(&self) -> f64 {
        6.0
    }

    fn report(&self) -> Report {
        Report { median_days: 1.5, sigma: 0.7, source: "customer" }
    }

    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot> {
        // From somebody who is out: who paid in person of late, or who would now.
        let victim = match cast.recent.latest(cast.dice) {
            Some(seen) if cast.dice.chance(0.6) => cast.account(seen.account),
            _ => cast.payer(at),
        };
        let here = cast.people.whereabouts(victim.customer, at);
        if here.under_way {
            return None;
        }
        let desk = cast.desk(victim, here.city);
        let steps = cast.dice.between(3, 9);
        let style = u8::from(cast.dice.chance(0.25));
        let mut plot = Plot { style, ..Plot::new(vec![victim.number], desk, steps, cast) };
        plot.desk.city = here.city;
        Some(plot)
    }

    fn step(&self, plot: &mut Plot, cast: &mut Cast, _: Micros) -> Step {
        let account = plot.account(cast);
        let city = plot.desk.city;
        let pause = if cast.dice.chance(0.9) { plot.pause(2 * MINUTE, 18 * MINUTE, cast) } else { plot.pause(HOUR, 9 * HOUR, cast) };
        if plot.style == KNOWS_THE_NUMBER && cast.dice.chance(0.4) {
            let base = cast.dice.between(5, 25) * 2_000;
            return Step::fraud(cast.cash(account, city, base), pause);
        }
        let country = place(city).country;
        let greedy = plot.step > 2 && cast.dice.chance(0.35);
        let merchant = if greedy {
            cast.merchants.selling(&[ELECTRONICS, JEWELLERY], Some(country), cast.dice)
        } else {
            cast.merchants.of_country(country, cast.dice.bits())
        };
        let factor = cast.dice.log_normal(1.2, 0.4);
        let base = cast.amount(merchant, factor);
        // Small steps while the card is only held to the reader.
        let base = if greedy { base } else { base.min(cast.dice.between(1_500, 15_000)) };
        Step::fraud(cast.till(account, city, merchant, base), pause)
    }
}
