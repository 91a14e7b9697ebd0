//! Labels: which payments' truth becomes known, and when. Fraud is reported by the victim's bank days to weeks later; of the
//! genuine payments a sample is confirmed.

use crate::dice::Dice;
use domain::Micros;
use domain::time::{DAY, HOUR};
use serde::{Deserialize, Serialize};

/// While this many labels wait, genuine payments get none: memory stays bounded, and only a sample becomes smaller.
pub(crate) const MOST_WAITING: usize = 1_000_000;

/// The truth about one payment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Label {
    /// The payment's number.
    pub(crate) payment: u64,
    /// Index into the list of scenarios; none for a genuine payment.
    pub(crate) scenario: Option<u8>,
}

impl Label {
    pub(crate) fn source(&self) -> &'static str {
        if self.scenario.is_some() { "chargeback" } else { "customer" }
    }
}

/// How long after the payment its label is known: fraud half a day to forty-five days, four at the median; genuine one to three.
pub(crate) fn delay(fraud: bool, dice: &mut Dice) -> Micros {
    if fraud {
        let days = dice.log_normal(4.0, 0.8);
        ((days * DAY as f64) as Micros).clamp(12 * HOUR, 45 * DAY)
    } else {
        dice.between(DAY, 3 * DAY)
    }
}
