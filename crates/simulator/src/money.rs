//! Money: currencies, and the exchange rates of the shipped project (`rates/exchange_rates.csv`; a test holds the two together).
//! The base is the project's currency, US dollars. Amounts are whole hundredths; what an exchange leaves over is rounded half up.

use serde::{Deserialize, Serialize};

/// ISO 4217 code, and what a unit is worth in US dollars, in ten-thousandths.
const RATES: [(&str, i64); 13] = [
    ("USD", 10_000),
    ("EUR", 10_835),
    ("GBP", 12_710),
    ("CAD", 7_352),
    ("AUD", 6_604),
    ("PLN", 2_517),
    ("CHF", 11_285),
    ("SEK", 946),
    ("DKK", 1_452),
    ("JPY", 67),
    ("MXN", 584),
    ("BRL", 1_987),
    ("INR", 120),
];

pub(crate) const CURRENCIES: usize = RATES.len();

/// Every currency with its rate in ten-thousandths of a US dollar.
pub fn exchange_rates() -> &'static [(&'static str, i64)] {
    &RATES
}

/// Index into [`RATES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Currency(pub(crate) u8);

impl Currency {
    pub(crate) fn code(self) -> &'static str {
        RATES[usize::from(self.0)].0
    }

    fn rate(self) -> i64 {
        RATES[usize::from(self.0)].1
    }

    /// Hundredths of this currency as hundredths of the base.
    pub(crate) fn to_base(self, cents: i64) -> i64 {
        (cents * self.rate() + 5_000).div_euclid(10_000)
    }

    /// The most of this currency that is worth no more than `base`; whole units where a hundredth is worth next to nothing.
    pub(crate) fn below(self, base: i64) -> i64 {
        let cents = (base * 10_000).div_euclid(self.rate());
        if self.rate() < 100 { cents.div_euclid(100) * 100 } else { cents }
    }

    /// Hundredths of this currency in another, by way of the base.
    pub(crate) fn exchange(self, other: Self, cents: i64) -> i64 {
        if self == other {
            return cents;
        }
        let rate = other.rate();
        (self.to_base(cents) * 10_000 * 2 + rate).div_euclid(2 * rate)
    }
}

#[cfg(test)]
mod tests;
