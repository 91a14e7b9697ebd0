//! Friendly fraud: a customer buys from his own sofa, gets what he bought, and tells the bank weeks later that it was not him.
//! Nothing about the payment gives it away; what he buys is a little dearer, and more of it can be used up at once.

use super::{Plot, Report, Scenario, Step};
use crate::counter::{Cast, Taste};
use crate::merchants::{DIGITAL_GOODS, GIFT_CARDS};
use crate::visits::Visit;
use domain::Micros;
use domain::time::{DAY, HOUR};

pub(super) struct FriendlyFraud;

impl Scenario for FriendlyFraud {
    fn name(&self) -> &'static str {
        "friendly_fraud"
    }

    fn share(&self) -> f64 {
        10.0
    }

    fn length(&self) -> f64 {
        1.5
    }

    fn report(&self) -> Report {
        Report { median_days: 32.0, sigma: 0.4, source: "chargeback" }
    }

    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot> {
        let who = cast.payer(at);
        let home = cast.home_city(who);
        let desk = cast.desk(who, home);
        let steps = cast.dice.between(1, 2);
        Some(Plot::new(vec![who.number], desk, steps, cast))
    }

    fn step(&self, plot: &mut Plot, cast: &mut Cast, at: Micros) -> Step {
        let account = plot.account(cast);
        let pause = plot.pause(HOUR, 9 * DAY, cast);
        if cast.dice.chance(0.3) {
            let merchant = cast.merchants.selling(&[DIGITAL_GOODS, GIFT_CARDS], None, cast.dice);
            let base = cast.amount(merchant, 1.5 * account.customer.spending());
            return Step::fraud(cast.elsewhere(account, plot.desk, merchant, base), pause);
        }
        let dear = cast.dice.chance(0.3);
        let merchant = cast.seller(dear);
        let taste = Taste { dear: cast.dice.between(0, 1) as i8, more: 0.36, pieces: 0.12 };
        let visit = cast.order(account, plot.desk, merchant, taste, at);
        Step::fraud(Visit { clicks: cast.dice.between(3, 9) as u8, ..visit }, pause)
    }
}
