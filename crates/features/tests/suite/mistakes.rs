//! What a file may not say: each with the place, the message and the way out.

use crate::support::{file, streams};
use project::Diagnostic;

fn mistakes(sql: &str) -> Vec<Diagnostic> {
    features::compile(&[file("features/f.sql", sql)], &streams()).err().unwrap_or_default()
}

/// (SQL with the mistake, `line:column message`, a part of the hint).
const TABLE: &[(&str, &str, &str)] = &[
    ("select count(*) over w as n form transactions", "1:", ""),
    (
        "select count(*) over w as n from transaction window w as (partition by account_id order by event_time)",
        "1:34 no stream `transaction`",
        "did you mean `transactions`?",
    ),
    ("select count(*) over w as n from transactions", "1:22 no window `w`", "define it"),
    (
        "select count(*) over x as n from transactions window w as (partition by account_id order by event_time)",
        "1:22 no window `x`",
        "`w`",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by acount_id order by event_time)",
        "1:73 `transactions` has no column `acount_id`",
        "did you mean `account_id`?",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by upper(account_id) order by event_time)",
        "1:73 a partition is by columns",
        "add a field",
    ),
    (
        "select count(*) over w as n from transactions window w as (order by event_time)",
        "1:54 the window has no `partition by`",
        "partition by account_id",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by account_id)",
        "1:54 a window is ordered by the event time alone",
        "",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by account_id order by amount)",
        "1:93 a window is ordered by the stream's event time",
        "",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by account_id order by event_time desc)",
        "1:93 a window goes forward in time",
        "desc",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by account_id order by event_time rows 3 preceding)",
        "1:54 a frame goes by time, not by rows",
        "range between",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by account_id order by event_time range between interval '1 day' preceding and interval '1 day' following)",
        "1:54 a frame cannot end after the current row",
        "current row",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by account_id order by event_time range between interval '1 day' preceding and interval '2 days' preceding)",
        "1:54 the frame ends before it begins",
        "",
    ),
    (
        "select count(*) over w as n from transactions window w as (partition by account_id order by event_time range interval '1 month' preceding)",
        "1:",
        "days",
    ),
    (
        "select sum(score) over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:12 `sum` over a float is not exact",
        "decimal",
    ),
    (
        "select sum(merchant_id) over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:12 `sum` adds numbers, but this is text",
        "",
    ),
    ("select sum(amuont) over w as n from transactions window w as (partition by account_id order by event_time)", "1:12 ", "`amount`"),
    (
        "select median(amount) over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:8 `median` is not a window function of features",
        "mean",
    ),
    (
        "select count(distinct amount) over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:8 `count(distinct ...)` over a frame without a beginning",
        "90 days",
    ),
    (
        "select lag(amount) filter (where online) over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:8 `lag` takes no filter",
        "",
    ),
    (
        "select lag(amount, 0) over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:8 `lag` goes back 1 to 1000 rows",
        "",
    ),
    (
        "select lag(amount, 1, 'none') over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:23 the default `none` is not of the argument's type",
        "",
    ),
    (
        "select sum(count(*) over w) over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:8 window calls do not nest",
        "",
    ),
    (
        "select count(*) over w + 1 from transactions window w as (partition by account_id order by event_time)",
        "1:8 a feature needs a name",
        "as ...",
    ),
    (
        "select count(*) over w as amount from transactions window w as (partition by account_id order by event_time)",
        "1:27 feature `amount` has the name of a field",
        "as",
    ),
    (
        "select count(*) over w as n, sum(amount) over w as n from transactions window w as (partition by account_id order by event_time)",
        "1:52 feature `n` is defined twice",
        "features/f.sql",
    ),
    (
        "select count(*) over w as n from transactions where online window w as (partition by account_id order by event_time)",
        "1:53 a feature file is one plain select over one stream: `where`",
        "filter (where online)",
    ),
    (
        "select account_id, count(*) as n from transactions group by account_id",
        "1:61 a feature file is one plain select over one stream: `group by`",
        "windows",
    ),
    (
        "select count(*) over a as n, count(*) over b as m from transactions window a as (partition by account_id order by event_time), b as (partition by shop order by event_time)",
        "1:147 the windows of a file have one partition, here (account_id), but this one has (shop)",
        "file of its own",
    ),
    ("select page as last_page from clicks", "1:1 a file over `clicks` needs windows", "judged"),
    ("select seconds as s, count(*) over w as n from clicks window w as (partition by account_id order by event_time)", "1:8 ", ""),
    (
        "select count(*) over w as n from clicks window w as (partition by page order by event_time)",
        "1:67 `transactions` has no column `page` to join `clicks` by",
        "join",
    ),
    (
        "select count(*) over (partition by account_id order by updated_at) as n from balances",
        "1:8 `balances` is an upsert stream",
        "columns",
    ),
    ("select count(*) over w as n from features window w as (partition by account_id order by event_time)", "1:", "file of its own"),
    ("select amount * 2 as n, amuont / 2 as m from features", "1:25 unknown name `amuont`", "did you mean `amount`?"),
    ("select amount * 2 as n, n + 1 as m from features", "1:25 unknown name `n`", "repeat what it is made of"),
    ("select amount * 2 as amount from features", "1:22 feature `amount` has the name of a field", "as"),
];

#[test]
fn every_mistake_names_its_place_and_a_way_out() {
    let mut wrong = Vec::new();
    for (sql, expected, hint) in TABLE {
        let found = mistakes(sql);
        let lines: Vec<String> = found
            .iter()
            .map(|d| format!("{}:{} {} | {}", d.place.line, d.place.column, d.message, d.hint.as_deref().unwrap_or("")))
            .collect();
        let right = |line: &String| {
            let (message, found_hint) = line.split_once(" | ").unwrap_or((line, ""));
            message.starts_with(expected) && found_hint.contains(hint)
        };
        if !lines.iter().any(right) {
            wrong.push(format!("{sql}\n  wanted {expected} | {hint}\n  found  {}", lines.join("\n         ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_mistakes_come_at_once_and_once() {
    let found = mistakes(
        "select sum(score) over w as a,
  cuont(*) over w as b,
  sum(amount) over missing as c
from transactions
window w as (partition by account_id order by event_time rows 1 preceding)",
    );
    let places: Vec<(usize, usize)> = found.iter().map(|d| (d.place.line, d.place.column)).collect();
    assert_eq!(places, [(1, 12), (2, 3), (3, 20), (5, 8)], "{found:#?}");
}

#[test]
fn a_place_in_a_rendered_line_is_that_of_the_source() {
    let sql = "select account_id,\n  sum(amuont) over w as n_10,\n  sum(amuont) over w as n_20\nfrom transactions window w as (partition by account_id order by event_time)";
    let mut rendered = file("features/f.sql", sql);
    rendered.source = "select account_id,\n{% for n in [10, 20] %}\n  sum(amuont) over w as n_{{ n }},\n{% endfor %}\nfrom transactions window w as (partition by account_id order by event_time)".into();
    rendered.lines = vec![1, 3, 3, 5];
    let found = features::compile(&[rendered], &streams()).err().unwrap_or_default();
    assert!(found.iter().all(|d| (d.place.line, d.place.column) == (3, 7)), "{found:#?}");
    assert_eq!(found.len(), 1, "the same mistake from the same source line is told once: {found:#?}");
}

#[test]
fn a_group_keeps_its_digest_when_another_changes() {
    let window = "from transactions window w as (partition by account_id order by event_time range interval '1 hour' preceding)";
    let shops = "select count(*) over (partition by shop order by event_time range interval '1 day' preceding) as shop_n from transactions";
    let plan = |account: &str| {
        let sql = format!("select {account} {window}");
        features::compile(&[file("features/a.sql", &sql), file("features/b.sql", shops)], &streams()).expect("the files are right")
    };
    let (one, renamed, wider) = (plan("count(*) over w as n"), plan("count(*) over w as other"), plan("sum(amount) over w as n"));
    let digest = |plan: &features::Plan, name: &str| plan.groups.iter().find(|g| g.name == name).map(|g| g.digest);
    assert_eq!(digest(&one, "transactions by shop"), digest(&wider, "transactions by shop"));
    assert_eq!(digest(&one, "transactions by account_id"), digest(&renamed, "transactions by account_id"));
    assert_ne!(digest(&one, "transactions by account_id"), digest(&wider, "transactions by account_id"));
}
