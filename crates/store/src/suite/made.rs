//! Decisions to fill a store with.

use super::START;
use crate::{Applied, Batch, DecisionRecord, Store};
use domain::{Action, Decimal, Decision, Judged, RuleHit, RuleMode, Severity, Text, Value};

/// A decision number `n`: every 10th is blocked by two live rules and one shadow rule, every 5th else is reviewed by one.
pub fn decision(n: u64) -> Decision {
    let hit = |rule: &str, action, severity, mode| RuleHit {
        rule: Text::new(rule),
        action,
        severity,
        mode,
        message: format!("6 payments in 10 minutes, usual is 1 (\"{n}\")"),
    };
    let (action, hits) = match n % 10 {
        0 => (
            Action::Block,
            vec![
                hit("velocity", Action::Block, Severity::Critical, RuleMode::Live),
                hit("watched", Action::Block, Severity::High, RuleMode::Shadow),
                hit("high_amount", Action::Review, Severity::High, RuleMode::Live),
            ],
        ),
        5 => (Action::Review, vec![hit("high_amount", Action::Review, Severity::Medium, RuleMode::Live)]),
        _ => (Action::Allow, vec![]),
    };
    Decision {
        sequence: n,
        transaction_id: format!("tx-{n:08}").into(),
        account_id: Some(format!("acc-{}", n % 3).into()),
        transaction_type: Some("purchase".into()),
        amount: Some(Decimal::new(i128::from(n) * 100 + 1, 2)),
        event_time: START + n as i64 * 1_000_000,
        taken_at: START + n as i64 * 1_000_000 + 1500,
        decision: action,
        score: (n % 10) as f64 / 10.0,
        judged: Judged::Full,
        hits,
        reasons: vec![],
        values: vec![("amount".into(), Value::Decimal(Decimal::new(i128::from(n) * 100 + 1, 2)))],
        topic: "transactions".into(),
        partition: 0,
        offset: n as i64,
        project: "4f2a".into(),
        model: None,
    }
}

/// Decisions with their documents, to make batches of.
pub struct Decisions {
    rows: Vec<(i64, Decision, String)>,
}

impl Decisions {
    pub fn new(decisions: impl IntoIterator<Item = (i64, Decision)>) -> Self {
        let document = |d: &Decision| String::from_utf8(d.to_json()).expect("JSON is UTF-8");
        Self { rows: decisions.into_iter().map(|(offset, d)| (offset, d.clone(), document(&d))).collect() }
    }

    /// Numbers `range`, each at the offset of its number.
    pub fn range(range: std::ops::Range<u64>) -> Self {
        Self::new(range.map(|n| (n as i64, decision(n))))
    }

    pub fn records(&self) -> Vec<DecisionRecord<'_>> {
        self.rows.iter().map(|(offset, decision, json)| DecisionRecord { offset: *offset, decision, json }).collect()
    }

    /// Applies them as one batch of a partition.
    pub fn apply(&self, store: &impl Store, partition: i32) -> Applied {
        let next_offset = self.rows.last().map_or(0, |(offset, ..)| offset + 1);
        store
            .apply(&[Batch { topic: super::TOPIC, partition, from: 0, next_offset, decisions: &self.records(), dead_letters: &[] }])
            .expect("the batch is applied")
    }
}
