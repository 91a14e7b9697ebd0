//! Accounts: who pays. An account follows from the world's seed and its number: home, devices, habits.

use crate::dice::{below, mix, normal, unit};
use crate::merchants::{Merchant, Merchants};
use crate::places::{CITIES, City, HOME};
use domain::Micros;
use domain::time::{DAY, HOUR, SECOND};

/// How long a journey is.
const JOURNEY: Micros = 3 * DAY;

/// This long before and behind a change of place nobody pays in person: the farthest flight takes less than twice that.
const TRANSIT: Micros = 12 * HOUR;

/// Where a customer is at a moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// Index into [`CITIES`].
    pub(crate) city: u8,
    /// On the way to or from there, so that only online payments are made.
    pub(crate) under_way: bool,
}

/// An account of one world; its id is `acc-<number>`.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) number: u32,
    hash: u64,
}

impl Account {
    pub(crate) fn new(seed: u64, number: u32) -> Self {
        Self { number, hash: mix(seed ^ 0x6163_636f_756e_7400, u64::from(number)) }
    }

    fn draw(self, what: u64) -> u64 {
        mix(self.hash, what)
    }

    /// The customer's number. One customer in eight has two accounts.
    pub(crate) fn customer(self) -> u32 {
        let pair = self.number & !1;
        if below(mix(u64::from(pair), 0x6375_7374), 8) == 0 { pair } else { self.number }
    }

    /// Index into [`CITIES`].
    pub(crate) fn city_index(self) -> u8 {
        below(self.draw(1), HOME) as u8
    }

    pub(crate) fn city(self) -> &'static City {
        &CITIES[usize::from(self.city_index())]
    }

    /// Where the customer is: at home, or one time in forty on a journey of three days.
    pub(crate) fn whereabouts(self, at: Micros) -> Whereabouts {
        let at = at + below(self.draw(10), JOURNEY as u64) as Micros;
        let city = |at: Micros| {
            let draw = mix(self.hash, !(at.div_euclid(JOURNEY) as u64));
            if below(draw, 40) == 0 { below(draw.rotate_left(32), HOME) as u8 } else { self.city_index() }
        };
        let here = city(at);
        Whereabouts { city: here, under_way: city(at - TRANSIT) != here || city(at + TRANSIT) != here }
    }

    /// How often the account pays, against the busiest: 0.2 to 1.
    pub(crate) fn activity(self) -> f64 {
        0.2 + 0.8 * unit(self.draw(2))
    }

    /// How much it spends at a time against others: log-normal about 1.
    pub(crate) fn spending(self) -> f64 {
        libm::exp(0.4 * normal(self.draw(3), self.draw(4)))
    }

    /// The account's own devices, most used first; one to three.
    pub(crate) fn device(self, bits: u64) -> u64 {
        let owned = 1 + below(self.draw(5), 3);
        let u = unit(bits);
        self.draw(16 + (u * u * owned as f64) as u64)
    }

    /// Its usual address, in its home country's network. One payment in ten comes by way of another (`elsewhere`).
    pub(crate) fn ip(self, elsewhere: Option<u64>) -> u32 {
        let host = elsewhere.unwrap_or_else(|| self.draw(6)) as u32 & 0x00ff_ffff;
        u32::from(self.city().country().network) << 24 | host
    }

    /// One of eight merchants it goes back to: six at home, two anywhere.
    pub(crate) fn favourite(self, merchants: Merchants, bits: u64) -> Merchant {
        let which = below(bits, 8);
        let draw = self.draw(32 + which);
        if which < 6 { merchants.of_country(self.city().country, draw) } else { merchants.any(draw) }
    }

    /// When it was opened: up to eight years before the world began, to the second.
    pub(crate) fn opened_at(self, start: Micros) -> Micros {
        let age = (libm::sqrt(unit(self.draw(7))) * (8 * 365 * DAY) as f64) as i64;
        (start - DAY - age).div_euclid(SECOND) * SECOND
    }

    /// What stands on it when the world begins, in hundredths.
    pub(crate) fn opening_balance(self) -> i64 {
        (250_000.0 * self.spending() * libm::exp(0.8 * normal(self.draw(8), self.draw(9)))) as i64
    }
}
