//! A broker's folder whose bits flip while it is stopped: settings, offsets and records are as they were, or it says that they are not.

use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::coordinator::{CommittedOffset, OffsetKey};
use crate::records::BatchBuilder;

const COMMITS: i64 = 20;
const BATCHES: i64 = 20;

fn key() -> OffsetKey {
    OffsetKey { group: "g".into(), topic: "t".into(), partition: 0 }
}

fn config() -> TopicConfig {
    TopicConfig { retention_ms: Some(86_400_000), max_message_bytes: Some(123_456), ..TopicConfig::partitions(1) }
}

async fn fill(dir: &Path) -> String {
    let broker = Broker::open(Config::new(dir)).await.unwrap();
    broker.create_topic("t", config()).unwrap();
    for n in 0..BATCHES {
        let mut builder = BatchBuilder::default();
        builder.push(n, None, Some(format!("value {n}").as_bytes()));
        broker.append("t", 0, &builder.build().unwrap()).unwrap().durable.await.unwrap();
    }
    for offset in 1..=COMMITS {
        let committed = CommittedOffset { offset, leader_epoch: -1, metadata: String::new() };
        broker.shared.coordinator.offsets.commit(vec![(key(), committed)], Vec::new()).unwrap().await.unwrap();
    }
    broker.shutdown().await;
    broker.shared.cluster_id.clone()
}

/// What is wrong with what a broker shows, if it opens at all.
async fn wrong(dir: &Path, cluster_id: &str) -> Result<Option<String>> {
    let broker = Broker::open(Config::new(dir)).await?;
    let shown = async {
        if broker.shared.cluster_id != cluster_id {
            return Ok(Some(format!("cluster id {}", broker.shared.cluster_id)));
        }
        let topic = broker.topic("t").ok_or(Error::Closed)?;
        if topic.config != config() {
            return Ok(Some(format!("settings {:?}", topic.config)));
        }
        // What was written last may have been cut off as a torn tail; what is before it is as it was.
        if let Some(committed) = broker.shared.coordinator.offsets.get(&key())
            && !(1..=COMMITS).contains(&committed.offset)
        {
            return Ok(Some(format!("committed offset {}", committed.offset)));
        }
        let read = broker.read("t", 0, 0, 1 << 20, Isolation::ReadUncommitted)?;
        for batch in &read.batches {
            for record in &batch.records()? {
                let record = record?;
                if record.value != Some(format!("value {}", record.offset).as_bytes()) {
                    return Ok(Some(format!("record {record:?}")));
                }
            }
        }
        Ok(None)
    };
    let shown = shown.await;
    broker.shutdown().await;
    shown
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if !path.ends_with("lock") {
            found.push(path);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bits_in_settings_offsets_and_records_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good");
    let cluster_id = fill(&good).await;
    assert_eq!(wrong(&good, &cluster_id).await.unwrap(), None);
    let mut all = Vec::new();
    files(&good, &mut all);
    let has = |end: &str| all.iter().any(|path| path.to_str().unwrap().contains(end));
    assert!(has("cluster-id") && has("topic.json") && has("state/") && has("t/0/"), "{all:?}");
    let mut random = SmallRng::seed_from_u64(9);
    let (mut found, mut tried) = (0, 0);
    for path in &all {
        let content = std::fs::read(path).unwrap();
        for _ in 0..12.min(content.len()) {
            let at = random.random_range(0..content.len());
            let mut flipped = content.clone();
            flipped[at] ^= 1 << random.random_range(0..8);
            let damaged = dir.path().join("damaged");
            let _ = std::fs::remove_dir_all(&damaged);
            copy(&good, &damaged);
            std::fs::write(damaged.join(path.strip_prefix(&good).unwrap()), &flipped).unwrap();
            tried += 1;
            match wrong(&damaged, &cluster_id).await {
                Ok(Some(wrong)) => panic!("byte {at} of {} flipped, and shown is {wrong}", path.display()),
                Ok(None) => {}
                Err(_) => found += 1,
            }
        }
    }
    assert!(found > 20, "{found} of {tried} found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_id_of_an_earlier_version_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let id = "0123456789abcdef0123456789abcdef";
    std::fs::write(dir.path().join("cluster-id"), id).unwrap();
    let broker = Broker::open(Config::new(dir.path())).await.unwrap();
    assert_eq!(broker.shared.cluster_id, id);
    broker.shutdown().await;
}
