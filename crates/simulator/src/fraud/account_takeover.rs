//! Account takeover: someone with the victim's password logs in from a new device in a foreign country, changes password and
//! address, and buys dear things online until he is stopped.

use super::{Plot, Scenario, Step};
use crate::dice::Dice;
use crate::places::{CITIES, HOME};
use crate::visits::{Cast, Path};
use domain::Micros;
use domain::time::MINUTE;

pub(super) struct AccountTakeover;

impl Scenario for AccountTakeover {
    fn name(&self) -> &'static str {
        "account_takeover"
    }

    /// Its episodes are shorter than the card testers', so they come more often.
    fn weight(&self) -> u64 {
        3
    }

    fn begin(&self, cast: Cast, at: Micros, dice: &mut Dice) -> Plot {
        let victim = cast.payer(at, dice);
        let city = HOME + dice.below(CITIES.len() as u64 - HOME);
        let steps = 1 + dice.below(4) as u16;
        Plot::new(victim.number, city as u8, steps, dice)
    }

    fn step(&self, plot: &mut Plot, cast: Cast, dice: &mut Dice) -> Step {
        // A few go for more than 30,000 at once.
        let cents = (dice.log_normal(350_000.0, 1.1) as i64).clamp(40_000, 9_500_000);
        Step {
            merchant: cast.merchants.dear(dice),
            cents,
            path: Path::Takeover,
            clicks: if plot.step == 0 { 5 } else { 4 },
            pause: dice.between(2 * MINUTE, 25 * MINUTE),
        }
    }
}
