//! Account takeover: someone with the victim's password logs in from a device of his own, changes password and address or not, and
//! takes what he can: dear things that can be sold, gift cards, or the money itself. Sleeping accounts are taken gladly.

use super::{Plot, Report, Scenario, Step};
use crate::counter::{Cast, Taste};
use crate::visits::{Kind, Path, Visit};
use domain::Micros;
use domain::time::{HOUR, MINUTE};

pub(super) struct AccountTakeover;

const TRANSFERS: u8 = 1;
/// A firm's account, emptied with one large order.
const JACKPOT: u8 = 2;

impl Scenario for AccountTakeover {
    fn name(&self) -> &'static str {
        "account_takeover"
    }

    fn share(&self) -> f64 {
        16.0
    }

    fn length(&self) -> f64 {
        2.5
    }

    fn report(&self) -> Report {
        Report { median_days: 3.5, sigma: 0.8, source: "customer" }
    }

    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot> {
        let jackpot = cast.dice.chance(0.08);
        let (tries, patience) = if jackpot { (80, 0.0) } else { (6, 0.5) };
        let mut victim = cast.anyone();
        for _ in 0..tries {
            let wanted = if jackpot { victim.customer.business() } else { victim.customer.dormant() };
            if wanted || cast.dice.chance(patience) {
                break;
            }
            victim = cast.anyone();
        }
        let desk = cast.lair(cast.home_city(victim), at);
        let steps = if jackpot { 1 } else { cast.dice.between(1, 4) };
        let style = if jackpot { JACKPOT } else { u8::from(cast.dice.chance(0.3)) };
        Some(Plot { style, ..Plot::new(vec![victim.number], desk, steps, cast) })
    }

    fn step(&self, plot: &mut Plot, cast: &mut Cast, at: Micros) -> Step {
        let account = plot.account(cast);
        let path =
            if plot.first() { Path::Takeover { password: cast.dice.chance(0.5), address: cast.dice.chance(0.45) } } else { Path::Shopping };
        let pause = if cast.dice.chance(0.7) { plot.pause(MINUTE, 40 * MINUTE, cast) } else { plot.pause(HOUR, 30 * HOUR, cast) };
        if plot.style == TRANSFERS {
            let spending = account.customer.spending();
            let base = (cast.dice.log_normal(60_000.0 * spending, 0.9) as i64).clamp(5_000, 4_500_000);
            let visit = cast.transfer(account, Some(plot.desk), Kind::Transfer, base);
            return Step::fraud(visit, pause);
        }
        let greedy = plot.style == JACKPOT || cast.dice.chance(0.75);
        let merchant = cast.seller(greedy);
        let taste = if plot.style == JACKPOT {
            Taste { dear: 4, more: 0.6, pieces: 0.9 }
        } else {
            Taste { dear: cast.dice.between(0, 2) as i8, more: 0.3, pieces: 0.25 }
        };
        let visit = cast.order(account, plot.desk, merchant, taste, at);
        let pace = cast.dice.log_normal(5.0, 0.6) as f32;
        let mut visit = Visit { clicks: cast.dice.between(3, 9) as u8, path, pace, ..visit };
        if let Some(basket) = &mut visit.basket {
            // Some take the parcel from the victim's doorstep.
            if cast.dice.chance(0.7) {
                basket.ship_to = basket.ship_to.map(|_| plot.drop);
            }
            basket.declines = u8::from(cast.dice.chance(0.12));
        }
        Step::fraud(visit, pause)
    }
}
