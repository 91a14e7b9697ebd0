//! Synthetic identity ring: people who do not exist open accounts from one or two devices, buy small things for a while and pay for
//! them, and then all spend what they are trusted with, and are never seen again. Only the last part is fraud.

use super::{Plot, Report, Scenario, Step};
use crate::counter::{Cast, Desk, Taste};
use crate::places::{HOME, place};
use crate::visits::{Path, Visit};
use domain::Micros;
use domain::time::{DAY, HOUR, MINUTE};

pub(super) struct SyntheticIdentityRing;

impl Scenario for SyntheticIdentityRing {
    fn name(&self) -> &'static str {
        "synthetic_identity_ring"
    }

    fn share(&self) -> f64 {
        13.0
    }

    fn length(&self) -> f64 {
        8.0
    }

    fn report(&self) -> Report {
        Report { median_days: 24.0, sigma: 0.4, source: "analyst" }
    }

    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot> {
        let members = cast.dice.between(2, 6);
        // Some have waited for months before they begin.
        let aged = if cast.dice.chance(0.3) { cast.dice.between(DAY, 150 * DAY) } else { cast.dice.between(MINUTE, 3 * DAY) };
        let accounts: Vec<u32> = (0..members).map(|n| cast.people.open(at - aged + n * 10 * MINUTE, true)).collect();
        let city = cast.dice.below(HOME) as u8;
        let desk = Desk { device: cast.dice.bits(), ip: place(city).ip(cast.dice.bits()), city };
        // Twice round to build trust, then twice to break it.
        let steps = members * cast.dice.between(2, 5);
        let mut plot = Plot::new(accounts, desk, steps, cast);
        plot.drop.city = city;
        // From an hour to months.
        plot.pace = cast.dice.log_normal(1.0, 2.0).min(60.0);
        Some(plot)
    }

    fn step(&self, plot: &mut Plot, cast: &mut Cast, at: Micros) -> Step {
        let account = plot.account(cast);
        let members = plot.accounts.len() as u16;
        let harvest = plot.step >= (plot.steps / 2).max(members);
        // The second device of the ring, or the office of a friend.
        let mut desk = plot.desk;
        if cast.dice.chance(0.35) {
            desk.device ^= 1 << (1 + cast.dice.below(3));
        }
        if cast.dice.chance(0.4) {
            desk.ip = place(desk.city).ip(cast.dice.below(400));
        }
        let taste = if harvest {
            Taste { dear: cast.dice.between(0, 2) as i8, more: 0.4, pieces: 0.35 }
        } else {
            Taste { dear: -1, more: 0.2, pieces: 0.05 }
        };
        let dear = harvest && cast.dice.chance(0.8);
        let merchant = cast.seller(dear);
        let visit = cast.order(account, desk, merchant, taste, at);
        let pace = cast.dice.log_normal(7.0, 0.5) as f32;
        let mut visit = Visit { clicks: cast.dice.between(2, 8) as u8, path: Path::Shopping, pace, ..visit };
        if let Some(basket) = &mut visit.basket
            && harvest
        {
            basket.ship_to = basket.ship_to.map(|_| plot.drop);
        }
        if harvest {
            return Step::fraud(visit, plot.pause(MINUTE, 3 * HOUR, cast).min(DAY));
        }
        Step::preparing(visit, plot.pause(10 * MINUTE, 12 * HOUR, cast).min(12 * DAY))
    }
}
