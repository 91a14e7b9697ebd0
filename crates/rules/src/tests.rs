//! Rules and policy over a small project made by hand, and lists by themselves.

use crate::*;
use domain::decimal::Decimal;
use domain::stream::{Field, FieldType, TimeUnit};
use domain::{Judged, Micros, RuleMode, Stream, StreamMode, Type, Value};
use expr::Lists as _;
use project::{ListEntry, ListPolicy, ListSpec, Place, PolicySpec, Project, RuleSpec, Sql};

fn stream() -> Stream {
    let field = |name: &str, kind| Field {
        name: name.into(),
        kind,
        required: false,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert: None,
    };
    Stream {
        name: "transactions".into(),
        topic: "transactions".into(),
        description: String::new(),
        mode: StreamMode::Append,
        fields: vec![
            field("id", FieldType::Text),
            field("amount", FieldType::Decimal(2)),
            field("merchant_id", FieldType::Text),
            field("country", FieldType::Text),
            field("event_time", FieldType::Timestamp(TimeUnit::Text)),
        ],
        key: 0,
        event_time: 4,
        lateness: 0,
        skew: 0,
        closed: false,
        partitions: 1,
        judged: None,
    }
}

fn sql(file: &str, line: usize, text: &str) -> Sql {
    Sql { text: text.into(), place: Place { file: file.into(), line, column: 7 } }
}

fn rule(name: &str, when: &str, action: Action, weight: f64) -> RuleSpec {
    let path = format!("rules/{name}.yml");
    RuleSpec {
        name: name.into(),
        description: String::new(),
        next: None,
        when: sql(&path, 2, when),
        action,
        severity: Severity::Medium,
        mode: RuleMode::Live,
        weight,
        message: sql(&path, 3, "{amount} by {merchant_id}"),
        tags: Vec::new(),
        cases: Vec::new(),
        path,
    }
}

fn entry(key: &[&str], why: &str, until: Option<Micros>) -> ListEntry {
    ListEntry { line: 1, key: key.iter().map(Text::new).collect(), who: "ann".into(), why: why.into(), until, at: None }
}

fn list(name: &str, columns: &[&str], entries: Vec<ListEntry>) -> ListSpec {
    ListSpec { name: name.into(), path: format!("lists/{name}.csv"), columns: columns.iter().map(Text::new).collect(), entries }
}

fn project(rules: Vec<RuleSpec>, lists: Vec<ListSpec>, policy: PolicySpec) -> Project {
    Project {
        root: Default::default(),
        settings: Default::default(),
        streams: Vec::new(),
        features: Vec::new(),
        feature_docs: Default::default(),
        feature_cases: Vec::new(),
        rules,
        lists,
        policy,
        files: Vec::new(),
        digest: "d".into(),
    }
}

const FEATURES: [(Text, Type); 1] = [(Text::new_static("count_10m"), Type::Int)];

fn compile(project: &Project) -> Result<Ruleset, Vec<project::Diagnostic>> {
    Ruleset::compile(project, Names { event: &stream(), features: &FEATURES })
}

fn row(amount: i128, merchant: &str, count: Option<i64>) -> Vec<Value> {
    vec![
        Value::text("t1"),
        Value::Decimal(Decimal::new(amount, 2)),
        Value::text(merchant),
        Value::Null,
        Value::Timestamp(100),
        count.map_or(Value::Null, Value::Int),
    ]
}

fn judge(project: &Project, row: &[Value], judged: Judged) -> Verdict {
    let ruleset = compile(project).unwrap_or_else(|e| panic!("{e:?}"));
    ruleset.judge(row, &ListState::new(&project.lists), 100, judged)
}

#[test]
fn the_strictest_rule_decides_and_weights_make_the_score() {
    let mut shadow = rule("c_shadow", "amount > 1", Action::Block, 0.9);
    shadow.mode = RuleMode::Shadow;
    let rules = vec![
        rule("b_many", "count_10m > 3", Action::Review, 0.4),
        rule("a_high", "amount > 100", Action::Review, 0.4),
        shadow,
        rule("d_higher", "amount > 1000", Action::Block, 0.7),
    ];
    let project = project(rules, Vec::new(), PolicySpec::default());
    let verdict = judge(&project, &row(15_000, "m1", Some(4)), Judged::Full);
    assert_eq!(verdict.decision, Action::Review, "a shadow rule does not decide");
    assert!((verdict.score - 0.64).abs() < 1e-12, "1 - .6 * .6, got {}", verdict.score);
    let hits: Vec<_> = verdict.hits.iter().map(|h| (h.rule.as_str(), h.mode)).collect();
    assert_eq!(hits, [("b_many", RuleMode::Live), ("a_high", RuleMode::Live), ("c_shadow", RuleMode::Shadow)]);
    assert_eq!(verdict.hits[0].message, "150.00 by m1");
    let reasons: Vec<_> = verdict.reasons.iter().map(|r| r.code.as_str()).collect();
    assert_eq!(reasons, ["a_high", "b_many"], "by weight, then name; no shadow");
    let values: Vec<_> = verdict.values.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(values, ["amount=150.00", "count_10m=4", "merchant_id=m1"]);

    let verdict = judge(&project, &row(150_000, "m1", Some(4)), Judged::Full);
    assert_eq!(verdict.decision, Action::Block);
    assert!((verdict.score - 0.892).abs() < 1e-12);
    assert_eq!(verdict.reasons[0].code, "d_higher", "the weightiest first");

    let verdict = judge(&project, &row(50, "m1", None), Judged::Full);
    assert_eq!(
        (verdict.decision, verdict.score, verdict.hits.len(), verdict.values.len()),
        (Action::Allow, 0.0, 0, 0),
        "null features hit nothing"
    );
}

#[test]
fn thresholds_raise_a_decision_and_never_lower_it() {
    let policy = PolicySpec { review_score: Some(0.5), block_score: Some(0.9), ..PolicySpec::default() };
    let decide = |weights: &[f64], action| {
        let rules = weights.iter().enumerate().map(|(i, w)| rule(&format!("r{i}"), "amount > 0", action, *w)).collect();
        judge(&project(rules, Vec::new(), policy.clone()), &row(100, "m", None), Judged::Full).decision
    };
    assert_eq!(decide(&[0.4], Action::Allow), Action::Allow);
    assert_eq!(decide(&[0.5], Action::Allow), Action::Review, "at the threshold");
    assert_eq!(decide(&[0.3, 0.3], Action::Allow), Action::Review, "weak signs add up");
    assert_eq!(decide(&[0.9], Action::Review), Action::Block);
    assert_eq!(decide(&[0.1], Action::Block), Action::Block, "a low score does not lower it");
    assert_eq!(decide(&[1.0, 1.0], Action::Allow), Action::Block);
}

#[test]
fn the_first_matching_list_settles_the_decision() {
    let lists = vec![
        list("bad_pairs", &["merchant_id", "country"], vec![entry(&["m1", "KP"], "seen before", None)]),
        list("trusted", &["merchant_id"], vec![entry(&["m1"], "our own shop", Some(200)), entry(&["m2"], "", Some(100))]),
    ];
    let place = Place::default();
    let on = |name: &str, keys: &[&str], action| ListPolicy {
        list: name.into(),
        keys: keys.iter().map(|k| sql("policy.yml", 1, k)).collect(),
        action,
        place: place.clone(),
    };
    let policy = PolicySpec {
        lists: vec![on("bad_pairs", &["merchant_id", "country"], Action::Block), on("trusted", &["lower(merchant_id)"], Action::Allow)],
        ..PolicySpec::default()
    };
    let project = project(vec![rule("high", "amount > 100", Action::Block, 0.7)], lists, policy);
    let mut slots = row(20_000, "M1", None);
    let verdict = judge(&project, &slots, Judged::Full);
    assert_eq!(verdict.decision, Action::Allow);
    assert_eq!(verdict.hits.len(), 1, "the rule is still recorded");
    assert!((verdict.score - 0.7).abs() < 1e-12);
    assert_eq!(verdict.reasons.len(), 1);
    assert_eq!(
        (verdict.reasons[0].code.as_str(), verdict.reasons[0].message.as_str()),
        ("trusted", "m1 is on the list trusted: our own shop")
    );

    slots[2] = Value::text("m1");
    slots[3] = Value::text("KP");
    let verdict = judge(&project, &slots, Judged::Full);
    assert_eq!((verdict.decision, verdict.reasons[0].code.as_str()), (Action::Block, "bad_pairs"), "the first list comes first");
    assert!(verdict.values.iter().any(|(n, _)| n == "country"));

    slots[2] = Value::text("m2");
    let verdict = judge(&project, &slots, Judged::Full);
    assert_eq!(verdict.decision, Action::Block, "an entry counts until its moment, not at it");
    assert_eq!(verdict.reasons[0].code, "high");
}

#[test]
fn too_late_is_a_reason_and_reviewed_unless_the_policy_says_otherwise() {
    let rules = vec![rule("high", "amount > 100", Action::Review, 0.4)];
    let late = |policy: PolicySpec, amount| judge(&project(rules.clone(), Vec::new(), policy), &row(amount, "m", None), Judged::TooLate);
    let verdict = late(PolicySpec::default(), 100);
    assert_eq!(verdict.decision, Action::Review);
    assert_eq!(verdict.reasons[0].code, "too_late");
    let verdict = late(PolicySpec { too_late: Some(Action::Allow), ..PolicySpec::default() }, 100);
    assert_eq!(verdict.decision, Action::Allow);
    let verdict = late(PolicySpec { too_late: Some(Action::Block), ..PolicySpec::default() }, 20_000);
    assert_eq!(verdict.decision, Action::Block);
    let reasons: Vec<_> = verdict.reasons.iter().map(|r| r.code.as_str()).collect();
    assert_eq!(reasons, ["high", "too_late"]);
}

#[test]
fn lists_find_by_column_text_and_number_until_they_expire() {
    let state = ListState::new(&[list("l", &["a", "b"], vec![entry(&["x", "49.50"], "", Some(10)), entry(&["x", "7"], "", None)])]);
    let has = |state: &ListState, column, value: Value, at| state.contains(0, column, &value, at);
    assert!(has(&state, 0, Value::text("x"), 10));
    assert!(has(&state, 1, Value::text("49.50"), 9));
    assert!(!has(&state, 1, Value::text("49.5"), 9), "a text is what it is");
    assert!(has(&state, 1, Value::Decimal(Decimal::new(495, 1)), 9), "a number is its value");
    assert!(has(&state, 1, Value::Float(49.5), 9));
    assert!(!has(&state, 1, Value::Decimal(Decimal::new(495, 1)), 10), "expired");
    assert!(has(&state, 1, Value::Int(7), i64::MAX));
    assert!(has(&state, 1, Value::Decimal(Decimal::new(700, 2)), 0));
    assert!(!has(&state, 1, Value::Int(8), 0));

    let key = [Value::text("x"), Value::Int(7)];
    assert_eq!(state.find(0, &key, 0).map(|l| l.entry.key[1].as_str()), Some("7"));
    assert!(state.find(0, &[Value::text("x"), Value::Null], 0).is_none(), "null is on no list");
    assert_eq!(state.list("l"), Some(0));
}

#[test]
fn every_mistake_is_reported_at_its_place_in_the_file() {
    let mut first = rule("first", "amout > 3\n  and merchant_id in (select merchant_id from trustd)", Action::Review, 0.4);
    first.message.text = "{amount} by {merchant}".into();
    let rules = vec![first, rule("second", "amount", Action::Review, 0.4), rule("third", "1 = 1", Action::Review, 0.4)];
    let policy = PolicySpec {
        lists: vec![ListPolicy {
            list: "trusted".into(),
            keys: vec![sql("policy.yml", 4, "merchant_idd")],
            action: Action::Allow,
            place: Place::default(),
        }],
        ..PolicySpec::default()
    };
    let mut project = project(rules, vec![list("trusted", &["merchant_id"], Vec::new())], policy);
    project.files = vec![("policy.yml".into(), b"\n\n\nkey:  merchant_idd\n".to_vec())];
    let mistakes = compile(&project).expect_err("mistakes");
    let shown: Vec<String> =
        mistakes.iter().map(|m| format!("{}: {} ({})", m.place, m.message, m.hint.as_deref().unwrap_or("-"))).collect();
    assert_eq!(
        shown,
        [
            "rules/first.yml:2:7: unknown name `amout` (did you mean `amount`?)",
            "rules/first.yml:3:53: unknown list `trustd` (did you mean `trusted`?)",
            "rules/first.yml:3:20: unknown name `merchant` (did you mean `merchant_id`?)",
            "rules/second.yml:2:7: the condition must be a boolean, got decimal(2) (compare it, such as `> 0`)",
            "rules/third.yml:2:7: the condition is always true (compare a field or a feature)",
            "policy.yml:4:7: unknown name `merchant_idd` (did you mean `merchant_id`?)",
        ]
    );
    assert_eq!(mistakes[0].excerpt.as_deref(), Some("amout > 3\n^^^^^"));
    assert_eq!(mistakes[5].excerpt.as_deref(), Some("key:  merchant_idd\n      ^"));
}

#[test]
fn rules_describe_what_they_read() {
    let rules = vec![rule(
        "r",
        "features.count_10m > 3 and event.id <> 'x' and merchant_id in (select merchant_id from trusted)",
        Action::Review,
        0.4,
    )];
    let ruleset = compile(&project(rules, vec![list("trusted", &["merchant_id"], Vec::new())], PolicySpec::default())).expect("compiles");
    let info = &ruleset.rules()[0];
    assert_eq!(info.reads, ["amount", "count_10m", "id", "merchant_id"]);
    assert_eq!(info.lists, ["trusted"]);
}
