use super::*;
use crate::{streams, yaml};

const PAYMENTS: &str = "key: account\nevent_time: at\njudged: {id: id}\nfields:\n  id: {type: integer, required: true}\n  \
    account: {type: text, required: true}\n  amount: decimal(2)\n  note: text\n  at: {type: timestamp, required: true}\n\
    example: {id: 7, account: a-1, amount: 10, note: hello, at: \"2026-01-01T00:00:00Z\"}\n";
const CLICKS: &str = "key: id\nevent_time: at\nfields:\n  id: {type: text, required: true}\n  at: {type: timestamp, required: true}\n\
    example: {id: c-1, at: \"2020-01-01T00:00:00Z\"}\n";

/// Each event as `stream time id amount note`, and the mistakes.
fn timeline(events_yaml: &str) -> (Vec<String>, Vec<String>) {
    let mut report = Report::default();
    let specs: Vec<StreamSpec> = [("events/clicks.yml", CLICKS), ("events/payments.yml", PAYMENTS)]
        .iter()
        .map(|(path, text)| streams::read(path, &yaml::parse(path, text).unwrap().unwrap(), &[], &mut report).unwrap())
        .collect();
    let case = yaml::parse("case", events_yaml).unwrap().unwrap();
    let section = Section::open(&case, "a case", &["events"], &mut report).unwrap();
    let events = events(&section, &specs, &mut report);
    let show = |e: &CaseEvent| {
        let field = |name: &str| e.record.get(name).map(ToString::to_string).unwrap_or_default();
        let at = e.record["at"].as_str().unwrap().trim_start_matches("2026-01-01T").trim_end_matches(".000000Z").to_owned();
        format!("{} {at} {} {} {}", e.stream, field("id"), field("amount"), field("note")).trim().to_owned()
    };
    (events.iter().map(show).collect(), report.mistakes.iter().map(|m| m.message.clone()).collect())
}

#[test]
fn events_follow_each_other_in_time_with_ids_of_their_own() {
    let (events, mistakes) = timeline(
        "events:\n- clicks:\n- {after: 1 minute, payments: {amount: 1.25}}\n- payments: {note: null}\n\
         - {after: 1 hour, repeat: 2, every: 5 minutes, payments: {note: x}}\n",
    );
    assert_eq!(mistakes, Vec::<String>::new());
    assert_eq!(
        events,
        [
            r#"clicks 00:00:00 "c-1""#,
            r#"payments 00:01:00 1 1.25 "hello""#,
            "payments 00:01:01 2 10",
            r#"payments 01:01:01 3 10 "x""#,
            r#"payments 01:06:01 4 10 "x""#,
        ]
    );
}

#[test]
fn a_case_may_give_its_own_id_and_time() {
    let (events, _) = timeline("events:\n- payments: {id: 99, at: \"2026-01-01T05:00:00Z\"}\n- {after: 1 minute, payments: {}}\n");
    assert_eq!(events, [r#"payments 05:00:00Z 99 10 "hello""#, r#"payments 05:01:00 2 10 "hello""#]);
}

#[test]
fn a_case_without_a_judged_event_is_a_mistake() {
    assert_eq!(timeline("events:\n- clicks:\n").1, ["no event of this case is judged: none is of `payments`"]);
}
