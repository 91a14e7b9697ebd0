//! Customers and accounts: who pays. Both follow from the world's seed and their number: home, devices, habits. What changes
//! about them while the world runs stands in [`People`](crate::people::People).

use crate::dice::{below, mix, normal, unit};
use crate::merchants::{Merchant, Merchants};
use crate::money::Currency;
use crate::names::{LOCALES, Locale};
use crate::places::{CITIES, City, HOLIDAY, HOME, city_of_country, place};
use crate::rhythm;
use domain::Micros;
use domain::time::{DAY, HOUR, SECOND};
use serde::{Deserialize, Serialize};

/// How long a journey is.
const JOURNEY: Micros = 3 * DAY;

/// This long before and behind a change of place nobody pays in person: the farthest flight takes less than twice that.
pub(crate) const TRANSIT: Micros = 12 * HOUR;

/// Customers that share an address with their neighbours in number, and a tablet.
const HOUSEHOLD: u32 = 4;

/// An address: a city, and the number that street, house and postal code follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    /// Index into [`CITIES`].
    pub(crate) city: u8,
    pub(crate) spot: u32,
}

/// Where a customer is at a moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// Index into [`CITIES`].
    pub(crate) city: u8,
    /// On the way to or from there, so that only online payments are made.
    pub(crate) under_way: bool,
}

/// A customer of one world; the id is `cust-<number>`.
#[derive(Clone, Copy)]
pub(crate) struct Customer {
    pub(crate) number: u32,
    hash: u64,
    /// The household's, or the customer's own where he shares with nobody.
    home: u64,
}

impl Customer {
    pub(crate) fn new(seed: u64, number: u32) -> Self {
        let hash = mix(seed ^ 0x7065_7273_6f6e, u64::from(number));
        let household = mix(seed ^ 0x0068_6f75_7365, u64::from(number / HOUSEHOLD));
        let shares = below(household, 100) < 30;
        Self { number, hash, home: if shares { household } else { hash } }
    }

    pub(crate) fn draw(self, what: u64) -> u64 {
        mix(self.hash, what)
    }

    fn unit(self, what: u64) -> f64 {
        unit(self.draw(what))
    }

    /// Where the customer lived first.
    pub(crate) fn first_home(self) -> Address {
        Address { city: below(mix(self.home, 1), HOME) as u8, spot: mix(self.home, 2) as u32 }
    }

    pub(crate) fn country(self) -> u8 {
        place(self.first_home().city).country
    }

    /// Where the customer is: at home, or one time in forty (more often in summer) on a journey of three days.
    pub(crate) fn whereabouts(self, home: u8, at: Micros) -> Whereabouts {
        let at = at + below(self.draw(10), JOURNEY as u64) as Micros;
        let city = |at: Micros| {
            let draw = mix(self.hash, !(at.div_euclid(JOURNEY) as u64));
            let one_in = if rhythm::holiday_season(at.div_euclid(JOURNEY) * JOURNEY) { 20 } else { 45 };
            if below(draw, one_in) > 0 {
                return home;
            }
            let to = draw.rotate_left(32);
            match draw % 10 {
                0..4 => city_of_country(place(home).country, to),
                4..8 => HOLIDAY[below(to, HOLIDAY.len() as u64) as usize],
                _ => below(to, CITIES.len() as u64 - 3) as u8,
            }
        };
        let here = city(at);
        Whereabouts { city: here, under_way: city(at - TRANSIT) != here || city(at + TRANSIT) != here }
    }

    /// Firms buy more, dearer and by day.
    pub(crate) fn business(self) -> bool {
        below(self.draw(2), 100) < 4
    }

    /// How often the customer pays, against the busiest: some hardly ever.
    pub(crate) fn activity(self) -> f64 {
        let u = self.unit(3);
        if self.dormant() { 0.004 } else { 0.06 + 0.94 * u * u }
    }

    /// Accounts that have slept for long when the world begins.
    pub(crate) fn dormant(self) -> bool {
        below(self.draw(4), 100) < 4
    }

    /// How much the customer spends at a time against others: log-normal about 1, firms three times as much.
    pub(crate) fn spending(self) -> f64 {
        libm::exp(0.5 * normal(self.draw(5), self.draw(6))) * if self.business() { 3.0 } else { 1.0 }
    }

    /// How much of what he buys the customer buys online, 0 to 1.
    pub(crate) fn online(self) -> f64 {
        self.unit(7)
    }

    /// Own devices, most used first: a phone, and perhaps a computer and the household's tablet. `phones` is how many new ones
    /// the customer has got since the world began.
    pub(crate) fn device(self, phones: u8, bits: u64) -> u64 {
        let u = unit(bits);
        match (u * 20.0) as u32 {
            0..12 => self.draw(16 + u64::from(phones)),
            12..18 if self.draw(15).is_multiple_of(4) => self.draw(16 + u64::from(phones)),
            12..18 => self.draw(400),
            _ => mix(self.home, 3),
        }
    }

    /// An address of the internet, as bits draw it: home, the phone company's, the office. Phone companies share few among many.
    pub(crate) fn ip(self, home: Address, here: u8, bits: u64) -> u32 {
        let city = place(here);
        if here != home.city {
            // Hotels and phone companies abroad.
            return city.ip(1000 + below(bits, 300));
        }
        match below(bits, 100) {
            0..58 => city.ip(mix(u64::from(home.spot), 4) | 1 << 40),
            58..82 => city.ip(below(bits.rotate_left(17), 400)),
            82..92 => city.ip(2000 + below(self.draw(8), 5000)),
            _ => city.ip(bits),
        }
    }

    /// Whether the customer hides behind a service in another city, for most of what he does.
    pub(crate) fn vpn(self) -> bool {
        below(self.draw(9), 100) < 6
    }

    /// One of eight merchants the customer goes back to: six at home, two anywhere.
    pub(crate) fn favourite(self, merchants: Merchants, bits: u64) -> Merchant {
        let which = below(bits, 8);
        let draw = self.draw(32 + which);
        if which < 6 { merchants.of_country(self.country(), draw) } else { merchants.any(draw) }
    }

    /// A tenth have a name of another language than their country's.
    fn locale(self) -> &'static Locale {
        let own = place(self.first_home().city).country().locale;
        let locale = if below(self.draw(11), 10) == 0 { below(self.draw(12), LOCALES.len() as u64) as u8 } else { own };
        &LOCALES[usize::from(locale)]
    }

    pub(crate) fn first_name(self) -> &'static str {
        self.locale().first[below(self.draw(13), 20) as usize]
    }

    pub(crate) fn last_name(self) -> &'static str {
        // A household has one name more often than not.
        let from = if self.draw(14).is_multiple_of(4) { self.hash } else { self.home };
        self.locale().last[below(mix(from, 5), 20) as usize]
    }

    /// From onboarding, 0 to 1 in thousandths; most are low. Those who came in on papers that were too new are a little higher.
    pub(crate) fn risk(self, doubtful: bool) -> i64 {
        let u = self.unit(20);
        let v = self.unit(21);
        (1000.0 * if doubtful { 0.15 + 0.6 * u * v + 0.2 * v } else { 0.02 + 0.9 * u * u * v }) as i64
    }

    pub(crate) fn age_band(self) -> &'static str {
        match below(self.draw(22), 100) {
            0..12 => "18-24",
            12..34 => "25-34",
            34..56 => "35-44",
            56..74 => "45-54",
            74..88 => "55-64",
            _ => "65+",
        }
    }

    pub(crate) fn email_verified(self) -> bool {
        below(self.draw(23), 100) < 93
    }

    pub(crate) fn phone_verified(self) -> bool {
        below(self.draw(24), 100) < 78
    }
}

/// An account; its id is `acc-<number>`.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) number: u32,
    pub(crate) customer: Customer,
    hash: u64,
}

impl Account {
    pub(crate) fn new(seed: u64, number: u32) -> Self {
        // One customer in eight has two accounts.
        let pair = number & !1;
        let customer = if below(mix(u64::from(pair), 0x6375_7374), 8) == 0 { pair } else { number };
        Self { number, customer: Customer::new(seed, customer), hash: mix(seed ^ 0x6163_636f_756e_7400, u64::from(number)) }
    }

    fn draw(self, what: u64) -> u64 {
        mix(self.hash, what)
    }

    pub(crate) fn currency(self) -> Currency {
        place(self.customer.first_home().city).country().currency
    }

    pub(crate) fn home_city(self) -> &'static City {
        place(self.customer.first_home().city)
    }

    /// The token of the account's card, `cards` counting those that were replaced.
    pub(crate) fn card(self, cards: u8) -> u64 {
        self.draw(64 + u64::from(cards))
    }

    /// When an account that is as old as the world or older was opened: up to eight years before, to the second.
    pub(crate) fn opened_at(self, start: Micros) -> Micros {
        let age = (libm::sqrt(unit(self.draw(7))) * (8 * 365 * DAY) as f64) as i64;
        (start - DAY - age).div_euclid(SECOND) * SECOND
    }

    /// What stands on it when the world begins, in hundredths of the base.
    pub(crate) fn opening_balance(self) -> i64 {
        (280_000.0 * self.customer.spending() * libm::exp(0.8 * normal(self.draw(8), self.draw(9)))) as i64
    }

    /// How far it may be overdrawn, in hundredths of the base; in steps of 500.00.
    pub(crate) fn credit_limit(self) -> i64 {
        let firm = if self.customer.business() { 4.0 } else { 1.0 };
        let limit = 350_000.0 * firm * self.customer.spending() * libm::exp(0.6 * normal(self.draw(10), self.draw(11)));
        ((limit as i64) / 50_000 + 1) * 50_000
    }
}

#[cfg(test)]
mod tests;
