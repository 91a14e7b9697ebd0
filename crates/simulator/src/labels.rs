//! Labels: which payments' truth becomes known, and when. Fraud is reported days to months later, each kind in its own time; of the
//! genuine payments a sample is confirmed.

use crate::dice::Dice;
use crate::fraud::SCENARIOS;
use domain::Micros;
use domain::time::{DAY, HOUR};
use serde::{Deserialize, Serialize};

/// While this many labels wait, genuine payments get none: memory stays bounded, and only a sample becomes smaller.
pub(crate) const MOST_WAITING: usize = 300_000;

/// The truth about one payment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Label {
    /// The payment's number.
    pub(crate) payment: u64,
    pub(crate) account: u32,
    /// Index into the list of scenarios; none for a genuine payment.
    pub(crate) scenario: Option<u8>,
}

impl Label {
    pub(crate) fn source(&self) -> &'static str {
        self.scenario.map_or("analyst", |s| SCENARIOS[usize::from(s)].report().source)
    }

    /// How long after the payment it is known: fraud half a day to 120 days, genuine one to nine days.
    pub(crate) fn delay(&self, dice: &mut Dice) -> Micros {
        let Some(scenario) = self.scenario else { return dice.between(DAY, 9 * DAY) };
        let report = SCENARIOS[usize::from(scenario)].report();
        let days = dice.log_normal(report.median_days, report.sigma);
        ((days * DAY as f64) as Micros).clamp(12 * HOUR, 120 * DAY)
    }
}
