//! What becomes of an order after it was placed: paid, shipped, delivered, reviewed, perhaps sent back; or cancelled. One step at
//! a time, hours to weeks apart.

use crate::customers::Address;
use crate::dice::Dice;
use crate::merchants::{CATEGORIES, Merchant};
use crate::money::Currency;
use crate::visits::{Fate, Line, Method, words};
use domain::Micros;
use domain::time::{DAY, HOUR, MINUTE};
use serde::{Deserialize, Serialize};

words!(Status {
    Pending = "pending", Paid = "paid", Shipped = "shipped", Delivered = "delivered", Cancelled = "cancelled", Returned = "returned",
});

words!(
    /// Of an attempt to pay.
    Attempt { Authorised = "authorised", Captured = "captured", Declined = "declined", Refunded = "refunded" }
);

/// While this many orders are on their way, further ones are picked up as soon as they are paid: memory stays bounded.
pub(crate) const MOST_OPEN: usize = 100_000;

/// What happens to an order next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// Nobody paid, and it is cancelled.
    Lapse,
    /// It cannot be delivered: cancelled, the money goes back.
    Cancel,
    Ship,
    Deliver,
    Review,
    /// Sent back, or claimed to be; the money goes back. Fraud, if of a scenario.
    Return(Option<u8>),
}

/// An order, from the checkout to the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) number: u64,
    pub(crate) account: u32,
    pub(crate) merchant: Option<Merchant>,
    pub(crate) lines: Vec<Line>,
    pub(crate) ship_to: Option<Address>,
    /// Index into the list of countries.
    pub(crate) billing: Option<u8>,
    pub(crate) method: Method,
    pub(crate) card: Option<u64>,
    pub(crate) placed_at: Micros,
    /// In hundredths of the base.
    pub(crate) total: i64,
    /// What was paid, in hundredths of `currency`: worth `total`.
    pub(crate) cents: i64,
    pub(crate) currency: Currency,
    /// The payment's number, once it is paid.
    pub(crate) transaction: Option<u64>,
    /// Attempts to pay so far.
    pub(crate) attempts: u8,
    pub(crate) fate: Fate,
}

impl Order {
    /// What comes after the payment, and how long after.
    pub(crate) fn after_payment(&self, dice: &mut Dice) -> (Stage, Micros) {
        if self.ship_to.is_none() {
            return (Stage::Deliver, dice.between(MINUTE / 6, 10 * MINUTE));
        }
        if dice.chance(0.014) && self.fate == Fate::Usual {
            return (Stage::Cancel, span(dice, 9.0 * HOUR as f64, 0.8, 5 * MINUTE, 3 * DAY));
        }
        (Stage::Ship, span(dice, 19.0 * HOUR as f64, 0.6, HOUR, 5 * DAY))
    }

    pub(crate) fn after_shipping(dice: &mut Dice) -> (Stage, Micros) {
        (Stage::Deliver, span(dice, 2.2 * DAY as f64, 0.5, 8 * HOUR, 12 * DAY))
    }

    /// Most are kept; what has to fit comes back more often.
    pub(crate) fn after_delivery(&self, dice: &mut Dice) -> Option<(Stage, Micros)> {
        if let Fate::Abused { scenario, after } = self.fate {
            return Some((Stage::Return(Some(scenario)), after));
        }
        let returned = match self.lines.first().map(|l| CATEGORIES[l.product.shelf().kind].name) {
            Some("fashion") => 0.20,
            Some("electronics" | "home" | "jewellery" | "sports") => 0.08,
            Some("digital_goods" | "gift_cards") => 0.01,
            _ => 0.03,
        };
        if dice.chance(returned) {
            return Some((Stage::Return(None), span(dice, 5.0 * DAY as f64, 0.8, HOUR, 28 * DAY)));
        }
        dice.chance(0.14).then(|| (Stage::Review, span(dice, 3.0 * DAY as f64, 0.9, HOUR, 40 * DAY)))
    }

    /// What goes back: (hundredths of the currency, the same in the base). Sometimes only one of several lines.
    pub(crate) fn refund(&self, dice: &mut Dice) -> (i64, i64) {
        if self.lines.len() > 1 && dice.chance(0.5) {
            let line = &self.lines[dice.below(self.lines.len() as u64) as usize];
            let cents = self.currency.below(line.total());
            if cents > 0 {
                return (cents, self.currency.to_base(cents));
            }
        }
        (self.cents, self.total)
    }
}

fn span(dice: &mut Dice, median: f64, sigma: f64, least: Micros, most: Micros) -> Micros {
    (dice.log_normal(median, sigma) as Micros).clamp(least, most)
}
