//! Exchange rates as of a time, and the rule that fills an amount in the project's currency where an event does not bring it.
//!
//! Money never meets a float: an amount times a rate is exact, then rounded half away from zero to the field's scale, as SQL rounds.

use crate::decimal::Decimal;
use crate::stream::{FieldType, max_field_decimal};
use crate::time::Micros;
use crate::value::{Text, Value};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The most digits a rate has after its point.
pub const RATE_SCALE: u8 = 9;

/// What one unit of each currency is worth in the project's, each rate from a moment on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub name: Text,
    /// By currency, sorted by the moment from which the rate holds.
    by_currency: FxHashMap<Text, Vec<(Micros, Decimal)>>,
}

impl Rates {
    /// Of (currency, valid from, rate); `Micros::MIN` is "always".
    pub fn new(name: Text, entries: impl IntoIterator<Item = (Text, Micros, Decimal)>) -> Self {
        let mut by_currency: FxHashMap<Text, Vec<(Micros, Decimal)>> = FxHashMap::default();
        for (currency, from, rate) in entries {
            by_currency.entry(currency).or_default().push((from, rate));
        }
        for rates in by_currency.values_mut() {
            rates.sort_by_key(|(from, _)| *from);
        }
        Self { name, by_currency }
    }

    /// The rate that held at `at`; none for an unknown currency or before its first rate.
    pub fn at(&self, currency: &str, at: Micros) -> Option<Decimal> {
        let rates = self.by_currency.get(currency)?;
        let after = rates.partition_point(|(from, _)| *from <= at);
        Some(rates[after.checked_sub(1)?].1)
    }

    /// `amount` in the project's currency, at `scale` digits; `None` without a rate or where it does not fit a field.
    pub fn convert(&self, amount: Decimal, currency: &str, at: Micros, scale: u8) -> Option<Decimal> {
        let rate = self.at(currency, at)?;
        let exact = Decimal::new(amount.unscaled.checked_mul(rate.unscaled)?, amount.scale + rate.scale);
        exact.round_to(scale).filter(|d| d.unscaled.abs() <= max_field_decimal(scale).unscaled)
    }
}

/// Where a field's value comes from if the event does not bring it. Slots of the same stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convert {
    pub amount: usize,
    pub currency: usize,
    pub rates: Arc<Rates>,
}

impl Convert {
    /// The value for a decimal field of type `kind`, as of the event's time; null where amount, currency, time or rate is not known.
    pub fn value(&self, row: &[Value], event_time: usize, kind: &FieldType) -> Value {
        let FieldType::Decimal(scale) = kind else { return Value::Null };
        let amount = match &row[self.amount] {
            Value::Decimal(amount) => *amount,
            Value::Int(amount) => Decimal::from(*amount),
            _ => return Value::Null,
        };
        match (&row[self.currency], &row[event_time]) {
            (Value::Text(currency), Value::Timestamp(at)) => {
                self.rates.convert(amount, currency, *at, *scale).map_or(Value::Null, Value::Decimal)
            }
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests;
