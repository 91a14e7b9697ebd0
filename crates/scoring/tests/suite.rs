//! Scoring over a small project (`shop/`) and over the shipped ones: what becomes of each record, that it depends on the records and their
//! order alone, and that every case of every project passes.

use domain::{Action, Judged, Micros, Result, time};
use features::{Engine, MemoryCold};
use project::Project;
use proptest::prelude::*;
use scoring::{Hash, Ids, Known, MemoryIds, Outcome, Outputs, Plan, Record, Scorer, cases};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn load(folder: &str) -> (Project, Arc<Plan>) {
    let project = Project::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap_or_else(|e| panic!("{folder}: {e:#?}"));
    let plan = Plan::compile(&project).unwrap_or_else(|e| panic!("{folder}: {e:#?}"));
    (project, Arc::new(plan))
}

fn scorer_with(plan: &Arc<Plan>, ids: Box<dyn Ids>) -> Scorer {
    let engine = Engine::new(plan.features.clone(), Box::new(MemoryCold::default()), usize::MAX).expect("an engine");
    Scorer::new(plan.clone(), engine, ids, 0)
}

fn scorer(plan: &Arc<Plan>) -> Scorer {
    scorer_with(plan, Box::new(MemoryIds::default()))
}

const START: Micros = 1_767_225_600_000_000; // 2026-01-01

/// A record with the clock at its own time, or at `taken`.
#[derive(Clone, Debug)]
struct Sent {
    stream: &'static str,
    json: String,
    taken: Micros,
}

fn payment(id: &str, account: &str, amount: &str, minutes: i64) -> Sent {
    let at = START + minutes * time::MINUTE;
    let json = format!(r#"{{"id":"{id}","account":"{account}","shop":"s1","amount":{amount},"at":"{}"}}"#, time::format(at));
    Sent { stream: "payments", json, taken: at }
}

fn other(stream: &'static str, account: &str, more: &str, minutes: i64) -> Sent {
    let at = START + minutes * time::MINUTE;
    Sent { stream, json: format!(r#"{{"account":"{account}"{more},"at":"{}"}}"#, time::format(at)), taken: at }
}

/// Scores what was sent in batches of these sizes, over and over.
fn score(scorer: &mut Scorer, sent: &[Sent], sizes: &[usize]) -> (Vec<Outcome>, Vec<String>) {
    let plan = scorer.plan().clone();
    let records: Vec<Record<'_>> = sent
        .iter()
        .enumerate()
        .map(|(i, s)| Record {
            stream: plan.stream_of(s.stream).expect("a stream"),
            topic: s.stream,
            partition: 0,
            offset: i as i64,
            sequence: i as u64 + 1,
            taken_at: s.taken,
            value: s.json.as_bytes(),
        })
        .collect();
    let (mut outcomes, mut features) = (Vec::new(), Vec::new());
    let mut out = Outputs::default();
    let mut rest = &records[..];
    for size in sizes.iter().cycle() {
        let (batch, after) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        if batch.is_empty() {
            break;
        }
        scorer.score(batch, &mut out).expect("scores");
        assert_eq!(out.outcomes.len(), batch.len(), "one outcome a record");
        assert_eq!(out.features.len(), out.sequences.len(), "features of each decided record");
        for (row, sequence) in out.sequences.iter().enumerate() {
            features.push(format!("{sequence}: {:?}", out.features.row(row)));
        }
        let counts = out.counts;
        assert_eq!(counts.decided + counts.absorbed + counts.repeated + counts.rejected, batch.len() as u64);
        outcomes.append(&mut out.outcomes);
        rest = after;
    }
    (outcomes, features)
}

/// An outcome in one line.
fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Decided(d) => {
            let reasons: Vec<&str> = d.reasons.iter().map(|r| r.code.as_str()).collect();
            format!("{:?} {}", d.decision, reasons.join(",")).trim_end().to_owned()
        }
        Outcome::Absorbed => "absorbed".into(),
        Outcome::Repeated(known) => format!("as {}", known.ordinal),
        Outcome::Rejected(wrong) => {
            let wrong: Vec<String> = wrong.iter().map(|w| format!("{} {}", w.code, w.field.as_deref().unwrap_or("-"))).collect();
            format!("rejected {}", wrong.join(","))
        }
    }
}

/// Sends the records and compares what became of each.
fn check(table: Vec<(Sent, &str)>) -> Vec<Outcome> {
    let (_, plan) = load("tests/shop");
    let (sent, expected): (Vec<Sent>, Vec<&str>) = table.into_iter().unzip();
    let (outcomes, _) = score(&mut scorer(&plan), &sent, &[usize::MAX]);
    assert_eq!(outcomes.iter().map(shown).collect::<Vec<_>>(), expected);
    outcomes
}

#[test]
fn every_case_of_every_project_passes() {
    let mut ran = BTreeMap::new();
    for folder in ["tests/shop", "../../projects/ecommerce", "../../examples/online-retail"] {
        let (project, plan) = load(folder);
        let results = cases::run(&project, &plan).expect("runs");
        let failed: Vec<_> = results.iter().filter(|r| !r.passed()).collect();
        assert!(failed.is_empty(), "{folder}: {failed:#?}");
        ran.insert(folder, results.len());
    }
    assert_eq!(ran["tests/shop"], 7, "a case is not passed by not being run");
    assert!(ran.values().all(|n| *n >= 7), "{ran:?}");
}

#[test]
fn a_case_that_fails_says_what_came_out() {
    let (mut project, plan) = load("tests/shop");
    for rule in &mut project.rules {
        for case in &mut rule.cases {
            case.hit = !case.hit;
            case.decision = Some(Action::Block);
        }
    }
    project.feature_cases[0].expect =
        BTreeMap::from([("count_1h".into(), 3.into()), ("amount_to_average".into(), serde_json::json!(1.5000001))]);
    let results = cases::run(&project, &plan).expect("runs");
    let shown: Vec<String> = results.iter().map(|r| format!("{}: {}", r.rule.as_deref().unwrap_or("-"), r.failures.join("; "))).collect();
    assert_eq!(
        shown,
        [
            "-: amount_to_average is 1.5, expected 1.5000001; count_1h is 2, expected 3",
            "many: hits, but should not: 3 payments in an hour of a1; the decision is review, expected block",
            "many: does not hit, but should; the decision is allow, expected block",
            "no_clicks: hits, but should not: 101.00 without a click",
            "no_clicks: does not hit, but should; the decision is allow, expected block",
            "watched: hits, but should not: s9 is watched; the decision is allow, expected block",
            "watched: does not hit, but should; the decision is allow, expected block",
        ]
    );
}

#[test]
fn repeats_get_the_first_decision_and_count_nothing() {
    let outcomes = check(vec![
        (payment("p1", "a1", "10", 0), "Allow"),
        (payment("p2", "a1", "10", 1), "Allow"),
        (payment("p1", "a1", "10.00", 0), "as 0"),
        (payment("p2", "a1", "10", 1), "as 1"),
        (payment("p2", "a1", "11", 1), "rejected id_conflict id"),
        (payment("p2", "a2", "10", 1), "rejected id_conflict id"),
        (payment("p3", "a1", "10", 2), "Review many"),
    ]);
    let Outcome::Decided(decision) = &outcomes[6] else { panic!("decided") };
    assert_eq!(decision.hits[0].message, "3 payments in an hour of a1");
    assert_eq!(decision.values.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>(), ["account=a1", "count_1h=3"]);
    assert_eq!((decision.sequence, decision.offset, decision.transaction_id.as_str()), (7, 6, "p3"));
}

#[test]
fn records_that_cannot_be_taken_are_refused_with_the_field() {
    let raw = |json: &str| Sent { stream: "payments", json: json.into(), taken: START };
    let mut ahead = payment("p1", "a1", "10", 11);
    ahead.taken = START;
    let mut just = payment("p2", "a1", "10", 10);
    just.taken = START;
    check(vec![
        (ahead, "rejected ahead_of_clock at"),
        (just, "Allow"),
        (raw("no json"), "rejected not_json -"),
        (raw(r#"{"id":"p","amount":-1,"at":"soon"}"#), "rejected out_of_bounds amount,wrong_type at"),
        (raw(r#"{"id":"","amount":1,"at":"2026-01-01T00:00:00Z"}"#), "rejected missing id"),
        (other("clicks", "a1", "", 0), "absorbed"),
        (other("profiles", "a1", r#","level":"x""#, 0), "rejected wrong_type level"),
    ]);
}

#[test]
fn late_events_count_until_their_stream_forgets_them() {
    let outcomes = check(vec![
        (payment("p1", "a1", "10", 100), "Allow"),
        (payment("p2", "a1", "10", 40), "Allow"),
        (payment("p3", "a1", "10", 39), "Review too_late"),
        (payment("p3", "a1", "10", 39), "as 2"),
        (payment("p4", "a1", "10", 100), "Review many"),
        (other("clicks", "a1", "", 100), "absorbed"),
        (other("clicks", "a1", "", 40), "absorbed"),
        (other("clicks", "a1", "", 39), "rejected too_late at"),
        (other("profiles", "a1", r#","level":1"#, 0), "absorbed"),
    ]);
    let judged: Vec<Judged> = outcomes.iter().filter_map(|o| if let Outcome::Decided(d) = o { Some(d.judged) } else { None }).collect();
    assert_eq!(judged, [Judged::Full, Judged::Full, Judged::TooLate, Judged::Full]);
}

#[test]
fn lists_and_shadow_rules_do_what_the_policy_says() {
    let outcomes = check(vec![
        (payment("p1", "a9", "500", 0), "Allow friends"),
        (payment("p2", "a1", "500", 0), "Block no_clicks"),
        (other("clicks", "a1", "", 1), "absorbed"),
        (payment("p3", "a1", "500", 1), "Allow"),
        (payment("p4", "a1", "500", 32), "Block no_clicks,many"),
    ]);
    let Outcome::Decided(friend) = &outcomes[0] else { panic!("decided") };
    assert_eq!(friend.hits.len(), 1, "rules are recorded all the same");
    assert_eq!(friend.alerts().count(), 0, "an allowed payment is nothing to look at");
    let Outcome::Decided(stranger) = &outcomes[1] else { panic!("decided") };
    assert_eq!(stranger.alerts().count(), 1);
}

#[test]
fn another_version_takes_over_in_the_middle() {
    let (mut project, plan) = load("tests/shop");
    let rule = project.rules.iter_mut().find(|r| r.name == "many").expect("the rule");
    rule.when.text = "count_1h >= 2".into();
    project.digest = "second".into();
    let second = Arc::new(Plan::compile(&project).expect("compiles"));
    assert!(plan.same_features(&second));
    let mut scorer = scorer(&plan);
    let sent = [payment("p1", "a1", "10", 0), payment("p2", "a1", "10", 1)];
    assert_eq!(shown(&score(&mut scorer, &sent, &[9]).0[1]), "Allow");
    scorer.activate(second.clone()).expect("the same features");
    let (outcomes, _) = score(&mut scorer, &[payment("p3", "a1", "10", 2)], &[1]);
    assert_eq!(shown(&outcomes[0]), "Review many", "the windows went on");
    let Outcome::Decided(decision) = &outcomes[0] else { panic!("decided") };
    assert_eq!(decision.project, "second");

    project.features.iter_mut().for_each(|f| f.sql = f.sql.replace("'1 hour'", "'2 hours'"));
    let third = Arc::new(Plan::compile(&project).expect("compiles"));
    assert!(!second.same_features(&third));
    let error = scorer.activate(third.clone()).expect_err("needs an engine");
    assert_eq!(error.kind, domain::error::Kind::Stop);
    assert!(Arc::ptr_eq(scorer.plan(), &second), "a refused version changes nothing");

    let engine = Engine::new(third.features.clone(), Box::new(MemoryCold::default()), usize::MAX).expect("an engine");
    scorer.activate_with(third, engine);
    assert_eq!(shown(&score(&mut scorer, &[payment("p4", "a1", "10", 3)], &[1]).0[0]), "Allow", "an engine that has seen nothing");
    assert_eq!(shown(&score(&mut scorer, &[payment("p1", "a1", "10", 0)], &[1]).0[0]), "as 0", "what was judged is still known");
}

#[test]
fn every_mistake_of_features_rules_and_retention_is_reported() {
    let read = |path: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop").join(path)).expect("a file");
    let files =
        ["sluice.yml", "events/payments.yml", "events/clicks.yml", "events/profiles.yml", "features/velocity.sql", "features/clicks.sql"];
    let mut files: Vec<(String, Vec<u8>)> = files.iter().map(|f| (f.to_string(), read(f))).collect();
    let mut replace = |path: &str, from: &str, to: &str| {
        let file = files.iter_mut().find(|(p, _)| p == path).expect("the file");
        file.1 = String::from_utf8(file.1.clone()).expect("text").replace(from, to).into_bytes();
    };
    replace("events/clicks.yml", "partitions: 1", "partitions: 1\nretention: 1 hour");
    files.push(("rules/wrong.yml".into(), b"description: x\nwhen: count_2h > 3\nmessage: \"{amout}\"\naction: review\n".to_vec()));
    files.push(("features/schema.yml".into(), b"features:\n  - {name: count_3h, description: x}\n".to_vec()));
    let project = Project::from_files(files).unwrap_or_else(|e| panic!("{e:#?}"));
    let mistakes = Plan::compile(&project).expect_err("mistakes");
    let shown: Vec<String> = mistakes.iter().map(|m| format!("{}: {}", m.place, m.message)).collect();
    assert!(
        shown.iter().any(|m| m.starts_with("events/clicks.yml:") && m.contains("keeps 1 hour, but features look back 90 minutes")),
        "{shown:#?}"
    );
    assert!(shown.iter().any(|m| m.starts_with("features/schema.yml:2:") && m.contains("count_3h")), "{shown:#?}");
    assert!(shown.contains(&"rules/wrong.yml:2:7: unknown name `count_2h`".to_owned()), "{shown:#?}");
    assert!(shown.iter().any(|m| m.starts_with("rules/wrong.yml:3:") && m.ends_with("unknown name `amout`")), "{shown:#?}");
    assert!(mistakes.iter().all(|m| m.excerpt.is_some()), "{mistakes:#?}");
}

#[test]
fn rules_are_read_beside_broken_features() {
    let read = |path: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop").join(path)).expect("a file");
    let files = ["sluice.yml", "events/payments.yml", "events/clicks.yml", "events/profiles.yml", "features/velocity.sql"];
    let mut files: Vec<(String, Vec<u8>)> = files.iter().map(|f| (f.to_string(), read(f))).collect();
    let broken = "select account, sum(amounts) over w as total_1d from payments\n\
                  window w as (partition by account order by at range interval '1 day' preceding)\n";
    files.push(("features/broken.sql".into(), broken.into()));
    files.push(("rules/wrong.yml".into(), b"description: x\nwhen: amuont > 3\nmessage: m\naction: review\n".to_vec()));
    files.push(("rules/right.yml".into(), b"description: x\nwhen: total_1d > 3\nmessage: m\naction: review\n".to_vec()));
    let project = Project::from_files(files).unwrap_or_else(|e| panic!("{e:#?}"));
    let mistakes = Plan::compile(&project).expect_err("mistakes");
    let shown: Vec<String> = mistakes.iter().map(|m| format!("{}: {}", m.place, m.message)).collect();
    assert_eq!(
        shown,
        ["features/broken.sql:1:21: unknown name `amounts`", "rules/wrong.yml:2:7: unknown name `amuont`"],
        "the rule that reads a feature of the broken file is let pass"
    );
}

/// A memory that lets go of everything as soon as it may.
#[derive(Default)]
struct Hasty(BTreeMap<Hash, Known>);

impl Ids for Hasty {
    fn find(&mut self, id: &Hash) -> Result<Option<Known>> {
        Ok(self.0.get(id).copied())
    }
    fn remember(&mut self, id: Hash, known: Known) {
        self.0.insert(id, known);
    }
    fn forget_before(&mut self, at: Micros) {
        self.0.retain(|_, known| known.at >= at);
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let account = prop::sample::select(vec!["a1", "a2", "a9"]);
    let minutes = prop_oneof![0i64..120, 0i64..600];
    prop_oneof![
        6 => (0u32..60, account.clone(), prop::sample::select(vec!["10", "20.5", "300"]), minutes.clone())
            .prop_map(|(id, account, amount, minutes)| payment(&format!("p{id}"), account, amount, minutes)),
        2 => (account.clone(), minutes.clone()).prop_map(|(account, minutes)| other("clicks", account, "", minutes)),
        1 => (account, 0i64..9, minutes).prop_map(|(account, level, minutes)| other("profiles", account, &format!(r#","level":{level}"#), minutes)),
        1 => Just(Sent { stream: "payments", json: "{}".into(), taken: START }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_same_records_give_the_same_bytes_however_they_are_cut(
        sent in prop::collection::vec(sent(), 1..200),
        sizes in prop::collection::vec(1usize..40, 1..6),
    ) {
        let (_, plan) = load("tests/shop");
        let bytes = |(outcomes, features): (Vec<Outcome>, Vec<String>)| {
            let outcomes: Vec<String> = outcomes.iter().map(|o| match o {
                Outcome::Decided(d) => String::from_utf8(d.to_json()).expect("JSON"),
                other => shown(other),
            }).collect();
            (outcomes, features)
        };
        let one_by_one = bytes(score(&mut scorer(&plan), &sent, &[1]));
        prop_assert_eq!(&one_by_one, &bytes(score(&mut scorer(&plan), &sent, &[usize::MAX])));
        prop_assert_eq!(&one_by_one, &bytes(score(&mut scorer_with(&plan, Box::<Hasty>::default()), &sent, &sizes)));
    }
}
