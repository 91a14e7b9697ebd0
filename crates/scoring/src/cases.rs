//! The cases of a project: events in order, and what is expected of the last judged one.

use crate::ids::MemoryIds;
use crate::plan::Plan;
use crate::scorer::{Outcome, Outputs, Record, Scorer};
use domain::{Decimal, Decision, Result, Value};
use features::{Engine, MemoryCold};
use project::{CaseEvent, Diagnostic, FeatureCase, Place, Project, RuleCase, RuleSpec};
use std::sync::Arc;

/// How one case went.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseResult {
    /// The rule it belongs to; none for a case of features.
    pub rule: Option<String>,
    pub name: String,
    pub place: Place,
    /// What was not as expected; empty where the case passes.
    pub failures: Vec<String>,
}

impl CaseResult {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs every case of every rule and feature, in the order of the project.
///
/// # Errors
/// Only Bug: a case that cannot be judged is a failure of the case.
pub fn run(project: &Project, plan: &Arc<Plan>) -> Result<Vec<CaseResult>> {
    let mut results = Vec::new();
    for case in &project.feature_cases {
        let (name, place) = (case.name.clone(), case.place.clone());
        let failures = match play(plan, &case.events)? {
            Ok((_, features)) => check_features(plan, case, &features),
            Err(failure) => vec![failure],
        };
        results.push(CaseResult { rule: None, name, place, failures });
    }
    for rule in &project.rules {
        for case in &rule.cases {
            let failures = match play(plan, &case.events)? {
                Ok((decision, _)) => check_rule(rule, case, &decision),
                Err(failure) => vec![failure],
            };
            results.push(CaseResult { rule: Some(rule.name.to_string()), name: case.name.clone(), place: case.place.clone(), failures });
        }
    }
    Ok(results)
}

/// The cases that fail, as mistakes of the project: what its authors hold for wrong must not come to judge.
///
/// # Errors
/// As for [`run`].
pub fn failing(project: &Project, plan: &Arc<Plan>) -> Result<Vec<Diagnostic>> {
    let failing = run(project, plan)?.into_iter().filter(|result| !result.passed()).map(|result| {
        let subject = result.rule.map_or("features".to_owned(), |rule| format!("rule {rule}"));
        let message = format!("the case `{}` of {subject} fails: {}", result.name, result.failures.join("; "));
        Diagnostic::new(result.place, message).hint("correct what it tests, or the case; `sluice test` runs them all")
    });
    Ok(failing.collect())
}

/// Scores the events from nothing; gives the last decision with its features, or why there is none.
fn play(plan: &Arc<Plan>, events: &[CaseEvent]) -> Result<std::result::Result<(Decision, Vec<Value>), String>> {
    let engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX)?;
    let mut scorer = Scorer::new(plan.clone(), engine, Box::new(MemoryIds::default()), 0);
    let mut out = Outputs::default();
    let mut last = None;
    for (n, event) in events.iter().enumerate() {
        let Some(stream) = plan.streams.iter().position(|s| s.name == event.stream) else {
            return Ok(Err(format!("event {}: there is no stream `{}`", n + 1, event.stream)));
        };
        let json = serde_json::to_vec(&event.record).map_err(|e| domain::Error::bug("a case's event does not serialise").because(e))?;
        // The clock stands at the event, as it does for files.
        let mut row = Vec::new();
        let taken_at = match plan.decoders[stream].decode(&json, &mut row) {
            Ok(_) => match row[plan.streams[stream].event_time] {
                Value::Timestamp(t) => t,
                _ => 0,
            },
            Err(_) => 0,
        };
        let topic = plan.streams[stream].topic.clone();
        let record = Record { stream, topic: &topic, partition: 0, offset: n as i64, sequence: n as u64, taken_at, value: &json };
        scorer.score(&[record], &mut out)?;
        match out.outcomes.pop() {
            Some(Outcome::Decided(decision)) => last = Some((*decision, out.features.row(0).to_vec())),
            Some(Outcome::Rejected(wrong)) => {
                let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                return Ok(Err(format!("event {} ({}) is refused: {}", n + 1, event.stream, wrong.join("; "))));
            }
            _ => {}
        }
    }
    Ok(last.ok_or_else(|| "no event of the case is judged".to_owned()))
}

fn check_rule(rule: &RuleSpec, case: &RuleCase, decision: &Decision) -> Vec<String> {
    let mut failures = Vec::new();
    let hit = decision.hits.iter().find(|h| h.rule == rule.name);
    match (hit, case.hit) {
        (Some(hit), false) => failures.push(format!("hits, but should not: {}", hit.message)),
        (None, true) => failures.push("does not hit, but should".into()),
        _ => {}
    }
    if let (Some(hit), Some(expected)) = (hit, &case.message)
        && hit.message != *expected
    {
        failures.push(format!("says \"{}\", expected \"{expected}\"", hit.message));
    }
    if let Some(expected) = case.decision
        && decision.decision != expected
    {
        failures.push(format!("the decision is {}, expected {}", word(decision.decision), word(expected)));
    }
    failures
}

fn word(action: domain::Action) -> &'static str {
    match action {
        domain::Action::Allow => "allow",
        domain::Action::Review => "review",
        domain::Action::Block => "block",
    }
}

fn check_features(plan: &Plan, case: &FeatureCase, features: &[Value]) -> Vec<String> {
    let mut failures = Vec::new();
    for (name, expected) in &case.expect {
        let Some(at) = plan.features.feature(name) else {
            failures.push(format!("there is no feature `{name}`"));
            continue;
        };
        let value = &features[at];
        if !equal(value, expected) {
            failures.push(format!("{name} is {value}, expected {expected}"));
        }
    }
    failures
}

/// Numbers by value (floats to 1e-9 relative), all else exactly.
fn equal(value: &Value, expected: &serde_json::Value) -> bool {
    let expected: Value = match serde_json::from_str(&expected.to_string()) {
        Ok(expected) => expected,
        Err(_) => return false,
    };
    match (value, &expected) {
        (Value::Null, Value::Null) => true,
        // In seconds, as it is written.
        (Value::Interval(micros), number) => Value::Decimal(Decimal::new((*micros).into(), 6)) == *number,
        (Value::Timestamp(t), Value::Text(text)) => domain::time::parse(text) == Some(*t),
        (Value::Float(_), _) | (_, Value::Float(_)) => match (value.as_f64(), expected.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
            _ => false,
        },
        _ => *value == expected,
    }
}
