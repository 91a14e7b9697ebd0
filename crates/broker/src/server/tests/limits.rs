//! Peers that are careless with what all share: connections, memory, time, and the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::config::Limits;
use crate::files::{DiskFiles, Files, FixedFile, SegmentFile};

async fn serve_with(dir: &tempfile::TempDir, change: impl FnOnce(&mut Config)) -> (Broker, SocketAddr) {
    let mut config = Config::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
    change(&mut config);
    let broker = Broker::open(config).await.unwrap();
    let address = broker.listen().await.unwrap();
    broker.create_topic("t", TopicConfig::partitions(1)).unwrap();
    (broker, address)
}

/// A batch of about so many bytes.
fn large(bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::default();
    builder.push(0, None, Some(&vec![7; bytes]));
    builder.build().unwrap().bytes().clone()
}

fn error_of(response: &ProduceResponse) -> i16 {
    response.responses[0].partition_responses[0].error_code
}

/// Whether the peer has closed the connection; waits for it.
async fn is_closed(client: &mut Client) -> bool {
    client.0.read(&mut [0; 8]).await.unwrap_or(0) == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_closed_and_room_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve_with(&dir, |config| config.limits.max_connections = 2).await;
    let mut first = Client::connect(address).await;
    let mut second = Client::connect(address).await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.call(&ApiVersionsRequest::default(), 3).await.error_code, 0);
    }
    assert!(is_closed(&mut Client::connect(address).await).await);
    drop(first);
    // The place is free as soon as the broker has noticed; until then it may close the connection before or after the request.
    loop {
        let mut third = Client::connect(address).await;
        let sent = third.try_send(&ApiVersionsRequest::default(), 3).await;
        if sent.is_ok() && third.0.read(&mut [0; 8]).await.unwrap_or(0) > 0 {
            break;
        }
    }
    assert_eq!(second.call(&ApiVersionsRequest::default(), 3).await.error_code, 0);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_closed_and_its_memory_is_free_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let stall = Duration::from_millis(300);
    let limits = Limits { request_memory_bytes: 1_000_000, stall_timeout: stall, ..Limits::default() };
    let (broker, address) = serve_with(&dir, |config| config.limits = limits).await;
    let mut stalled = Client::connect(address).await;
    stalled.0.write_all(&900_000i32.to_be_bytes()).await.unwrap();
    stalled.0.write_all(&[0, 0, 0, 9, 0, 0]).await.unwrap();
    let mut small = Client::connect(address).await;
    assert_eq!(small.call(&ApiVersionsRequest::default(), 3).await.error_code, 0, "there is room for a small one");
    let started = std::time::Instant::now();
    let (closed, answer) = tokio::join!(is_closed(&mut stalled), async {
        let mut waiting = Client::connect(address).await;
        waiting.call(&produce("t", -1, large(500_000)), 9).await
    });
    assert!(closed && started.elapsed() >= stall / 2);
    assert_eq!(error_of(&answer), 0);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_records_make_a_request_large() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve_with(&dir, |_| {}).await;
    let mut client = Client::connect(address).await;
    client.0.write_all(&(8i32 << 20).to_be_bytes()).await.unwrap();
    // JoinGroup.
    client.0.write_all(&[0, 11, 0, 5]).await.unwrap();
    assert!(is_closed(&mut client).await);
    let mut client = Client::connect(address).await;
    assert_eq!(error_of(&client.call(&produce("t", -1, large(8 << 20)), 9).await), 0);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_take_nothing_are_closed_and_others_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { fetch_memory_bytes: 16 << 20, stall_timeout: Duration::from_secs(1), ..Limits::default() };
    let (broker, address) = serve_with(&dir, |config| config.limits = limits).await;
    let id = broker.shared.topics.get("t").unwrap().id;
    for _ in 0..8 {
        broker.append("t", 0, &Batch::parse(large(8 << 20)).unwrap()).unwrap().durable.await.unwrap();
    }
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(address).await;
        for _ in 0..8 {
            client.send(&fetch("t", id, 12, 0).with_max_wait_ms(20_000), 12).await;
        }
        slow.push(client);
    }
    let mut steady = Client::connect(address).await;
    for round in 0..20 {
        let request = fetch("t", id, 12, round % 8).with_max_wait_ms(20_000);
        let answer = steady.call(&request, 12).await;
        let records = answer.responses[0].partitions[0].records.as_ref().unwrap();
        assert!(records.len() > 8 << 20, "round {round}");
    }
    for mut client in slow {
        let mut taken = Vec::new();
        let _ = client.0.read_to_end(&mut taken).await;
        assert!(taken.len() < 8 * (8 << 20), "the connection was closed before all was sent");
    }
    broker.shutdown().await;
}

/// Real files on a disk that is full, or gone, on demand.
#[derive(Debug, Default, Clone)]
struct BadDisk(Arc<(AtomicBool, AtomicBool)>);

#[derive(Debug)]
struct BadFile(Arc<dyn SegmentFile>, BadDisk);

impl Files for BadDisk {
    fn open(&self, path: &Path) -> std::io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(BadFile(DiskFiles.open(path)?, self.clone())))
    }

    fn open_fixed(&self, path: &Path) -> std::io::Result<Arc<dyn FixedFile>> {
        Ok(Arc::new(BadFixedFile(DiskFiles.open_fixed(path)?, self.clone())))
    }
}

#[derive(Debug)]
struct BadFixedFile(Arc<dyn FixedFile>, BadDisk);

impl FixedFile for BadFixedFile {
    fn write(&self, bytes: &[u8], position: u64) -> std::io::Result<()> {
        if self.1.0.1.load(Ordering::SeqCst) { Err(std::io::Error::other("the disk is gone")) } else { self.0.write(bytes, position) }
    }
}

impl SegmentFile for BadFile {
    fn append(&self, parts: &[&[u8]]) -> std::io::Result<()> {
        if self.1.0.0.load(Ordering::SeqCst) { Err(std::io::ErrorKind::StorageFull.into()) } else { self.0.append(parts) }
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
        self.0.read_at(buffer, position)
    }

    fn sync(&self) -> std::io::Result<()> {
        if self.1.0.1.load(Ordering::SeqCst) { Err(std::io::Error::other("the disk is gone")) } else { self.0.sync() }
    }

    fn truncate(&self, bytes: u64) -> std::io::Result<()> {
        self.0.truncate(bytes)
    }

    fn size(&self) -> std::io::Result<u64> {
        self.0.size()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    use kafka_protocol::messages::offset_commit_request::*;
    let dir = tempfile::tempdir().unwrap();
    let disk = BadDisk::default();
    let (broker, address) = serve_with(&dir, |config| config.files = Arc::new(disk.clone())).await;
    let id = broker.shared.topics.get("t").unwrap().id;
    let mut client = Client::connect(address).await;
    let send = produce("t", -1, batch(3).bytes().clone());
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_generation_id_or_member_epoch(-1);
    let commit = commit.with_topics(vec![topic]);
    let mut written = 0;
    for full in [false, true, false] {
        disk.0.0.store(full, Ordering::SeqCst);
        let answer = client.call(&send, 9).await;
        let committed = client.call(&commit, 8).await.topics[0].partitions[0].error_code;
        // Both are errors that clients try again after.
        let expected = if full { (ResponseError::KafkaStorageError.code(), ResponseError::CoordinatorNotAvailable.code()) } else { (0, 0) };
        assert_eq!((error_of(&answer), committed), expected);
        written += if full { 0 } else { 3 };
        if full {
            let message = answer.responses[0].partition_responses[0].error_message.as_ref().unwrap();
            assert!(message.contains("no space left"), "{message:?}");
        }
        let read = client.call(&fetch("t", id, 12, 0), 12).await;
        let data = &read.responses[0].partitions[0];
        assert_eq!((data.error_code, data.high_watermark), (0, written));
        assert!(!data.records.as_ref().unwrap().is_empty());
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_never_acknowledged_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let disk = BadDisk::default();
    let (broker, address) = serve_with(&dir, |config| config.files = Arc::new(disk.clone())).await;
    broker.create_topic("other", TopicConfig::partitions(1)).unwrap();
    let id = broker.shared.topics.get("t").unwrap().id;
    let mut client = Client::connect(address).await;
    assert_eq!(error_of(&client.call(&produce("t", -1, batch(3).bytes().clone()), 9).await), 0);
    disk.0.1.store(true, Ordering::SeqCst);
    let failed = client.call(&produce("t", -1, batch(3).bytes().clone()), 9).await;
    disk.0.1.store(false, Ordering::SeqCst);
    let after = client.call(&produce("t", -1, batch(3).bytes().clone()), 9).await;
    for answer in [failed, after] {
        assert_eq!(error_of(&answer), ResponseError::KafkaStorageError.code());
        let message = answer.responses[0].partition_responses[0].error_message.as_ref().unwrap();
        assert!(message.contains("t/0") && message.contains("the disk is gone") && message.contains("restart"), "{message:?}");
    }
    let read = client.call(&fetch("t", id, 12, 0), 12).await;
    assert_eq!(read.responses[0].partitions[0].high_watermark, 3, "what was acknowledged is read on");
    assert_eq!(error_of(&client.call(&produce("other", -1, batch(1).bytes().clone()), 9).await), 0, "the other partitions go on");
    broker.shutdown().await;
}
