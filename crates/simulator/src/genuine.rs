//! What honest customers do. Most of it is dull; some of it looks odd: holidays, presents sent elsewhere, an afternoon of errands,
//! a child that buys coins in a game, a new phone, a hidden address. Without that, fraud would be too easy to see.

use crate::counter::{Cast, Desk, Taste};
use crate::customers::{Account, Address, Whereabouts};
use crate::merchants::{DIGITAL_GOODS, FUEL, RESTAURANTS};
use crate::places::{CITIES, city_of_country, place};
use crate::products::sold_in_shop;
use crate::rhythm;
use crate::visits::{End, Kind, Path, Visit};
use domain::Micros;
use domain::time::{MINUTE, SECOND};
use serde::{Deserialize, Serialize};

/// Several payments of one customer soon after another.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Outing {
    account: u32,
    kind: OutingKind,
    left: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum OutingKind {
    /// From till to till.
    Errands,
    /// Small things in a game, at a pace.
    Game,
    /// Presents: several orders, most of them sent elsewhere.
    Gifts,
    /// Furniture, a trip: several large amounts within hours.
    Project,
}

impl OutingKind {
    fn pause(self, cast: &mut Cast) -> Micros {
        match self {
            Self::Errands => cast.dice.between(3 * MINUTE, 35 * MINUTE),
            Self::Game => cast.dice.between(20 * SECOND, 6 * MINUTE),
            Self::Gifts => cast.dice.between(2 * MINUTE, 40 * MINUTE),
            Self::Project => cast.dice.between(5 * MINUTE, 180 * MINUTE),
        }
    }
}

/// A visit, and what comes after it: when, and what.
pub(crate) type Planned = (Visit, Option<(Micros, Outing)>);

/// The next thing that any customer does, to end at this moment.
pub(crate) fn visit(cast: &mut Cast, at: Micros) -> Planned {
    let account = cast.payer(at);
    let kind = match cast.dice.below(1000) {
        0..24 => OutingKind::Errands,
        24..30 => OutingKind::Game,
        30..34 => OutingKind::Project,
        34..40 => OutingKind::Gifts,
        40..60 if rhythm::gift_season(at) => OutingKind::Gifts,
        _ => return (one(cast, account, at), None),
    };
    let left = match kind {
        OutingKind::Game => cast.dice.between(2, 9),
        OutingKind::Errands => cast.dice.between(1, 5),
        _ => cast.dice.between(1, 3),
    };
    next(cast, Outing { account: account.number, kind, left: left as u8 }, at)
}

/// The next payment of an outing.
pub(crate) fn next(cast: &mut Cast, outing: Outing, at: Micros) -> Planned {
    let account = cast.account(outing.account);
    let whereabouts = cast.people.whereabouts(account.customer, at);
    let visit = match outing.kind {
        OutingKind::Errands if !whereabouts.under_way => at_a_till(cast, account, whereabouts),
        OutingKind::Errands => one(cast, account, at),
        OutingKind::Game => {
            let merchant = cast.merchants.selling(&[DIGITAL_GOODS], None, cast.dice);
            let desk = cast.desk(account, whereabouts.city);
            let base = [99, 199, 199, 299, 499, 499, 999, 1_999][cast.dice.below(8) as usize];
            cast.elsewhere(account, desk, merchant, base)
        }
        OutingKind::Gifts => {
            let desk = cast.desk(account, whereabouts.city);
            let mut visit = order(cast, account, desk, at);
            send_elsewhere(cast, account, &mut visit, 0.7);
            visit
        }
        OutingKind::Project => {
            let merchant = cast.seller(true);
            let desk = cast.desk(account, whereabouts.city);
            if cast.dice.chance(0.3) {
                let factor = 4.0 * account.customer.spending();
                let base = cast.amount(merchant, factor);
                cast.elsewhere(account, desk, merchant, base)
            } else {
                let visit = cast.order(account, desk, merchant, Taste { dear: 2, more: 0.3, pieces: 0.2 }, at);
                look_about(cast, visit)
            }
        }
    };
    let visit = Visit { ends_at: at, ..visit };
    let then = (outing.left > 0).then(|| {
        let pause = outing.kind.pause(cast);
        (at + pause, Outing { left: outing.left - 1, ..outing })
    });
    (visit, then)
}

/// A single payment.
fn one(cast: &mut Cast, account: Account, at: Micros) -> Visit {
    let whereabouts = cast.people.whereabouts(account.customer, at);
    let spending = account.customer.spending();
    let visit = match cast.dice.below(1000) {
        0..870 => purchase(cast, account, whereabouts, at),
        870..930 if !whereabouts.under_way => {
            let base = cast.dice.between(1, 6) * cast.dice.between(1, 4) * 2_000;
            cast.cash(account, whereabouts.city, base)
        }
        870..975 => {
            let desk = cast.desk(account, whereabouts.city);
            let desk = (!cast.dice.chance(0.12)).then_some(desk);
            let base = (cast.dice.log_normal(17_000.0 * spending, 1.2) as i64).clamp(100, 5_000_000);
            cast.transfer(account, desk, Kind::Transfer, base)
        }
        975..990 => {
            let desk = cast.desk(account, whereabouts.city);
            let base = (cast.dice.log_normal(30_000.0 * spending, 0.9) as i64).clamp(100, 5_000_000);
            cast.transfer(account, Some(desk), Kind::Deposit, base)
        }
        // What was bought over the counter goes back over the counter.
        _ if !whereabouts.under_way => Visit { kind: Kind::Refund, ..at_a_till(cast, account, whereabouts) },
        _ => purchase(cast, account, whereabouts, at),
    };
    Visit { ends_at: at, ..visit }
}

fn at_a_till(cast: &mut Cast, account: Account, here: Whereabouts) -> Visit {
    let city = place(here.city);
    let mut merchant = account.customer.favourite(cast.merchants, cast.dice.bits());
    for _ in 0..40 {
        if merchant.country_index() == city.country && cast.dice.chance(1.02 - merchant.category().online) {
            break;
        }
        merchant = cast.merchants.of_country(city.country, cast.dice.bits());
    }
    let base = cast.amount(merchant, account.customer.spending());
    cast.till(account, here.city, merchant, base)
}

fn purchase(cast: &mut Cast, account: Account, here: Whereabouts, at: Micros) -> Visit {
    let customer = account.customer;
    let night = place(here.city).hour(at) < 6;
    let travelling = here.city != cast.home(customer).city;
    let online = (0.12 + 0.62 * customer.online()) * if travelling { 0.5 } else { 1.0 };
    if !here.under_way && !cast.dice.chance(online) && (!night || cast.dice.chance(0.35)) {
        let mut visit = at_a_till(cast, account, here);
        if night && visit.merchant.is_none_or(|m| !matches!(m.kind(), FUEL | RESTAURANTS)) {
            let merchant = cast.merchants.selling(&[FUEL, RESTAURANTS], Some(place(here.city).country), cast.dice);
            let base = cast.amount(merchant, customer.spending());
            visit = cast.till(account, here.city, merchant, base);
        }
        return visit;
    }
    if cast.dice.chance(0.02) {
        let merchant = customer.favourite(cast.merchants, cast.dice.bits());
        let base = cast.amount(merchant, customer.spending());
        return cast.phone(account, merchant, base);
    }
    let desk = cast.desk(account, here.city);
    if cast.dice.chance(0.28) {
        let mut merchant = customer.favourite(cast.merchants, cast.dice.bits());
        for _ in 0..20 {
            if cast.dice.chance(merchant.category().online) {
                break;
            }
            merchant = cast.merchants.any(cast.dice.bits());
        }
        let base = cast.amount(merchant, customer.spending());
        return cast.elsewhere(account, desk, merchant, base);
    }
    let mut visit = order(cast, account, desk, at);
    send_elsewhere(cast, account, &mut visit, 0.07);
    visit
}

/// An order as a customer places one: what he likes, as dear as he likes it, with a look about before.
fn order(cast: &mut Cast, account: Account, desk: Desk, at: Micros) -> Visit {
    let customer = account.customer;
    let mut merchant = customer.favourite(cast.merchants, cast.dice.bits());
    if !sold_in_shop(merchant.kind()) || cast.dice.chance(0.4) {
        merchant = cast.seller(false);
    }
    let spending = customer.spending();
    let dear = if cast.dice.chance(0.35 * spending.min(2.5)) { 1 } else { -1 };
    let taste = if customer.business() { Taste { dear, more: 0.55, pieces: 0.75 } } else { Taste { dear, more: 0.36, pieces: 0.12 } };
    let visit = cast.order(account, desk, merchant, taste, at);
    let mut visit = look_about(cast, visit);
    if let Some(basket) = &mut visit.basket {
        basket.declines = match cast.dice.below(1000) {
            0..6 => 2,
            6..40 => 1,
            _ => 0,
        };
    }
    if cast.dice.chance(0.002) {
        // Buys for another's birthday with the number in hand, no look about.
        visit.path = Path::Checkout;
        visit.clicks = 1;
    }
    visit
}

fn look_about(cast: &mut Cast, visit: Visit) -> Visit {
    let clicks = match cast.dice.below(10) {
        // They knew what they wanted.
        0 => 2,
        1..8 => 3 + cast.dice.below(5) as u8,
        _ => 8 + cast.dice.below(8) as u8,
    };
    // Some have forgotten their password.
    let path = match cast.dice.below(1000) {
        0..9 => Path::Takeover { password: true, address: false },
        9..20 => Path::Takeover { password: false, address: true },
        _ => Path::Shopping,
    };
    let clicks = if path == Path::Shopping { clicks } else { clicks.max(5) };
    Visit { clicks, path, pace: cast.dice.log_normal(8.0, 0.5) as f32, ..visit }
}

/// Presents, holiday homes, the office: some parcels go elsewhere, seldom abroad.
fn send_elsewhere(cast: &mut Cast, account: Account, visit: &mut Visit, share: f64) {
    let Some(basket) = &mut visit.basket else { return };
    if basket.ship_to.is_none() || !cast.dice.chance(share) {
        return;
    }
    let home = cast.people.home(account.customer);
    let city = match cast.dice.below(100) {
        0..45 => home.city,
        45..84 => city_of_country(place(home.city).country, cast.dice.bits()),
        _ => cast.dice.below(CITIES.len() as u64 - 3) as u8,
    };
    basket.ship_to = Some(Address { city, spot: cast.dice.bits() as u32 });
}

/// A look at the shop that ends without a payment; now and then only just before it.
pub(crate) fn browsing(cast: &mut Cast, at: Micros) -> Visit {
    let account = cast.payer(at);
    let here = cast.people.whereabouts(account.customer, at).city;
    let desk = cast.desk(account, here);
    let visit = order(cast, account, desk, at);
    if cast.dice.chance(0.06) {
        let mut visit = Visit { end: End::GivesUp, ends_at: at, ..visit };
        if let Some(basket) = &mut visit.basket {
            basket.declines = cast.dice.below(3) as u8;
        }
        return visit;
    }
    Visit { basket: None, end: End::Leaves, path: Path::Browsing, clicks: 1 + cast.dice.below(6) as u8, ends_at: at, ..visit }
}
