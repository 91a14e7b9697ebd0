//! Appends, reads, groups, recovery and retention through the in-process API.

use std::sync::Arc;
use std::time::Duration;

use broker::{Batch, BatchBuilder, Broker, Compression, Config, Error, Isolation, TopicConfig, TopicPartition};

/// A batch of records "from..to" as values.
pub(crate) fn batch(values: std::ops::Range<i64>) -> Batch {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        builder.push(1_000 + value, Some(b"key"), Some(value.to_string().as_bytes()));
    }
    builder.build().unwrap()
}

/// All values of a partition that an isolation lets see, with their offsets.
pub(crate) fn values(broker: &Broker, topic: &str, partition: i32, isolation: Isolation) -> Vec<(i64, String)> {
    let mut offset = broker.watermarks(topic, partition).unwrap().log_start;
    let mut found = Vec::new();
    loop {
        let fetched = broker.read(topic, partition, offset, 64 << 10, isolation).unwrap();
        for batch in &fetched.batches {
            for record in &batch.records().unwrap() {
                let record = record.unwrap();
                found.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
            }
        }
        if fetched.next_offset == offset {
            return found;
        }
        offset = fetched.next_offset;
    }
}

fn numbered(range: std::ops::Range<i64>) -> Vec<(i64, String)> {
    range.map(|n| (n, n.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn appended_records_are_read_back_and_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let broker = Broker::open(Config::new(dir.path())).await.unwrap();
        assert_eq!(broker.create_topic("t", TopicConfig::partitions(2)).unwrap(), round == 0);
        let appended = broker.append("t", 1, &batch(round * 10..round * 10 + 10)).unwrap();
        assert_eq!(appended.base_offset, round * 10);
        appended.durable.await.unwrap();
        assert_eq!(values(&broker, "t", 1, Isolation::ReadUncommitted), numbered(0..round * 10 + 10));
        assert_eq!(values(&broker, "t", 0, Isolation::ReadUncommitted), []);
        broker.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_visible_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(Config::new(dir.path())).await.unwrap();
    for topic in ["input", "decisions", "sequence"] {
        broker.create_topic(topic, TopicConfig::partitions(1)).unwrap();
    }
    let at = |topic: &str| TopicPartition::new(topic, 0);
    let reader = {
        let broker = broker.clone();
        tokio::task::spawn_blocking(move || {
            let subscription = broker.subscribe(&[at("sequence")], Isolation::ReadUncommitted).unwrap();
            loop {
                let sequence = broker.watermarks("sequence", 0).unwrap().high_watermark;
                let decisions = broker.watermarks("decisions", 0).unwrap().high_watermark;
                let input = broker.watermarks("input", 0).unwrap().high_watermark;
                assert!(decisions >= sequence && input >= sequence, "{input} {decisions} {sequence}");
                if sequence == 100 {
                    return;
                }
                assert!(subscription.wait(Duration::from_secs(20)));
            }
        })
    };
    for n in 0..100 {
        let input = broker.append("input", 0, &batch(n..n + 1)).unwrap();
        let parts = vec![(at("decisions"), batch(n..n + 1)), (at("sequence"), batch(n..n + 1))];
        let group = broker.append_group(parts, &[(at("input"), input.last_offset + 1)]).unwrap();
        assert_eq!(group.base_offsets, [n, n]);
        if n % 10 == 0 {
            group.durable.await.unwrap();
            assert_eq!(broker.watermarks("sequence", 0).unwrap().high_watermark, n + 1);
        }
    }
    reader.await.unwrap();
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_reader_is_woken_by_the_append_it_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(Config::new(dir.path())).await.unwrap();
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    let position = [(TopicPartition::new("t", 0), 0)];
    assert!(!broker.wait_for_data(&position, Isolation::ReadUncommitted, Duration::from_millis(1)).unwrap());
    let waiting = {
        let broker = broker.clone();
        tokio::task::spawn_blocking(move || broker.wait_for_data(&position, Isolation::ReadUncommitted, Duration::from_secs(20)).unwrap())
    };
    broker.append("t", 0, &batch(0..1)).unwrap().durable.await.unwrap();
    assert!(waiting.await.unwrap());
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncation_takes_the_log_back_to_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path());
    config.segment_bytes = 1_000;
    let broker = Broker::open(config.clone()).await.unwrap();
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    for n in 0..40 {
        broker.append("t", 0, &batch(n * 5..n * 5 + 5)).unwrap().durable.await.unwrap();
    }
    assert!(matches!(broker.truncate("t", 0, 52), Err(Error::InvalidArgument(_))));
    broker.truncate("t", 0, 50).unwrap();
    assert_eq!(values(&broker, "t", 0, Isolation::ReadUncommitted), numbered(0..50));
    assert_eq!(broker.append("t", 0, &batch(50..60)).unwrap().base_offset, 50);
    broker.shutdown().await;
    drop(broker);
    let broker = Broker::open(config).await.unwrap();
    assert_eq!(values(&broker, "t", 0, Isolation::ReadUncommitted), numbered(0..60));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_keeps_what_our_readers_still_need() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path());
    config.segment_bytes = 1_000;
    let broker = Broker::open(config).await.unwrap();
    broker.create_topic("t", TopicConfig { partitions: 1, retention_bytes: Some(0), ..Default::default() }).unwrap();
    for n in 0..40 {
        broker.append("t", 0, &batch(n * 5..n * 5 + 5)).unwrap().durable.await.unwrap();
    }
    broker.set_reader_floor("t", 0, "scorer", Some(0)).unwrap();
    broker.enforce_retention();
    assert_eq!(broker.watermarks("t", 0).unwrap().log_start, 0);
    broker.set_reader_floor("t", 0, "scorer", Some(100)).unwrap();
    broker.enforce_retention();
    let log_start = broker.watermarks("t", 0).unwrap().log_start;
    assert!(log_start > 50 && log_start <= 100, "{log_start}");
    let below = broker.read("t", 0, log_start - 1, 1 << 20, Isolation::ReadUncommitted);
    assert!(matches!(below, Err(Error::OffsetOutOfRange { .. })));
    broker.set_reader_floor("t", 0, "scorer", None).unwrap();
    broker.enforce_retention();
    assert!(broker.watermarks("t", 0).unwrap().log_start > 180);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time_uses_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(Config::new(dir.path())).await.unwrap();
    let second = Broker::open(Config::new(dir.path())).await;
    assert!(second.unwrap_err().to_string().contains("another process"));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_is_gone_and_its_name_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::open(Config::new(dir.path())).await.unwrap();
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    broker.append("t", 0, &batch(0..5)).unwrap().durable.await.unwrap();
    broker.delete_topic("t").unwrap();
    assert!(matches!(broker.watermarks("t", 0), Err(Error::UnknownPartition { .. })));
    assert!(broker.create_topic("t", TopicConfig::partitions(3)).unwrap());
    assert_eq!(broker.partitions("t"), Some(3));
    assert_eq!(values(&broker, "t", 0, Isolation::ReadUncommitted), []);
    let names: Vec<Arc<str>> = broker.topics().into_iter().map(|topic| topic.name).collect();
    assert_eq!(names, [Arc::from("t")]);
    broker.shutdown().await;
}
