//! Foreign clients against a broker started here: kcat, and Python's kafka-python and confluent-kafka (set
//! `SLUICE_TEST_PYTHON` to a python that has them). Missing tools skip the test, unless `SLUICE_REQUIRE_CLIENTS=1`.
#![allow(clippy::print_stderr)]

use std::process::{Command, Output, Stdio};

use broker::{Broker, Config, Isolation, TopicConfig};

use crate::in_process::values;

/// Tells that a tool is missing; fails if tools are required.
pub(crate) fn skip(what: &str) {
    assert_ne!(std::env::var("SLUICE_REQUIRE_CLIENTS").as_deref(), Ok("1"), "{what} is required and missing");
    eprintln!("skipped: {what} is missing");
}

pub(crate) fn checked(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}\n{errors}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

async fn serve(dir: &tempfile::TempDir) -> (Broker, String) {
    let broker = Broker::open(Config::new(dir.path()).listen("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let address = broker.listen().await.unwrap().to_string();
    broker.create_topic("events", TopicConfig::partitions(2)).unwrap();
    (broker, address)
}

/// Runs kcat with `input` on its standard input.
pub(crate) fn kcat(address: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("timeout")
        .args(["30", "kcat", "-q", "-b", address])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_produces_consumes_and_joins_a_group() {
    if Command::new("kcat").arg("-V").output().is_err() {
        return skip("kcat");
    }
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let done = tokio::task::spawn_blocking(move || {
        for codec in ["none", "gzip", "snappy", "lz4"] {
            let lines: String = (0..50).map(|n| format!("{codec}-{n}\n")).collect();
            checked(kcat(&address, &["-P", "-t", "events", "-z", codec], &lines));
        }
        let read = checked(kcat(&address, &["-C", "-t", "events", "-e"], ""));
        assert_eq!(read.lines().count(), 200);
        let group = ["-G", "readers", "-X", "auto.offset.reset=earliest", "-c", "200", "events"];
        assert_eq!(checked(kcat(&address, &group, "")).lines().count(), 200);
        let listed = checked(kcat(&address, &["-L"], ""));
        assert!(listed.contains("topic \"events\" with 2 partitions"), "{listed}");
    });
    done.await.unwrap();
    let seen: usize = (0..2).map(|p| values(&broker, "events", p, Isolation::ReadUncommitted).len()).sum();
    assert_eq!(seen, 200, "in-process readers decompress every codec");
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_clients_produce_consume_and_commit() {
    let Ok(python) = std::env::var("SLUICE_TEST_PYTHON") else {
        return skip("SLUICE_TEST_PYTHON");
    };
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let script = include_str!("clients.py");
    let run = move || Command::new("timeout").args(["120", &python, "-c", script, &address]).output().unwrap();
    let said = checked(tokio::task::spawn_blocking(run).await.unwrap());
    assert!(said.contains("all done"), "{said}");
    let committed = values(&broker, "transactions", 0, Isolation::ReadCommitted);
    let committed: Vec<&str> = committed.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(committed, ["kept", "kept too"]);
    broker.shutdown().await;
}
