use super::*;
use domain::{Action, Alert, Severity};
use pipeline::Outgoing;

fn alert(n: usize) -> Alert {
    Alert {
        alert_id: format!("tx-{n}:rule").into(),
        transaction_id: format!("tx-{n}").into(),
        account_id: None,
        alert_type: "rule".into(),
        alert_message: String::new(),
        severity: Severity::High,
        decision: Action::Review,
        score: 0.5,
        amount: None,
        event_time: 0,
        taken_at: 0,
        sequence: n as u64,
    }
}

fn append(log: &Log, from: usize, to: usize) {
    let records: Vec<_> = (from..to).map(|n| Outgoing { key: None, value: serde_json::to_vec(&alert(n)).unwrap().into() }).collect();
    log.append(topics::ALERTS, 0, &records).unwrap();
}

#[test]
fn old_alerts_are_read_from_the_log_and_new_ones_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let log = Log::open(&project::LogSettings::Embedded, folder.path(), None, runtime.handle()).unwrap();
    let topic = crate::log::Topic { name: topics::ALERTS.into(), partitions: 1, retention_ms: None, internal: true };
    log.create(&[topic]).unwrap();
    append(&log, 0, 700);
    let (stop, stopping) = watch::channel(false);
    let mut threads = Vec::new();
    let feed = Feed::start(&log, stopping, &mut threads).unwrap();
    assert_eq!(feed.bounds(), (0, 700));
    let all = feed.clone();
    runtime.block_on(async move {
        let followed = tokio::spawn(async move {
            let mut next = 0;
            while next < 1000 {
                all.beyond(next).await;
                let found = all.read(next).await.unwrap();
                for alert in found {
                    assert_eq!((alert.offset, alert.alert.sequence), (next, next as u64));
                    next += 1;
                }
            }
        });
        tokio::task::spawn_blocking(move || append(&log, 700, 1000)).await.unwrap();
        followed.await.unwrap();
    });
    assert_eq!(feed.bounds(), (0, 1000));
    assert!(feed.held(699).is_none());
    assert_eq!(feed.held(990).unwrap().len(), 10);
    stop.send(true).unwrap();
    threads.into_iter().for_each(|t| t.join().unwrap());
}
