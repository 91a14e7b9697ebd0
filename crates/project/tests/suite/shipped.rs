//! The projects that ship with the product load without a mistake and say what they should.

use domain::Text;
use project::{Diagnostic, Project, Sql};
use std::path::Path;

fn shipped(folder: &str) -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    Project::load(&root).unwrap_or_else(|mistakes| panic!("{}", show(&mistakes)))
}

fn show(mistakes: &[Diagnostic]) -> String {
    mistakes.iter().map(|m| format!("{m}\n")).collect()
}

/// Every line of a piece of SQL stands in its file where it says, so that a mistake inside it can be shown there.
fn stands_at_its_place(project: &Project, sql: &Sql) {
    let (_, bytes) = project.files.iter().find(|(path, _)| *path == sql.place.file).unwrap();
    let text = std::str::from_utf8(bytes).unwrap();
    let mut offset = 0;
    for line in sql.text.split_inclusive('\n') {
        let place = sql.place_at(offset);
        let rest: String = text.lines().nth(place.line - 1).unwrap().chars().skip(place.column - 1).collect();
        assert!(rest.starts_with(line.trim_end()), "{place}: `{rest}` does not start with `{line}`");
        offset += line.len();
    }
}

#[test]
fn ecommerce_loads() {
    let project = shipped("projects/ecommerce");
    let streams: Vec<&str> = project.streams.iter().map(|s| s.stream.name.as_str()).collect();
    let expected = [
        "account_balances",
        "clickstream",
        "customers",
        "labels",
        "merchant_info",
        "order_items",
        "orders",
        "payments",
        "products",
        "reviews",
        "transactions",
        "user_profiles",
    ];
    assert_eq!(streams, expected);
    assert_eq!(project.judged().unwrap().stream.topic, "fraud-detection-transactions");
    assert!(project.feature_docs.len() >= 100 && project.feature_cases.len() >= 35);
    assert!(project.rules.len() >= 25);
    for rule in &project.rules {
        stands_at_its_place(&project, &rule.when);
        stands_at_its_place(&project, &rule.message);
        assert!(rule.cases.iter().any(|c| c.hit) && rule.cases.iter().any(|c| !c.hit), "{} lacks a hit or a miss", rule.name);
    }
    let velocity = project.features.iter().find(|f| f.path == "features/account_velocity.sql").unwrap();
    assert_eq!(velocity.lines.len(), velocity.sql.lines().count());
    for (rendered, source_line) in velocity.sql.lines().zip(&velocity.lines) {
        // A line is either written so in the source, or made by a tag in it.
        let source = velocity.source.lines().nth(source_line - 1).unwrap();
        assert!(rendered == source || source.contains("{{"), "`{rendered}` is said to come from `{source}`");
    }
}

#[test]
fn online_retail_loads() {
    let project = shipped("examples/online-retail");
    let lines = project.judged().unwrap();
    assert_eq!((lines.stream.name.as_str(), lines.retention), ("order_lines", None));
    assert!(!lines.stream.fields[lines.stream.slot("customer_id").unwrap()].required);
    assert!(project.rules.len() >= 6 && project.feature_cases.len() >= 5);
    for rule in &project.rules {
        stands_at_its_place(&project, &rule.when);
        stands_at_its_place(&project, &rule.message);
        assert!(rule.cases.iter().any(|c| c.hit) && rule.cases.iter().any(|c| !c.hit), "{} lacks a hit or a miss", rule.name);
    }
}

#[test]
fn the_readmes_first_change_loads() {
    let project = shipped("projects/ecommerce");
    let readme = include_str!("../../../../projects/ecommerce/README.md");
    let rule = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut files = project.files.clone();
    files.push(("rules/large_withdrawal.yml".into(), rule.as_bytes().to_vec()));
    let changed = Project::from_files(files).unwrap_or_else(|mistakes| panic!("{}", show(&mistakes)));
    assert_eq!(changed.rules.len(), project.rules.len() + 1);
}

#[test]
fn names_that_no_feature_has_are_found_once_features_are_known() {
    let project = shipped("projects/ecommerce");
    let all: Vec<Text> = project.feature_docs.keys().map(Text::new).collect();
    assert_eq!(project.undocumented(&all), []);
    let renamed: Vec<Text> = all.iter().map(|n| if n == "account_balance" { "account_balances".into() } else { n.clone() }).collect();
    let mistakes = project.undocumented(&renamed);
    assert_eq!(mistakes.len(), 2, "{}", show(&mistakes));
    assert!(mistakes.iter().all(|m| m.hint.as_deref() == Some("did you mean `account_balances`?") && m.excerpt.is_some()));
}

#[test]
fn a_case_event_is_the_example_with_own_fields_over_it() {
    let project = shipped("projects/ecommerce");
    let rule = project.rules.iter().find(|r| r.name == "payment_velocity").unwrap();
    let events = &rule.cases[0].events;
    let times: Vec<&str> = events.iter().map(|e| e.record["event_time"].as_str().unwrap()).collect();
    assert_eq!((events.len(), times[0], times[5]), (6, "2026-01-15T12:00:00.000000Z", "2026-01-15T12:05:00.000000Z"));
    assert_eq!(events[5].record["transaction_id"], "case-6");
    assert_eq!((&events[5].record["amount"], &events[5].record["currency"]), (&20.into(), &"USD".into()));
}

#[test]
fn the_digest_follows_the_files_and_nothing_else() {
    let project = shipped("projects/ecommerce");
    let mut files = project.files.clone();
    files.reverse();
    files.push(("README.md".into(), b"anything".to_vec()));
    assert_eq!(Project::from_files(files.clone()).unwrap().digest, project.digest);
    let policy = files.iter_mut().find(|(path, _)| path == "policy.yml").unwrap();
    policy.1.push(b'\n');
    assert_ne!(Project::from_files(files).unwrap().digest, project.digest);
}

#[test]
fn places_can_be_asked_for() {
    let project = shipped("projects/ecommerce");
    let place = project.place_of("events/transactions.yml", &["retention"]);
    assert_eq!((place.line > 1, place.column), (true, 12));
    assert_eq!(project.place_of("events/transactions.yml", &["nope"]).line, 0);
}
