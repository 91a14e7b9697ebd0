//! Counting: one pass over decisions beside the truth, in whole transactions and exact amounts.

use super::labels::{Labels, Truth};
use domain::{Action, Decision, Micros, RuleMode, Text, Value};
use rules::RuleInfo;
use std::collections::HashMap;

/// Where a transaction's worth is read.
#[derive(Debug)]
pub struct Amount {
    /// The field's name.
    pub name: String,
    /// Its slot; `None`: transactions have no amount, and count alone.
    pub slot: Option<usize>,
    /// Decimal places.
    pub scale: u8,
}

impl Amount {
    /// In units of the last decimal place; nothing is worth 0.
    pub fn of(&self, row: &[Value]) -> i128 {
        match self.slot.and_then(|slot| row.get(slot)) {
            Some(Value::Decimal(d)) => d.rescale(self.scale).map_or(0, |d| d.unscaled),
            Some(Value::Int(i)) => i128::from(*i),
            _ => 0,
        }
    }
}

/// Transactions and what they are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub amount: i128,
}

impl Tally {
    fn add(&mut self, amount: i128) {
        self.count += 1;
        self.amount += amount;
    }
}

/// What one rule hit.
#[derive(Debug)]
pub struct OfRule {
    pub rule: Text,
    pub mode: RuleMode,
    pub action: Action,
    pub fraud: Tally,
    pub genuine: Tally,
    /// Fraud that no other live rule hits.
    pub alone: Tally,
    /// Fraud by scenario.
    pub scenarios: Vec<u64>,
}

/// What became of one kind of fraud.
#[derive(Clone, Debug)]
pub struct OfScenario {
    pub name: String,
    pub all: Tally,
    /// Reviewed or blocked.
    pub caught: Tally,
    pub blocked: Tally,
    /// Hit by no rule at all, not even one in shadow.
    pub unseen: Tally,
}

/// Everything counted.
#[derive(Debug)]
pub struct Tallies {
    pub rules: Vec<OfRule>,
    places: HashMap<Text, usize>,
    pub scenarios: Vec<OfScenario>,
    /// By decision (allow, review, block): fraud and genuine.
    pub decisions: [(Tally, Tally); 3],
    pub fraud: Tally,
    pub genuine: Tally,
    /// Transactions that have a label, of either kind.
    pub labels: u64,
    pub first: Micros,
    pub last: Micros,
    // Reused from transaction to transaction.
    hits: Vec<usize>,
}

impl Tallies {
    pub fn new(rules: &[RuleInfo], labels: &Labels) -> Self {
        let of_rule = |r: &RuleInfo| OfRule {
            rule: r.name.clone(),
            mode: r.mode,
            action: r.action,
            fraud: Tally::default(),
            genuine: Tally::default(),
            alone: Tally::default(),
            scenarios: vec![0; labels.scenarios().len()],
        };
        let of_scenario = |name: &String| OfScenario {
            name: name.clone(),
            all: Tally::default(),
            caught: Tally::default(),
            blocked: Tally::default(),
            unseen: Tally::default(),
        };
        Self {
            rules: rules.iter().map(of_rule).collect(),
            places: rules.iter().enumerate().map(|(at, r)| (r.name.clone(), at)).collect(),
            scenarios: labels.scenarios().iter().map(of_scenario).collect(),
            decisions: Default::default(),
            fraud: Tally::default(),
            genuine: Tally::default(),
            labels: 0,
            first: Micros::MAX,
            last: Micros::MIN,
            hits: Vec::new(),
        }
    }

    /// What has no label counts as genuine.
    pub fn add(&mut self, decision: &Decision, truth: Option<Truth>, amount: i128) {
        self.labels += u64::from(truth.is_some());
        self.first = self.first.min(decision.event_time);
        self.last = self.last.max(decision.event_time);
        self.hits.clear();
        self.hits.extend(decision.hits.iter().filter_map(|hit| self.places.get(&hit.rule).copied()));
        let of_decision = &mut self.decisions[decision.decision as usize];
        let Some(Truth::Fraud(scenario)) = truth else {
            self.genuine.add(amount);
            of_decision.1.add(amount);
            self.hits.iter().for_each(|hit| self.rules[*hit].genuine.add(amount));
            return;
        };
        self.fraud.add(amount);
        of_decision.0.add(amount);
        let live = self.hits.iter().filter(|hit| self.rules[**hit].mode == RuleMode::Live).count();
        for &hit in &self.hits {
            let rule = &mut self.rules[hit];
            rule.fraud.add(amount);
            rule.scenarios[scenario] += 1;
            if live == usize::from(rule.mode == RuleMode::Live) {
                rule.alone.add(amount);
            }
        }
        let scenario = &mut self.scenarios[scenario];
        scenario.all.add(amount);
        if decision.decision > Action::Allow {
            scenario.caught.add(amount);
        }
        if decision.decision == Action::Block {
            scenario.blocked.add(amount);
        }
        if self.hits.is_empty() && decision.decision == Action::Allow {
            scenario.unseen.add(amount);
        }
    }

    pub fn transactions(&self) -> u64 {
        self.fraud.count + self.genuine.count
    }

    pub fn labelled(&self) -> u64 {
        self.labels
    }
}
