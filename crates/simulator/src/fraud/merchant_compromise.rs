//! Merchant compromise: the cards of many who paid at one merchant are copied there and used days later, one or two payments each,
//! online or with a copied stripe at tills elsewhere. Nothing connects the victims but that they were at the same till.

use super::{Plot, Report, Scenario, Step};
use crate::counter::{Cast, Taste};
use crate::places::{city_of_country, place};
use crate::visits::{Entry, Method, Path, Visit};
use domain::Micros;
use domain::time::{DAY, HOUR, MINUTE};

pub(super) struct MerchantCompromise;

const STRIPES: u8 = 1;

impl Scenario for MerchantCompromise {
    fn name(&self) -> &'static str {
        "merchant_compromise"
    }

    fn share(&self) -> f64 {
        14.0
    }

    fn length(&self) -> f64 {
        8.0
    }

    fn report(&self) -> Report {
        Report { median_days: 12.0, sigma: 0.7, source: "chargeback" }
    }

    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot> {
        let till = cast.recent.any(cast.dice)?;
        let most = cast.dice.between(3, 18) as usize;
        let victims = cast.recent.at(till.merchant, most);
        if victims.len() < 2 {
            return None;
        }
        let steps = victims.len() as i64 + cast.dice.between(0, victims.len() as i64 / 2);
        let desk = cast.lair(till.city, at);
        let style = u8::from(cast.dice.chance(0.35));
        let mut plot = Plot { style, ..Plot::new(victims, desk, steps, cast) };
        // In hurry, or spread over days.
        plot.pace = cast.dice.log_normal(1.0, 1.5);
        Some(plot)
    }

    fn step(&self, plot: &mut Plot, cast: &mut Cast, at: Micros) -> Step {
        let account = plot.account(cast);
        let pause = plot.pause(2 * MINUTE, 2 * HOUR, cast).min(2 * DAY);
        let home = cast.home_city(account);
        let factor = cast.dice.log_normal(1.6, 0.4);
        if plot.style == STRIPES {
            let country = if cast.dice.chance(0.7) { place(home).country } else { place(plot.drop.city).country };
            let city = city_of_country(country, cast.dice.bits());
            let merchant = cast.merchants.of_country(country, cast.dice.bits());
            let base = cast.amount(merchant, factor);
            let visit = cast.till(account, city, merchant, base);
            let entry = if cast.dice.chance(0.55) { Some(Entry::Swipe) } else { visit.entry };
            return Step::fraud(Visit { entry, method: Method::Card, ..visit }, pause);
        }
        // Each card gets a browser of its own, more or less.
        if cast.dice.chance(0.7) {
            plot.desk = cast.lair(home, at);
        }
        if cast.dice.chance(0.45) {
            let merchant = cast.merchants.any(cast.dice.bits());
            let base = cast.amount(merchant, factor);
            return Step::fraud(cast.elsewhere(account, plot.desk, merchant, base), pause);
        }
        let dear = cast.dice.chance(0.4);
        let merchant = cast.seller(dear);
        let taste = Taste { dear: cast.dice.between(-1, 1) as i8, more: 0.3, pieces: 0.12 };
        let visit = cast.order(account, plot.desk, merchant, taste, at);
        let pace = cast.dice.log_normal(6.0, 0.6) as f32;
        let path = if cast.dice.chance(0.4) { Path::Checkout } else { Path::Shopping };
        let mut visit = Visit { clicks: cast.dice.between(1, 7) as u8, path, pace, ..visit };
        if let Some(basket) = &mut visit.basket {
            if cast.dice.chance(0.8) {
                basket.ship_to = basket.ship_to.map(|_| plot.drop);
            }
            basket.declines = u8::from(cast.dice.chance(0.2));
        }
        Step::fraud(visit, pause)
    }
}
