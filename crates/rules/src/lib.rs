//! Rules and lists on `expr`, and the policy that turns them into a decision. Knows no tokio, arrow, wall clock or randomness.
//!
//! A [`Ruleset`] is compiled once from a project, over a [`Names`] scope: one flat row of slots, the judged stream's fields first, then the
//! features. [`Ruleset::judge`] is a pure function of that row, the lists and the event time.

mod compile;
mod judge;
mod lists;
mod names;

#[cfg(test)]
mod tests;

pub use judge::Verdict;
pub use lists::{Addition, Existing, ListChange, ListKey, ListState, Listed, Removal, Removed};
pub use names::Names;

use domain::{Action, RuleMode, Severity, Text};
use expr::{Program, Template};
use serde::Serialize;

/// All rules of a project and its policy, compiled.
#[derive(Debug)]
pub struct Ruleset {
    pub(crate) rules: Vec<Rule>,
    pub(crate) policy: Policy,
    /// The name of every slot.
    pub(crate) names: Vec<Text>,
    infos: Vec<RuleInfo>,
}

impl Ruleset {
    /// The rules as a user sees them, in the project's order.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.infos
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// A rule as a user sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleInfo {
    pub name: Text,
    pub path: String,
    pub description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The condition, as SQL.
    pub when: String,
    pub action: Action,
    pub severity: Severity,
    pub mode: RuleMode,
    /// What a hit alone makes the score, 0 to 1.
    pub weight: f64,
    pub message: String,
    pub tags: Vec<String>,
    /// Fields and features that its condition and message read, sorted.
    pub reads: Vec<Text>,
    /// Lists that they ask, sorted.
    pub lists: Vec<Text>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Text,
    pub(crate) action: Action,
    pub(crate) severity: Severity,
    pub(crate) mode: RuleMode,
    pub(crate) weight: f64,
    pub(crate) when: Program,
    pub(crate) message: Template,
    /// Slots that either of both reads, sorted.
    pub(crate) reads: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Policy {
    /// In order of precedence.
    pub(crate) lists: Vec<PolicyList>,
    pub(crate) review_score: Option<f64>,
    pub(crate) block_score: Option<f64>,
    pub(crate) too_late: Action,
}

#[derive(Debug)]
pub(crate) struct PolicyList {
    /// Index of the list.
    pub(crate) list: usize,
    /// One a key column of the list.
    pub(crate) keys: Vec<Program>,
    pub(crate) action: Action,
    /// Slots that the keys read, sorted.
    pub(crate) reads: Vec<usize>,
}
