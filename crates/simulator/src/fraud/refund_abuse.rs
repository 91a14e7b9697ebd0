//! Refund abuse: a customer with a real name buys, and claims that the parcel was empty or never came, or sends back what was worn;
//! again and again. Some bring things back over the counter that they never bought. The refunds are the fraud.

use super::{Plot, Report, SCENARIOS, Scenario, Step};
use crate::counter::{Cast, Taste};
use crate::places::place;
use crate::visits::{Fate, Kind, Visit};
use domain::Micros;
use domain::time::{DAY, HOUR, MINUTE};

pub(super) struct RefundAbuse;

const OVER_THE_COUNTER: u8 = 1;

impl Scenario for RefundAbuse {
    fn name(&self) -> &'static str {
        "refund_abuse"
    }

    fn share(&self) -> f64 {
        9.0
    }

    fn length(&self) -> f64 {
        4.0
    }

    fn report(&self) -> Report {
        Report { median_days: 18.0, sigma: 0.5, source: "analyst" }
    }

    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot> {
        let who = cast.payer(at);
        let home = cast.home_city(who);
        let desk = cast.desk(who, home);
        let steps = cast.dice.between(2, 6);
        let style = u8::from(cast.dice.chance(0.45));
        let mut plot = Plot { style, ..Plot::new(vec![who.number], desk, steps, cast) };
        plot.pace = cast.dice.log_normal(1.0, 1.2);
        Some(plot)
    }

    fn step(&self, plot: &mut Plot, cast: &mut Cast, at: Micros) -> Step {
        let account = plot.account(cast);
        let here = cast.people.whereabouts(account.customer, at);
        let spending = account.customer.spending();
        if plot.style == OVER_THE_COUNTER && !here.under_way {
            let merchant = cast.merchants.of_country(place(here.city).country, cast.dice.bits());
            let base = cast.amount(merchant, 1.4 * spending);
            let visit = Visit { kind: Kind::Refund, ..cast.till(account, here.city, merchant, base) };
            return Step::fraud(visit, plot.pause(HOUR, 4 * DAY, cast));
        }
        let desk = cast.desk(account, here.city);
        let dear = cast.dice.chance(0.4);
        let merchant = cast.seller(dear);
        let visit = cast.order(account, desk, merchant, Taste { dear: 1, more: 0.4, pieces: 0.1 }, at);
        let mut visit = Visit { clicks: cast.dice.between(3, 9) as u8, ..visit };
        let claim = plot.pause(20 * MINUTE, 5 * DAY, cast).min(20 * DAY);
        if let Some(basket) = &mut visit.basket {
            let scenario = SCENARIOS.iter().position(|s| s.name() == self.name()).unwrap_or(0) as u8;
            basket.fate = Fate::Abused { scenario, after: claim };
        }
        Step::preparing(visit, plot.pause(HOUR, 3 * DAY, cast))
    }
}
