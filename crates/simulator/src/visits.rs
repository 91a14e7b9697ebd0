//! A visit: what one customer (or thief) does once, from the first click to the payment, planned as a whole before it begins.
//! Genuine visits are made in `genuine.rs`, the thieves' under `fraud/`, both with the pieces in `counter.rs`.

use crate::customers::Address;
use crate::merchants::Merchant;
use crate::money::Currency;
use crate::products::Product;
use domain::Micros;
use domain::time::SECOND;
use serde::{Deserialize, Serialize};

/// No visit lasts longer, so payments are planned this far ahead of the clock.
pub(crate) const LONGEST_VISIT: Micros = 180 * SECOND;

/// Words that stand in records; `name` is how they are spelled there.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $word:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum $name { $($(#[$inner])* $word),+ }

        impl $name {
            pub(crate) const NAMES: [&'static str; [$($text),+].len()] = [$($text),+];

            pub(crate) fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    };
}
pub(crate) use words;

words!(
    /// What moves the money.
    Kind { Purchase = "purchase", Refund = "refund", Withdrawal = "withdrawal", Transfer = "transfer", Deposit = "deposit" }
);

impl Kind {
    /// Whether the account is richer afterwards.
    pub(crate) fn credits(self) -> bool {
        matches!(self, Self::Refund | Self::Deposit)
    }
}

words!(
    /// What is paid with.
    Method { Card = "card", Wallet = "wallet", BankTransfer = "bank_transfer" }
);

words!(Channel { Online = "online", Pos = "pos", Atm = "atm", Phone = "phone" });

words!(
    /// How the card's data came in.
    Entry { Chip = "chip", Contactless = "contactless", Swipe = "swipe", Manual = "manual", Ecommerce = "ecommerce" }
);

/// The way through the shop's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Path {
    /// Looks about, puts into the cart, checks out.
    Shopping,
    /// Looks about and leaves.
    Browsing,
    /// Logs in, and perhaps changes password and address, before the rest.
    Takeover { password: bool, address: bool },
    /// Straight to the checkout.
    Checkout,
}

/// How a visit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    /// Money moves.
    Pays,
    /// Nothing was ordered.
    Leaves,
    /// The order stays unpaid and is cancelled.
    GivesUp,
}

/// What becomes of a paid order, but for accidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    Usual,
    /// Sent back or claimed as lost by someone who does that often: the refund is fraud, of the scenario with this index.
    Abused {
        scenario: u8,
        after: Micros,
    },
}

/// A line of a basket, at the prices of when it was filled; hundredths of the base.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) product: Product,
    pub(crate) quantity: u16,
    pub(crate) price: i32,
    /// Off the whole line.
    pub(crate) discount: i32,
}

impl Line {
    pub(crate) fn gross(&self) -> i64 {
        i64::from(self.price) * i64::from(self.quantity)
    }

    pub(crate) fn total(&self) -> i64 {
        self.gross() - i64::from(self.discount)
    }
}

/// What is ordered, and where it goes; nowhere, if it is sent by mail of the electronic kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Basket {
    pub(crate) lines: Vec<Line>,
    pub(crate) ship_to: Option<Address>,
    pub(crate) fate: Fate,
    /// Attempts to pay that are refused before the one that is not.
    pub(crate) declines: u8,
    /// The order's number, from the checkout on.
    pub(crate) order: Option<u64>,
    pub(crate) placed_at: Micros,
    /// Attempts to pay so far.
    pub(crate) attempts: u8,
}

impl Basket {
    /// In hundredths of the base.
    pub(crate) fn total(&self) -> i64 {
        self.lines.iter().map(Line::total).sum()
    }
}

/// One visit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Visit {
    pub(crate) account: u32,
    pub(crate) merchant: Option<Merchant>,
    pub(crate) device: Option<u64>,
    pub(crate) ip: Option<u32>,
    /// Index into the list of cities: where the payer is, or seems to be.
    pub(crate) city: u8,
    pub(crate) kind: Kind,
    pub(crate) channel: Channel,
    pub(crate) method: Method,
    pub(crate) entry: Option<Entry>,
    pub(crate) card: Option<u64>,
    /// In hundredths of `currency`.
    pub(crate) cents: i64,
    pub(crate) currency: Currency,
    /// Country of the address on the bill: index into the list of countries.
    pub(crate) billing: Option<u8>,
    pub(crate) basket: Option<Basket>,
    pub(crate) path: Path,
    pub(crate) end: End,
    pub(crate) clicks: u8,
    /// Clicks done.
    pub(crate) done: u8,
    /// Seconds for a click, about.
    pub(crate) pace: f32,
    /// When it ends, with the payment if there is one.
    pub(crate) ends_at: Micros,
    /// Number of the session, for visits to the shop.
    pub(crate) session: Option<u64>,
    /// A thief's, whether or not this payment counts as fraud: he does not top up the account.
    pub(crate) thief: bool,
    /// Index into the list of fraud scenarios.
    pub(crate) scenario: Option<u8>,
}

/// What a visit does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Click,
    /// The order is written.
    Order,
    /// An attempt to pay is refused.
    Decline,
    End,
}

impl Visit {
    pub(crate) fn next(&self) -> Step {
        let basket = self.basket.as_ref();
        if self.done < self.clicks {
            Step::Click
        } else if basket.is_some_and(|b| b.order.is_none()) {
            Step::Order
        } else if basket.is_some_and(|b| b.declines > 0) {
            Step::Decline
        } else {
            Step::End
        }
    }

    /// How many steps are left before the end.
    pub(crate) fn steps(&self) -> u32 {
        let basket = self.basket.as_ref().map_or(0, |b| u32::from(b.order.is_none()) + u32::from(b.declines));
        u32::from(self.clicks - self.done) + basket
    }
}
