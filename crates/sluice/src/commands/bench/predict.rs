//! `predict` over HTTP on the shipped project, open loop at two rates, store on. The baseline is `GET /health` from the same clients at
//! the same rate: HTTP without a decision.

use super::http::{self, Client};
use super::open_loop::{Latencies, Schedule};
use super::report::{Figure, Report};
use super::scratch::Scratch;
use super::server::{PASSWORD, Server};
use domain::{Error, Result};
use pipeline::{Clock, SystemClock};
use std::sync::atomic::{AtomicU64, Ordering};

const RATES: [(f64, f64); 2] = [(1000.0, 5.0), (2000.0, 2.0)];
const SECONDS: f64 = 10.0;
/// Not counted.
const WARM_SECONDS: f64 = 2.0;
const CONNECTIONS: usize = 32;
const QUANTILES: [f64; 3] = [0.5, 0.99, 1.0];

pub fn run(scale: f64) -> Result<Report> {
    let scratch = Scratch::new("predict")?;
    let server = Server::start(None, &scratch.join("data"), true)?;
    let seconds = seconds(scale);
    let mut report = Report::new(
        "predict",
        format!(
            "POST /api/v1/predict on the shipped project with the store on: {CONNECTIONS} keep-alive connections, {seconds:.0} s a rate, from each request's \
             scheduled time to the last byte of its decision, which is on disk by then; clients and server share the machine"
        ),
    );
    measure(&server, &RATES, scale, &mut report)?;
    Ok(report)
}

fn seconds(scale: f64) -> f64 {
    SECONDS.min(SECONDS * scale.max(0.1))
}

/// Each rate with its goal for p99, on a server of the shipped project.
pub fn measure(server: &Server, rates: &[(f64, f64)], scale: f64, report: &mut Report) -> Result<()> {
    let host = server.http.clone();
    let (token, seconds) = (log_in(&host)?, seconds(scale));
    for (round, &(rate, goal)) in rates.iter().enumerate() {
        let rate = rate * scale.min(1.0);
        let count = (rate * (seconds + WARM_SECONDS)) as u64;
        let health: Vec<Vec<u8>> = (0..count).map(|_| http::get(&host, "/health")).collect();
        let mut bare = drive(&host, &health, rate)?;
        let bare_ms = bare.latencies.quantiles_ms(&QUANTILES);
        // Event times run with the clock from now on, as a shop's would.
        let now = SystemClock.now();
        let payments: Vec<Vec<u8>> = (0..count)
            .map(|n| http::post(&host, "/api/v1/predict", Some(&token), payment(round, n, now + (n as f64 / rate * 1e6) as i64).as_bytes()))
            .collect();
        let before = server.usage();
        let mut predicted = drive(&host, &payments, rate)?;
        let after = server.usage();
        let ms = predicted.latencies.quantiles_ms(&QUANTILES).ok_or_else(|| Error::stop("no answer came", "look into the server's log"))?;
        let named = format!("GET /health at {rate:.0}/s");
        let bare = |i: usize| bare_ms.as_ref().map(|ms| ms[i]);
        report.push(Figure::new(format!("p50 at {rate:.0}/s"), ms[0], "ms").against(&named, bare(0)));
        report.push(Figure::new(format!("p99 at {rate:.0}/s"), ms[1], "ms").at_most(goal).against(&named, bare(1)));
        report.push(Figure::new(format!("max at {rate:.0}/s"), ms[2], "ms").against(&named, bare(2)));
        report.push(Figure::new(format!("answers other than 200 at {rate:.0}/s"), predicted.refused as f64, "").at_most(0.0));
        if let (Some(before), Some(after)) = (before, after) {
            let spent = (after.cpu_seconds - before.cpu_seconds) / (seconds + WARM_SECONDS);
            report.push(Figure::new(format!("server's processor time at {rate:.0}/s"), spent, "cores"));
        }
    }
    if let Some(usage) = server.usage() {
        report.push(Figure::new("server's most memory", usage.peak_memory_mb, "MB"));
    }
    Ok(())
}

fn log_in(host: &str) -> Result<String> {
    #[derive(serde::Deserialize)]
    struct Token {
        access_token: String,
    }
    let body = format!("{{\"username\":\"admin\",\"password\":\"{PASSWORD}\"}}");
    let mut client = Client::connect(host)?;
    let (status, answer) = client.request(&http::post(host, "/api/v1/auth/login", None, body.as_bytes()))?;
    let refused = || Error::bug(format!("the server refused the bench's login: {status} {}", String::from_utf8_lossy(answer)));
    serde_json::from_slice::<Token>(answer).map(|t| t.access_token).map_err(|e| refused().because(e))
}

#[derive(Default)]
struct Run {
    latencies: Latencies,
    refused: u64,
}

/// Sends each request at its time on whichever connection is free; when none is, the wait counts.
fn drive(host: &str, requests: &[Vec<u8>], rate: f64) -> Result<Run> {
    let warm = (WARM_SECONDS * rate) as u64;
    let clients = (0..CONNECTIONS).map(|_| Client::connect(host)).collect::<Result<Vec<_>>>()?;
    let next = AtomicU64::new(0);
    let schedule = Schedule::at_rate(rate);
    std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                let (next, schedule) = (&next, &schedule);
                scope.spawn(move || -> Result<Run> {
                    let mut run = Run::default();
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        let Some(request) = requests.get(n as usize) else { return Ok(run) };
                        schedule.wait(n);
                        let (status, _) = client.request(request)?;
                        if n >= warm {
                            run.latencies.push(schedule.due(n).elapsed());
                        }
                        run.refused += u64::from(status != 200);
                    }
                })
            })
            .collect();
        let mut all = Run::default();
        for thread in threads {
            let run = thread.join().unwrap_or_else(|_| Err(Error::bug("a client panicked")))?;
            all.refused += run.refused;
            all.latencies.extend(run.latencies);
        }
        Ok(all)
    })
}

/// A payment of the shipped project.
fn payment(round: usize, n: u64, event_time: i64) -> String {
    // A multiplicative generator (Knuth, MMIX), drawn at place n.
    let r = (n + 1).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 33;
    let (account, merchant, cents) = (r % 20_000, r / 7 % 2_000, r / 3 % 50_000);
    format!(
        r#"{{"transaction_id":"p{round}-{n}","account_id":"acc-{account}","customer_id":"cust-{account}","merchant_id":"m-{merchant}","transaction_type":"purchase","channel":"online","amount":{}.{:02},"currency":"USD","event_time":"{}","country":"US","city":"Austin","latitude":30.27,"longitude":-97.74,"ip":"203.0.113.7","device_id":"dev-{account}","payment_method":"card","session_id":"ses-{n}"}}"#,
        cents / 100,
        cents % 100,
        domain::time::format(event_time),
    )
}
