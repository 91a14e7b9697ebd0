//! The world's own books: what it has made so far, in exact hundredths, counted where things happen and not where they are written.
//! A run prints them at its end, and a test compares them with what arrived.

use crate::fraud::{SCENARIO_COUNT, SCENARIOS};
use crate::money::{CURRENCIES, Currency};
use crate::orders::{Attempt, Status};
use crate::visits::Kind;
use domain::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A number of things and what they are worth together, in hundredths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub count: u64,
    pub cents: i64,
}

impl Sum {
    pub(crate) fn add(&mut self, cents: i64) {
        self.count += 1;
        self.cents += cents;
    }

    /// Exact, with two digits after the point.
    pub fn amount(&self) -> Decimal {
        Decimal::new(i128::from(self.cents), 2)
    }

    fn report(&self) -> Value {
        json!({"count": self.count, "amount": self.amount().to_string()})
    }
}

/// Counts of what has left the world, before any fault was added. Money is in the base currency unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records of the judged stream.
    pub payments: u64,
    /// Payments that are fraud, whether or not their labels are known yet.
    pub fraud: u64,
    pub(crate) fraud_by_scenario: [Sum; SCENARIO_COUNT],
    pub(crate) by_type: [Sum; Kind::NAMES.len()],
    /// In hundredths of each currency.
    pub(crate) by_currency: [Sum; CURRENCIES],
    /// When they were placed.
    pub orders: Sum,
    /// Of each status that orders got.
    pub(crate) orders_by_status: [Sum; Status::NAMES.len()],
    /// Lines of orders, after discounts.
    pub lines: Sum,
    pub pieces: u64,
    /// In hundredths.
    pub discounts: i64,
    pub(crate) attempts: [Sum; Attempt::NAMES.len()],
    /// Customers who were seen.
    pub customers: u64,
    pub customer_rows: u64,
    pub profile_rows: u64,
    pub balance_rows: u64,
    pub merchant_rows: u64,
    pub product_rows: u64,
    pub order_rows: u64,
    pub payment_rows: u64,
    pub clicks: u64,
    pub reviews: u64,
    pub stars: u64,
    pub labels: u64,
}

impl Totals {
    /// Records of all streams.
    pub fn events(&self) -> u64 {
        self.payments
            + self.clicks
            + self.customer_rows
            + self.profile_rows
            + self.balance_rows
            + self.merchant_rows
            + self.product_rows
            + self.order_rows
            + self.lines.count
            + self.payment_rows
            + self.reviews
            + self.labels
    }

    /// Fraud of one scenario.
    pub fn scenario(&self, name: &str) -> Sum {
        SCENARIOS.iter().position(|s| s.name() == name).map(|s| self.fraud_by_scenario[s]).unwrap_or_default()
    }

    /// Paid in a currency, in its own hundredths.
    pub fn paid_in(&self, currency: &str) -> Sum {
        (0..CURRENCIES).find(|c| Currency(*c as u8).code() == currency).map(|c| self.by_currency[c]).unwrap_or_default()
    }

    pub(crate) fn payment(&mut self, kind: Kind, currency: Currency, cents: i64, scenario: Option<u8>) {
        let base = currency.to_base(cents);
        self.payments += 1;
        self.by_type[kind as usize].add(base);
        self.by_currency[usize::from(currency.0)].add(cents);
        if let Some(scenario) = scenario {
            self.fraud += 1;
            self.fraud_by_scenario[usize::from(scenario)].add(base);
        }
    }

    /// Everything, for people and programs: amounts are text, exact to the cent.
    pub fn report(&self) -> Value {
        let by = |names: &mut dyn Iterator<Item = &'static str>, sums: &[Sum]| -> Value {
            let entries: Map<String, Value> = names.zip(sums).filter(|(_, s)| s.count > 0).map(|(n, s)| (n.into(), s.report())).collect();
            Value::Object(entries)
        };
        let paid = self.orders_by_status[Status::Paid as usize];
        let refunded = self.attempts[Attempt::Refunded as usize];
        let net = Decimal::new(i128::from(paid.cents - refunded.cents), 2);
        json!({
            "events": self.events(),
            "transactions": {
                "count": self.payments,
                "by_type": by(&mut Kind::NAMES.into_iter(), &self.by_type),
                "by_currency": by(&mut (0..CURRENCIES as u8).map(|c| Currency(c).code()), &self.by_currency),
            },
            "fraud": {
                "count": self.fraud,
                "by_scenario": by(&mut SCENARIOS.iter().map(|s| s.name()), &self.fraud_by_scenario),
            },
            "revenue": {
                "paid": paid.amount().to_string(),
                "refunded": refunded.amount().to_string(),
                "net": net.to_string(),
            },
            "orders": {
                "placed": self.orders.report(),
                "by_status": by(&mut Status::NAMES.into_iter(), &self.orders_by_status),
            },
            "order_items": {
                "lines": self.lines.report(),
                "pieces": self.pieces,
                "discounts": Decimal::new(i128::from(self.discounts), 2).to_string(),
            },
            "payments": by(&mut Attempt::NAMES.into_iter(), &self.attempts),
            "customers": self.customers,
            "reviews": {"count": self.reviews, "stars": self.stars},
            "labels": self.labels,
            "records": {
                "transactions": self.payments,
                "user_profiles": self.profile_rows,
                "merchant_info": self.merchant_rows,
                "account_balances": self.balance_rows,
                "customers": self.customer_rows,
                "products": self.product_rows,
                "orders": self.order_rows,
                "order_items": self.lines.count,
                "payments": self.payment_rows,
                "clickstream": self.clicks,
                "reviews": self.reviews,
                "labels": self.labels,
            },
        })
    }
}
