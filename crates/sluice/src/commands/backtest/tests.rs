//! Figures over a handful of decisions whose sums can be done by hand.

use super::labels::{Labels, Truth};
use super::markdown;
use super::tally::{Amount, Tallies};
use domain::{Action, Decimal, Decision, Judged, RuleHit, RuleMode, Severity, Text, Value, time};
use rules::RuleInfo;

fn rule(name: &str, mode: RuleMode) -> RuleInfo {
    RuleInfo {
        name: Text::new(name),
        path: format!("rules/{name}.yml"),
        description: "why".into(),
        next: None,
        when: "true".into(),
        action: Action::Review,
        severity: Severity::Medium,
        mode,
        weight: 0.4,
        message: "hit".into(),
        tags: Vec::new(),
        reads: Vec::new(),
        lists: Vec::new(),
    }
}

fn decision(id: &str, day: i64, decision: Action, hits: &[&str]) -> Decision {
    let hit = |rule: &&str| RuleHit {
        rule: Text::new(rule),
        action: Action::Review,
        severity: Severity::Medium,
        mode: RuleMode::Live,
        message: "hit".into(),
    };
    Decision {
        sequence: 0,
        transaction_id: Text::new(id),
        account_id: None,
        transaction_type: None,
        amount: None,
        event_time: day * time::DAY,
        taken_at: day * time::DAY,
        decision,
        score: 0.0,
        judged: Judged::Full,
        hits: hits.iter().map(hit).collect(),
        reasons: Vec::new(),
        values: Vec::new(),
        topic: Text::new("t"),
        partition: 0,
        offset: 0,
        project: Text::new("digest"),
        model: None,
    }
}

fn counted() -> Tallies {
    let fraud = |id: &str, scenario: &str| (id.to_owned(), Some(scenario.to_owned()));
    let labels = Labels::new(vec![fraud("a", "spree"), fraud("b", "spree"), fraud("c", "friendly"), ("d".into(), None)]);
    let mut tallies = Tallies::new(&[rule("one", RuleMode::Live), rule("two", RuleMode::Live), rule("watched", RuleMode::Shadow)], &labels);
    let amount = Amount { name: "amount".into(), slot: Some(0), scale: 2 };
    for (decision, cents) in [
        (decision("a", 0, Action::Block, &["one", "two"]), 10_000),
        (decision("b", 1, Action::Review, &["one", "watched"]), 30_050),
        (decision("c", 2, Action::Allow, &[]), 9_950),
        (decision("d", 3, Action::Review, &["two"]), 2_000),
        (decision("e", 4, Action::Allow, &["watched"]), 525),
    ] {
        tallies.add(&decision, labels.of(&decision.transaction_id), amount.of(&[Value::Decimal(Decimal::new(cents, 2))]));
    }
    tallies
}

#[test]
fn shares_rates_and_amounts_are_those_done_by_hand() {
    let amount = Amount { name: "amount".into(), slot: Some(0), scale: 2 };
    let report = counted().report(&Text::new("digest"), &amount, 0);
    let o = &report.overall;
    assert_eq!((report.transactions, report.labelled, report.days, o.fraud), (5, 4, 4.0, 3));
    assert_eq!((o.recall, o.precision, o.false_positives_a_day), (Some(0.6667), Some(0.6667), Some(0.25)));
    assert_eq!((o.recall_amount, o.reviewed_share, o.blocked_share), (Some(0.801), Some(0.4), Some(0.2)));
    let sums = [&o.fraud_amount, &o.amount_caught, &o.amount_missed, &o.amount_wrongly_stopped].map(ToString::to_string);
    assert_eq!(sums, ["500.00", "400.50", "99.50", "20.00"]);

    let rules: Vec<_> = report.rules.iter().map(|r| (r.rule.as_str(), r.hits, r.precision, r.recall, r.fraud_alone)).collect();
    assert_eq!(
        rules,
        [("one", 2, Some(1.0), Some(0.6667), 1), ("two", 2, Some(0.5), Some(0.3333), 0), ("watched", 2, Some(0.5), Some(0.3333), 0)]
    );
    assert_eq!(report.rules[0].recall_by_scenario["spree"], Some(1.0));
    assert_eq!(report.rules[1].amount_wrongly_stopped.to_string(), "20.00");

    let scenarios: Vec<_> = report.scenarios.iter().map(|s| (s.scenario.as_str(), s.caught, s.blocked, s.unseen)).collect();
    assert_eq!(scenarios, [("friendly", Some(0.0), Some(0.0), Some(1.0)), ("spree", Some(1.0), Some(0.5), Some(0.0))]);
    assert_eq!(report.scenarios[1].rules[0], (Text::new("one"), 1.0));
}

#[test]
fn markdown_has_a_row_for_each_rule_and_scenario() {
    let amount = Amount { name: "amount".into(), slot: Some(0), scale: 2 };
    let text = markdown::render(&counted().report(&Text::new("digest"), &amount, 2));
    for line in [
        "5 transactions in 4 days, 3 of them fraud (60.0 %), worth 500. Amounts are of `amount`.",
        "2 records could not be taken.",
        "| review | 2 | 40.0 % | 0.5 | 1 | 301 | 1 | 20 | 50.0 % |",
        "| one | review | 2 | 100.0 % | 66.7 % | 80.1 % | 0.0 | 401 | 0 | 1 |",
        "| watched | review, in shadow | 2 | 50.0 % | 33.3 % | 60.1 % | 0.2 | 301 | 5 | 0 |",
        "| two |  | 50.0 % |",
        "| friendly | 1 | 100 | 0.0 % | 0.0 % | 0.0 % | 100.0 % | 100 |  |",
        "Not caught yet, or only in small part (less than half of the amount): friendly (0.0 %).",
    ] {
        assert!(text.lines().any(|l| l == line), "no line `{line}` in\n{text}");
    }
}

#[test]
fn labels_are_read_and_mistakes_name_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.jsonl");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Labels::read(&path, "transaction_id")
    };
    let labels = read(
        "{\"transaction_id\":\"a\",\"label\":\"fraud\"}\n\n{\"transaction_id\":\"b\",\"label\":\"fraud\",\"scenario\":\"spree\"}\n\
         {\"transaction_id\":\"b\",\"label\":\"genuine\"}\n{\"transaction_id\":7,\"label\":\"genuine\",\"known_at\":\"2026-01-01\"}\n",
    )
    .unwrap();
    assert_eq!(labels.scenarios(), ["(not told)", "spree"]);
    assert_eq!(
        [labels.of("a"), labels.of("b"), labels.of("7"), labels.of("c")],
        [Some(Truth::Fraud(0)), Some(Truth::Genuine), Some(Truth::Genuine), None]
    );
    for (text, why) in [
        ("nonsense", "labels.jsonl:1: not JSON"),
        ("\n{\"transaction_id\":\"a\"}", "labels.jsonl:2: has no `label`"),
        ("{\"label\":\"fraud\"}", "labels.jsonl:1: has no `transaction_id`"),
        ("{\"transaction_id\":\"a\",\"label\":\"maybe\"}", "`label` is `maybe`"),
    ] {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(why), "`{said}` does not say `{why}`");
    }
}
