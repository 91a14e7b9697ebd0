//! The report: shares and rates from what was counted, as plain values for JSON and for Markdown.

use super::tally::{Amount, Tallies, Tally};
use domain::{Action, Decimal, RuleMode, Text, Value, time};
use serde::Serialize;
use std::collections::BTreeMap;

/// Of a kind of fraud, at most this many rules are named.
const NAMED: usize = 4;

#[derive(Debug, Serialize)]
pub struct Report {
    /// Digest of the project.
    pub project: Text,
    pub from: String,
    pub until: String,
    pub days: f64,
    pub transactions: u64,
    /// Of them, those that have a label; the others count as genuine.
    pub labelled: u64,
    /// Records that could not be taken.
    pub refused: u64,
    /// The field that amounts are of.
    pub amount_of: String,
    pub overall: Overall,
    pub decisions: Vec<OfDecision>,
    pub rules: Vec<OfRule>,
    pub scenarios: Vec<OfScenario>,
}

/// Shares are of 0 to 1, and null where there is nothing to divide by.
#[derive(Debug, Serialize)]
pub struct Overall {
    pub fraud: u64,
    pub fraud_amount: Value,
    pub fraud_share: Option<f64>,
    /// Fraud reviewed or blocked, by number and by amount.
    pub recall: Option<f64>,
    pub recall_amount: Option<f64>,
    /// Fraud among what is reviewed or blocked.
    pub precision: Option<f64>,
    pub reviewed_share: Option<f64>,
    pub blocked_share: Option<f64>,
    pub false_positives_a_day: Option<f64>,
    pub amount_caught: Value,
    pub amount_missed: Value,
    pub amount_wrongly_stopped: Value,
}

#[derive(Debug, Serialize)]
pub struct OfDecision {
    pub decision: Action,
    pub transactions: u64,
    pub share: Option<f64>,
    pub a_day: Option<f64>,
    pub fraud: u64,
    pub fraud_amount: Value,
    pub genuine: u64,
    pub genuine_amount: Value,
    pub precision: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct OfRule {
    pub rule: Text,
    pub mode: RuleMode,
    pub action: Action,
    pub hits: u64,
    pub fraud: u64,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub recall_amount: Option<f64>,
    pub recall_by_scenario: BTreeMap<String, Option<f64>>,
    pub false_positives_a_day: Option<f64>,
    pub amount_caught: Value,
    pub amount_wrongly_stopped: Value,
    /// Fraud that no other live rule hits.
    pub fraud_alone: u64,
    pub amount_alone: Value,
}

#[derive(Debug, Serialize)]
pub struct OfScenario {
    pub scenario: String,
    pub transactions: u64,
    pub amount: Value,
    pub caught: Option<f64>,
    pub caught_amount: Option<f64>,
    pub blocked: Option<f64>,
    /// Hit by no rule at all, not even one in shadow.
    pub unseen: Option<f64>,
    pub amount_unseen: Value,
    /// The rules that hit most of it, with the share they hit; those in shadow too.
    pub rules: Vec<(Text, f64)>,
}

/// To four places: the fifth is noise.
fn share(part: impl Into<Option<f64>>, whole: f64) -> Option<f64> {
    let part = part.into()?;
    (whole > 0.0).then(|| (part / whole * 10_000.0).round() / 10_000.0)
}

fn of_counts(part: u64, whole: u64) -> Option<f64> {
    share(part as f64, whole as f64)
}

fn of_amounts(part: i128, whole: i128) -> Option<f64> {
    share(part as f64, whole as f64)
}

impl Tallies {
    pub fn report(&self, project: &Text, amount: &Amount, refused: u64) -> Report {
        let money = |units: i128| Value::Decimal(Decimal::new(units, amount.scale));
        // A part of a day is not a day: figures a day are of the time that was looked at, at least one hour.
        let days = ((self.last - self.first) as f64 / time::DAY as f64).max(1.0 / 24.0);
        let a_day = |count: u64| Some((count as f64 / days * 100.0).round() / 100.0);
        let all = self.transactions();
        let stopped = |at: fn(&(Tally, Tally)) -> Tally| {
            let [_, review, block] = &self.decisions;
            Tally { count: at(review).count + at(block).count, amount: at(review).amount + at(block).amount }
        };
        let (caught, wronged) = (stopped(|d| d.0), stopped(|d| d.1));
        let share_of = |action: Action| of_counts(self.decisions[action as usize].0.count + self.decisions[action as usize].1.count, all);
        let overall = Overall {
            fraud: self.fraud.count,
            fraud_amount: money(self.fraud.amount),
            fraud_share: of_counts(self.fraud.count, all),
            recall: of_counts(caught.count, self.fraud.count),
            recall_amount: of_amounts(caught.amount, self.fraud.amount),
            precision: of_counts(caught.count, caught.count + wronged.count),
            reviewed_share: share_of(Action::Review),
            blocked_share: share_of(Action::Block),
            false_positives_a_day: a_day(wronged.count),
            amount_caught: money(caught.amount),
            amount_missed: money(self.fraud.amount - caught.amount),
            amount_wrongly_stopped: money(wronged.amount),
        };
        let decisions = [Action::Allow, Action::Review, Action::Block].map(|decision| {
            let (fraud, genuine) = self.decisions[decision as usize];
            let transactions = fraud.count + genuine.count;
            OfDecision {
                decision,
                transactions,
                share: of_counts(transactions, all),
                a_day: a_day(transactions),
                fraud: fraud.count,
                fraud_amount: money(fraud.amount),
                genuine: genuine.count,
                genuine_amount: money(genuine.amount),
                precision: of_counts(fraud.count, transactions),
            }
        });
        let rules = self.rules.iter().map(|rule| OfRule {
            rule: rule.rule.clone(),
            mode: rule.mode,
            action: rule.action,
            hits: rule.fraud.count + rule.genuine.count,
            fraud: rule.fraud.count,
            precision: of_counts(rule.fraud.count, rule.fraud.count + rule.genuine.count),
            recall: of_counts(rule.fraud.count, self.fraud.count),
            recall_amount: of_amounts(rule.fraud.amount, self.fraud.amount),
            recall_by_scenario: rule
                .scenarios
                .iter()
                .zip(&self.scenarios)
                .map(|(n, s)| (s.name.clone(), of_counts(*n, s.all.count)))
                .collect(),
            false_positives_a_day: a_day(rule.genuine.count),
            amount_caught: money(rule.fraud.amount),
            amount_wrongly_stopped: money(rule.genuine.amount),
            fraud_alone: rule.alone.count,
            amount_alone: money(rule.alone.amount),
        });
        let scenarios = self.scenarios.iter().enumerate().map(|(at, scenario)| {
            let hit = self.rules.iter().filter(|r| r.scenarios[at] > 0);
            let mut hit: Vec<(Text, f64)> =
                hit.filter_map(|r| Some((r.rule.clone(), of_counts(r.scenarios[at], scenario.all.count)?))).collect();
            hit.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            hit.truncate(NAMED);
            OfScenario {
                scenario: scenario.name.clone(),
                transactions: scenario.all.count,
                amount: money(scenario.all.amount),
                caught: of_counts(scenario.caught.count, scenario.all.count),
                caught_amount: of_amounts(scenario.caught.amount, scenario.all.amount),
                blocked: of_counts(scenario.blocked.count, scenario.all.count),
                unseen: of_counts(scenario.unseen.count, scenario.all.count),
                amount_unseen: money(scenario.unseen.amount),
                rules: hit,
            }
        });
        Report {
            project: project.clone(),
            from: time::format(self.first),
            until: time::format(self.last),
            days: (days * 100.0).round() / 100.0,
            transactions: all,
            labelled: self.labels,
            refused,
            amount_of: amount.name.clone(),
            overall,
            decisions: decisions.into(),
            rules: rules.collect(),
            scenarios: scenarios.collect(),
        }
    }
}
