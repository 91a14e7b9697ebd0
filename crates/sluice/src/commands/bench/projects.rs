//! The projects that benches run: generated, so that their size is a number and not a choice of examples.

use domain::Error;
use project::Project;
use std::fmt::Write;

const STREAM: &str = "topic: bench-transactions
mode: append
key: account_id
event_time: event_time
lateness: 1 day
skew: 3650 days
partitions: 4
judged: {id: transaction_id, account: account_id, amount: amount}
fields:
  transaction_id: {type: text, required: true}
  account_id: {type: text, required: true}
  merchant_id: {type: text, required: true}
  device_id: {type: text}
  ip: {type: text}
  country: {type: text}
  channel: {type: enum, values: [online, pos, atm]}
  amount: {type: decimal(2), required: true, min: 0}
  event_time: {type: timestamp, required: true}
example:
  transaction_id: t1
  account_id: a1
  merchant_id: m1
  device_id: d1
  ip: 10.0.0.1
  country: DE
  channel: online
  amount: 12.50
  event_time: \"2026-01-01T00:00:00Z\"
";

fn project(files: Vec<(String, String)>) -> domain::Result<Project> {
    let files = files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
    Project::from_files(files).map_err(|mistakes| {
        let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
        Error::bug(format!("a generated project has mistakes: {first}"))
    })
}

fn base(name: &str) -> Vec<(String, String)> {
    vec![
        ("sluice.yml".into(), format!("name: {name}\n")),
        ("events/transactions.yml".into(), STREAM.into()),
        ("policy.yml".into(), "thresholds: {review: 0.9}\n".into()),
    ]
}

fn rule(name: &str, when: &str) -> (String, String) {
    let text = format!("description: generated\nwhen: {when}\naction: review\nseverity: low\nmessage: \"{name} at {{amount}}\"\n");
    (format!("rules/{name}.yml"), text)
}

/// The job that peers were measured on: count and sum over three windows a user, five rules.
pub fn small() -> domain::Result<Project> {
    let mut files = base("bench-small");
    files.push((
        "features/account.sql".into(),
        "select account_id,
  count(*) over w10m as count_10m, sum(amount) over w10m as sum_10m,
  count(*) over w1h as count_1h, sum(amount) over w1h as sum_1h,
  count(*) over w24h as count_24h, sum(amount) over w24h as sum_24h
from transactions
window w10m as (partition by account_id order by event_time range interval '10 minutes' preceding),
  w1h as (partition by account_id order by event_time range interval '1 hour' preceding),
  w24h as (partition by account_id order by event_time range interval '24 hours' preceding)
"
        .into(),
    ));
    files.extend([
        rule("r1", "count_10m > 20"),
        rule("r2", "sum_1h > 20000"),
        rule("r3", "amount > 5000 and channel = 'online'"),
        rule("r4", "count_24h > 200 and sum_24h > 50000"),
        rule("r5", "amount > 10 * sum_24h / count_24h and count_24h > 5"),
    ]);
    project(files)
}

/// Five aggregates over one window of a merchant.
pub fn one_window(interval: &str) -> domain::Result<Project> {
    let mut files = base("bench-window");
    files.push((
        "features/merchant.sql".into(),
        format!(
            "select merchant_id, count(*) over w as n, sum(amount) over w as total, stddev(amount) over w as spread,
  max(amount) over w as most, count(distinct account_id) over w as accounts
from transactions
window w as (partition by merchant_id order by event_time range interval '{interval}' preceding)
"
        ),
    ));
    files.push(rule("r1", "n > 1000000000"));
    project(files)
}

/// `features` features over eight groups of five windows, and `rules` rules over them.
pub fn large(features: usize, rules: usize) -> domain::Result<Project> {
    let groups: [(&str, &[&str]); 8] = [
        ("account", &["account_id"]),
        ("merchant", &["merchant_id"]),
        ("device", &["device_id"]),
        ("ip", &["ip"]),
        ("account_merchant", &["account_id", "merchant_id"]),
        ("account_country", &["account_id", "country"]),
        ("account_channel", &["account_id", "channel"]),
        ("device_merchant", &["device_id", "merchant_id"]),
    ];
    let windows = [("10m", "10 minutes"), ("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")];
    let calls: [(&str, &str); 5] = [
        ("count", "count(*)"),
        ("sum", "sum(amount)"),
        ("avg", "avg(amount)"),
        ("max", "max(amount)"),
        ("online", "count(*) filter (where channel = 'online')"),
    ];
    let mut files = base("bench-large");
    let mut made = Vec::new();
    let mut bodies: Vec<Vec<String>> = vec![Vec::new(); groups.len()];
    // Round the groups, so that any number of features spreads over all of them.
    'all: for (call, sql) in calls {
        for (window, _) in windows {
            for (g, (group, _)) in groups.iter().enumerate() {
                if made.len() == features {
                    break 'all;
                }
                let name = format!("{group}_{call}_{window}");
                bodies[g].push(format!("  {sql} over w{window} as {name}"));
                made.push(name);
            }
        }
    }
    for ((group, keys), body) in groups.iter().zip(&bodies) {
        let mut text = format!("select {},\n{}\nfrom transactions\nwindow ", keys.join(", "), body.join(",\n"));
        for (i, (window, span)) in windows.iter().enumerate() {
            let comma = if i == 0 { "" } else { ",\n  " };
            let _ = write!(
                text,
                "{comma}w{window} as (partition by {} order by event_time range interval '{span}' preceding)",
                keys.join(", ")
            );
        }
        files.push((format!("features/{group}.sql"), text));
    }
    for r in 0..rules {
        let (a, b) = (&made[r * 7 % made.len()], &made[(r * 13 + 5) % made.len()]);
        files.push(rule(&format!("r{r:02}"), &format!("{a} > {} and {b} > {} and amount > {}", 1000 + r, 500 + r, r * 10)));
    }
    project(files)
}

/// Events for these projects: JSON as a shop would send it, evenly spaced in event time, from a fixed generator.
pub struct Events {
    state: u64,
    n: u64,
    start: i64,
    step_micros: i64,
    accounts: u64,
    /// Whether accounts come in turn rather than by chance.
    in_turn: bool,
}

impl Events {
    /// From `start` on, an event every `step_micros` of event time.
    pub fn new(start: i64, step_micros: i64, accounts: u64) -> Self {
        Self { state: 0x9E37_79B9_7F4A_7C15, n: 0, start, step_micros, accounts: accounts.max(1), in_turn: false }
    }

    /// Each account comes once before any comes again.
    #[must_use]
    pub fn in_turn(mut self) -> Self {
        self.in_turn = true;
        self
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The next event: its account, its event time and its JSON.
    pub fn next(&mut self, id_prefix: &str) -> (u64, i64, Vec<u8>) {
        let r = self.random();
        let account = if self.in_turn { self.n % self.accounts } else { r % self.accounts };
        let event_time = self.start + self.n as i64 * self.step_micros;
        let more = self.random();
        let json = self.write(id_prefix, account, event_time, r >> 32, more);
        self.n += 1;
        (account, event_time, json)
    }

    fn write(&self, id_prefix: &str, account: u64, event_time: i64, r: u64, more: u64) -> Vec<u8> {
        let channel = ["online", "pos", "atm"][(r % 3) as usize];
        let country = ["DE", "FR", "GB", "US", "NL", "ES", "IT", "PL"][(more >> 40) as usize % 8];
        // Amounts fall off steeply, as they do.
        let cents = 100 + (r % 5000) * (1 + (more % 97) / 96 * 200);
        format!(
            "{{\"transaction_id\":\"{id_prefix}{:010}\",\"account_id\":\"acc-{account:07}\",\"merchant_id\":\"m-{:05}\",\"device_id\":\"dev-{account:07}-{}\",\"ip\":\"10.{}.{}.{}\",\"country\":\"{country}\",\"channel\":\"{channel}\",\"amount\":{}.{:02},\"event_time\":\"{}\"}}",
            self.n,
            (more >> 8) % 2000,
            more % 2,
            account % 200,
            account / 200 % 200,
            more % 4,
            cents / 100,
            cents % 100,
            domain::time::format(event_time),
        )
        .into_bytes()
    }
}
