//! Card testing: stolen numbers are tried with small payments, mostly at merchants that check badly or that sell nothing one can
//! hold; what works is used for more. Some try one card often, some a list of cards once or twice each, some take their time.

use super::{Plot, Report, Scenario, Step};
use crate::counter::{Cast, Taste};
use crate::merchants::DIGITAL_GOODS;
use crate::visits::{Path, Visit};
use domain::Micros;
use domain::time::{HOUR, MINUTE, SECOND};

pub(super) struct CardTesting;

const ONE_CARD: u8 = 0;

impl Scenario for CardTesting {
    fn name(&self) -> &'static str {
        "card_testing"
    }

    fn share(&self) -> f64 {
        16.0
    }

    fn length(&self) -> f64 {
        9.5
    }

    fn report(&self) -> Report {
        Report { median_days: 5.0, sigma: 0.8, source: "chargeback" }
    }

    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot> {
        let one_card = cast.dice.chance(0.55);
        let steps = cast.dice.between(5, 14);
        let cards = if one_card { 1 } else { (steps * 2 / 3).max(2) };
        let accounts: Vec<u32> = (0..cards).map(|_| cast.anyone().number).collect();
        let victim = cast.account(accounts[0]);
        let desk = cast.lair(cast.home_city(victim), at);
        Some(Plot { style: u8::from(!one_card), ..Plot::new(accounts, desk, steps, cast) })
    }

    fn step(&self, plot: &mut Plot, cast: &mut Cast, at: Micros) -> Step {
        let account = plot.account(cast);
        // Every few tries he looks like somebody else.
        if cast.dice.chance(0.12) {
            plot.desk = cast.lair(cast.home_city(account), at);
        }
        let harvest = plot.last() || (plot.style != ONE_CARD && plot.step > 3 && cast.dice.chance(0.15));
        if harvest {
            let merchant = cast.seller(true);
            let visit = cast.order(account, plot.desk, merchant, Taste { dear: 1, more: 0.2, pieces: 0.15 }, at);
            let pace = cast.dice.log_normal(5.0, 0.6) as f32;
            let mut visit = Visit { clicks: cast.dice.between(1, 6) as u8, path: Path::Checkout, pace, ..visit };
            if let Some(basket) = &mut visit.basket {
                basket.ship_to = basket.ship_to.map(|_| plot.drop);
                basket.declines = cast.dice.below(2) as u8;
            }
            return Step::fraud(visit, plot.pause(MINUTE, 20 * MINUTE, cast));
        }
        let merchant = match cast.dice.below(100) {
            0..30 => cast.merchants.high_risk(cast.dice),
            30..75 => cast.merchants.selling(&[DIGITAL_GOODS], None, cast.dice),
            _ => cast.merchants.any(cast.dice.bits()),
        };
        let base = match cast.dice.below(10) {
            0..6 => cast.dice.between(50, 499),
            6..9 => cast.dice.between(500, 2_499),
            _ => cast.dice.between(2_500, 6_000),
        };
        let visit = cast.elsewhere(account, plot.desk, merchant, base);
        let slow = plot.pace > 2.0;
        let pause = if plot.step + 2 == plot.steps {
            // What works is kept for an hour, or sold.
            plot.pause(5 * MINUTE, 10 * HOUR, cast)
        } else if slow {
            plot.pause(4 * MINUTE, 50 * MINUTE, cast)
        } else {
            plot.pause(8 * SECOND, 100 * SECOND, cast)
        };
        Step::fraud(visit, pause)
    }
}
