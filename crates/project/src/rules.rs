//! `rules/NAME.yml`: one rule a file, with the cases that show what it is for.

use crate::cases;
use crate::diagnostic::{Diagnostic, Place};
use crate::files::stem;
use crate::section::{Report, Section, check_name, text};
use crate::spec::{RuleCase, RuleSpec, Sql, StreamSpec};
use crate::yaml::Node;
use domain::{Action, RuleMode, Severity, Text};

const KEYS: [&str; 10] = ["description", "next", "when", "action", "severity", "mode", "weight", "message", "tags", "cases"];
const CASE_KEYS: [&str; 5] = ["name", "events", "expect", "message", "decision"];

pub(crate) const ACTIONS: [(&str, Action); 3] = [("allow", Action::Allow), ("review", Action::Review), ("block", Action::Block)];
pub(crate) const SEVERITIES: [(&str, Severity); 4] =
    [("low", Severity::Low), ("medium", Severity::Medium), ("high", Severity::High), ("critical", Severity::Critical)];
const MODES: [(&str, RuleMode); 2] = [("live", RuleMode::Live), ("shadow", RuleMode::Shadow)];

/// Reads one rule.
pub(crate) fn read(path: &str, node: &Node, streams: &[StreamSpec], report: &mut Report) -> Option<RuleSpec> {
    let name = stem(path);
    check_name(name, "a rule", &Place::file(path), report);
    let section = Section::open(node, "a rule", &KEYS, report)?;
    let severity = section.choice("severity", &SEVERITIES, report).unwrap_or(Severity::Medium);
    let description = section.required_text("description", report);
    let when = section.required("when", report).and_then(|node| sql(node, "when", report));
    let message = section.required("message", report).and_then(|node| sql(node, "message", report));
    let weight = section.parse("weight", report, unit_interval);
    let cases = section.list("cases").iter().filter_map(|node| case(node, streams, report)).collect();
    Some(RuleSpec {
        name: Text::new(name),
        path: path.into(),
        description: description.unwrap_or_default(),
        next: section.text("next", report),
        action: section.choice("action", &ACTIONS, report).unwrap_or(Action::Review),
        severity,
        mode: section.choice("mode", &MODES, report).unwrap_or_default(),
        weight: weight.unwrap_or_else(|| default_weight(severity)),
        tags: section.list("tags").iter().filter_map(|node| text(node, "tags", report).map(str::to_owned)).collect(),
        cases,
        when: when?,
        message: message?,
    })
}

/// What a hit alone makes the score, where the rule does not say.
fn default_weight(severity: Severity) -> f64 {
    match severity {
        Severity::Low => 0.2,
        Severity::Medium => 0.4,
        Severity::High => 0.7,
        Severity::Critical => 0.9,
    }
}

/// A number from 0 to 1.
pub(crate) fn unit_interval(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|w| (0.0..=1.0).contains(w)).ok_or_else(|| format!("must be a number from 0 to 1, got {text}"))
}

/// A piece of SQL (or of text with holes) with the place of its first character.
pub(crate) fn sql(node: &Node, key: &str, report: &mut Report) -> Option<Sql> {
    let text = text(node, key, report)?;
    // A block scalar may begin with empty lines; its place is that of the first one that holds anything.
    Some(Sql { text: text.trim_start_matches('\n').to_owned(), place: node.place.clone() })
}

fn case(node: &Node, streams: &[StreamSpec], report: &mut Report) -> Option<RuleCase> {
    let section = Section::open(node, "a case", &CASE_KEYS, report)?;
    let name = section.required_text("name", report);
    let events = cases::events(&section, streams, report);
    section.required("expect", report);
    let hit = section.choice("expect", &[("hit", true), ("miss", false)], report);
    let message = section.text("message", report);
    if let (Some(false), Some(node)) = (hit, section.node("message")) {
        report.add(Diagnostic::new(node.place.clone(), "a case that expects a miss has no message"));
    }
    let decision = section.choice("decision", &ACTIONS, report);
    Some(RuleCase { name: name?, place: node.place.clone(), events, hit: hit?, message, decision })
}
