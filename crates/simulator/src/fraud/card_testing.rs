//! Card testing: a stolen card is tried with many small payments in a few minutes, mostly at merchants that check badly; what
//! works is then used once for much.

use super::{Plot, Scenario, Step};
use crate::dice::Dice;
use crate::places::CITIES;
use crate::visits::{Cast, Path};
use domain::Micros;
use domain::time::SECOND;

pub(super) struct CardTesting;

impl Scenario for CardTesting {
    fn name(&self) -> &'static str {
        "card_testing"
    }

    fn weight(&self) -> u64 {
        1
    }

    fn begin(&self, cast: Cast, at: Micros, dice: &mut Dice) -> Plot {
        let victim = cast.payer(at, dice);
        // Half of the testers hide behind an address in the victim's country.
        let city = if dice.chance(0.5) { victim.city_index() } else { dice.below(CITIES.len() as u64) as u8 };
        let steps = 7 + dice.below(8) as u16;
        Plot::new(victim.number, city, steps, dice)
    }

    fn step(&self, plot: &mut Plot, cast: Cast, dice: &mut Dice) -> Step {
        if plot.step + 1 == plot.steps {
            let cents = (dice.log_normal(90_000.0, 0.6) as i64).clamp(20_000, 2_500_000);
            return Step { merchant: cast.merchants.dear(dice), cents, path: Path::Checkout, clicks: 1, pause: 0 };
        }
        let merchant = if dice.chance(0.6) { cast.merchants.high_risk(dice) } else { cast.merchants.any(dice.bits()) };
        Step { merchant, cents: dice.between(50, 499), path: Path::Checkout, clicks: 1, pause: dice.between(8 * SECOND, 45 * SECOND) }
    }
}
