//! What a world has made so far: the figures that a run prints at its end and that a test compares against what arrived.

use domain::Decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of what has left the world, before any fault was added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records of the judged stream.
    pub payments: u64,
    /// Payments that are fraud, whether or not their labels are known yet.
    pub fraud: u64,
    /// The same by scenario.
    pub fraud_by_scenario: BTreeMap<String, u64>,
    /// Sum of all payments' amounts, in hundredths, by ISO 4217 currency. Refunds and deposits are added like all else.
    pub cents_by_currency: BTreeMap<String, i64>,
    pub clicks: u64,
    pub balances: u64,
    pub merchants: u64,
    pub labels: u64,
}

impl Totals {
    /// Records of all streams.
    pub fn events(&self) -> u64 {
        self.payments + self.clicks + self.balances + self.merchants + self.labels
    }

    /// The amount paid in a currency.
    pub fn amount(&self, currency: &str) -> Decimal {
        Decimal::new(i128::from(self.cents_by_currency.get(currency).copied().unwrap_or(0)), 2)
    }

    pub(crate) fn payment(&mut self, currency: &'static str, cents: i64, scenario: Option<&'static str>) {
        self.payments += 1;
        add(&mut self.cents_by_currency, currency, cents);
        if let Some(name) = scenario {
            self.fraud += 1;
            add(&mut self.fraud_by_scenario, name, 1);
        }
    }
}

fn add<N: std::ops::AddAssign + Default>(counts: &mut BTreeMap<String, N>, name: &str, n: N) {
    match counts.get_mut(name) {
        Some(count) => *count += n,
        None => {
            counts.insert(name.to_owned(), n);
        }
    }
}
