//! A visit: what one customer (or thief) does once, from the first click to the payment. Here is how genuine customers behave;
//! the files under `fraud/` make visits of another kind.

use crate::accounts::{Account, Whereabouts};
use crate::dice::Dice;
use crate::merchants::{Merchant, Merchants};
use crate::places::CITIES;
use domain::Micros;
use domain::time::SECOND;
use serde::{Deserialize, Serialize};

/// No visit lasts longer, so payments are planned this far ahead of the clock.
pub(crate) const LONGEST_VISIT: Micros = 120 * SECOND;

/// Everyone a visit can be about.
#[derive(Clone, Copy)]
pub(crate) struct Cast {
    pub(crate) seed: u64,
    pub(crate) accounts: u32,
    pub(crate) merchants: Merchants,
}

impl Cast {
    pub(crate) fn account(self, number: u32) -> Account {
        Account::new(self.seed, number)
    }

    /// Someone who is awake and in the mood to pay.
    pub(crate) fn payer(self, at: Micros, dice: &mut Dice) -> Account {
        // A hundred refusals in a row are next to impossible: at every hour some city is awake.
        let mut account = self.account(0);
        for _ in 0..100 {
            account = self.account(dice.below(u64::from(self.accounts)) as u32);
            if dice.chance(account.activity() * account.city().awake(at)) {
                break;
            }
        }
        account
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Purchase,
    Refund,
    Withdrawal,
    Transfer,
    Deposit,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Refund => "refund",
            Self::Withdrawal => "withdrawal",
            Self::Transfer => "transfer",
            Self::Deposit => "deposit",
        }
    }

    /// Whether the account is richer afterwards.
    pub(crate) fn credits(self) -> bool {
        matches!(self, Self::Refund | Self::Deposit)
    }
}

/// What is paid with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Method {
    Card,
    Wallet,
    BankTransfer,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Wallet => "wallet",
            Self::BankTransfer => "bank_transfer",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Channel {
    Online,
    Pos,
    Atm,
    Phone,
}

impl Channel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Pos => "pos",
            Self::Atm => "atm",
            Self::Phone => "phone",
        }
    }
}

/// The way through the shop's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Path {
    /// Looks about, puts into the cart, checks out.
    Shopping,
    /// Looks about and leaves.
    Browsing,
    /// Logs in, changes password and address, checks out.
    Takeover,
    /// Straight to the checkout.
    Checkout,
}

/// Page, action, and whether a product is looked at.
pub(crate) type Click = (&'static str, &'static str, bool);

impl Path {
    /// Click number `done` (from 0) of `clicks`.
    pub(crate) fn click(self, done: u8, clicks: u8, bits: u64) -> Click {
        let left = clicks - done;
        match (self, done, left) {
            (Self::Shopping, _, 1) | (Self::Checkout, _, _) | (Self::Takeover, _, 1) => ("/checkout", "checkout", false),
            (Self::Shopping, _, 2) => ("/cart", "add_to_cart", true),
            (Self::Takeover, 0, _) => ("/login", "login", false),
            (Self::Takeover, 1, _) => ("/account/password", "change_password", false),
            (Self::Takeover, 2, _) => ("/account/address", "change_address", false),
            (_, 0, _) => ("/", "view", false),
            _ => match bits % 4 {
                0 => ("/search", "search", false),
                1 => ("/category", "view", false),
                _ => ("/product", "view", true),
            },
        }
    }
}

/// One visit, planned as a whole before its first click.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Visit {
    pub(crate) account: u32,
    pub(crate) merchant: Option<Merchant>,
    pub(crate) device: Option<u64>,
    pub(crate) ip: Option<u32>,
    /// Index into [`CITIES`]: where the payer is.
    pub(crate) city: u8,
    pub(crate) kind: Kind,
    pub(crate) channel: Channel,
    pub(crate) method: Method,
    /// In hundredths of the currency.
    pub(crate) cents: i64,
    pub(crate) path: Path,
    pub(crate) clicks: u8,
    /// Clicks done.
    pub(crate) done: u8,
    /// When it ends, with the payment unless it was only a look.
    pub(crate) ends_at: Micros,
    /// Number of the session, for visits to the shop.
    pub(crate) session: Option<u64>,
    /// Index into the list of fraud scenarios.
    pub(crate) scenario: Option<u8>,
}

impl Visit {
    pub(crate) fn pays(&self) -> bool {
        self.path != Path::Browsing
    }

    /// How long before its end the visit begins, by the number of clicks.
    pub(crate) fn lasts(&self, dice: &mut Dice) -> Micros {
        if self.clicks == 0 {
            return 0;
        }
        let pace = if self.scenario.is_some() { 2.5 } else { 9.0 };
        let seconds = dice.log_normal(pace, 0.4) * f64::from(self.clicks);
        ((seconds * SECOND as f64) as Micros).clamp(SECOND, LONGEST_VISIT)
    }
}

/// An amount in hundredths: at least 0.50, at most 25,000.00.
fn amount(median: f64, sigma: f64, online: bool, dice: &mut Dice) -> i64 {
    let cents = ((dice.log_normal(median, sigma) * 100.0) as i64).clamp(50, 2_500_000);
    // Shops like prices that end in 99.
    if online && cents > 200 && dice.chance(0.4) { cents / 100 * 100 - 1 } else { cents }
}

/// What a genuine customer does that ends at this moment.
pub(crate) fn genuine(cast: Cast, ends_at: Micros, dice: &mut Dice) -> Visit {
    let account = cast.payer(ends_at, dice);
    let whereabouts = account.whereabouts(ends_at);
    let plain = Visit {
        account: account.number,
        merchant: None,
        device: None,
        ip: None,
        city: whereabouts.city,
        kind: Kind::Purchase,
        channel: Channel::Pos,
        method: Method::Card,
        cents: 0,
        path: Path::Shopping,
        clicks: 0,
        done: 0,
        ends_at,
        session: None,
        scenario: None,
    };
    match dice.below(100) {
        0..86 => purchase(cast, account, plain, whereabouts, dice),
        86..92 if !whereabouts.under_way => {
            let notes = dice.between(1, 5) * dice.between(1, 4);
            Visit { kind: Kind::Withdrawal, channel: Channel::Atm, cents: notes * 2000, ..plain }
        }
        86..96 => {
            let phone = dice.chance(0.15);
            Visit {
                kind: Kind::Transfer,
                channel: if phone { Channel::Phone } else { Channel::Online },
                method: Method::BankTransfer,
                device: (!phone).then(|| account.device(dice.bits())),
                ip: (!phone).then(|| account.ip(None)),
                cents: amount(180.0 * account.spending(), 1.1, false, dice),
                ..plain
            }
        }
        96..98 => {
            let bought = purchase(cast, account, plain, whereabouts, dice);
            Visit { kind: Kind::Refund, clicks: 0, session: None, ..bought }
        }
        _ => Visit {
            kind: Kind::Deposit,
            channel: Channel::Online,
            method: Method::BankTransfer,
            device: Some(account.device(dice.bits())),
            ip: Some(account.ip(None)),
            cents: amount(300.0 * account.spending(), 0.8, false, dice),
            ..plain
        },
    }
}

fn purchase(cast: Cast, account: Account, plain: Visit, whereabouts: Whereabouts, dice: &mut Dice) -> Visit {
    let city = &CITIES[usize::from(whereabouts.city)];
    let merchant = if whereabouts.city != account.city_index() && !whereabouts.under_way {
        cast.merchants.of_country(city.country, dice.bits())
    } else if dice.chance(0.7) {
        account.favourite(cast.merchants, dice.bits())
    } else {
        cast.merchants.any(dice.bits())
    };
    let category = merchant.category();
    // Who buys from abroad buys online.
    let abroad = merchant.country().code != city.country().code;
    let online = abroad || whereabouts.under_way || dice.chance(category.online);
    let cents = amount(category.median * account.spending(), category.sigma, online, dice);
    let plain = Visit { merchant: Some(merchant), cents, ..plain };
    if !online {
        return Visit { method: if dice.chance(0.3) { Method::Wallet } else { Method::Card }, ..plain };
    }
    if dice.chance(0.02) {
        return Visit { channel: Channel::Phone, ..plain };
    }
    // A new phone comes once in a while; most payments are from devices seen before.
    let device = if dice.chance(0.004) { dice.bits() } else { account.device(dice.bits()) };
    let elsewhere = dice.chance(0.1).then(|| dice.bits());
    Visit {
        channel: Channel::Online,
        method: if dice.chance(0.35) { Method::Wallet } else { Method::Card },
        device: Some(device),
        ip: Some(account.ip(elsewhere)),
        clicks: 3 + dice.below(5) as u8,
        ..plain
    }
}

/// A look at the shop that ends without a payment.
pub(crate) fn browsing(cast: Cast, ends_at: Micros, dice: &mut Dice) -> Visit {
    let account = cast.payer(ends_at, dice);
    Visit {
        account: account.number,
        merchant: None,
        device: Some(account.device(dice.bits())),
        ip: None,
        city: account.city_index(),
        kind: Kind::Purchase,
        channel: Channel::Online,
        method: Method::Card,
        cents: 0,
        path: Path::Browsing,
        clicks: 1 + dice.below(5) as u8,
        done: 0,
        ends_at,
        session: None,
        scenario: None,
    }
}
