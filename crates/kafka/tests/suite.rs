//! Both pairs, in process and over a client, pass the pipeline's shared suite.

use broker::{BatchBuilder, Broker, Compression, Config, TopicConfig};
use domain::{Kind, TopicPartition};
use kafka::cluster::{ClusterSink, ClusterSource};
use kafka::embedded::{EmbeddedSink, EmbeddedSource};
use kafka::{Cluster, Embedded};
use pipeline::suite::{self, Harness};
use pipeline::{Entry, Outgoing, Output, Run, Sink, Source, Ticket};
use std::time::Duration;

struct InProcess {
    log: Embedded,
    broker: Broker,
    /// Whether sources read ahead of the disk, as the scorer's does.
    ahead: bool,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl InProcess {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let broker = runtime.block_on(Broker::open(Config::new(dir.path()).listen(([127, 0, 0, 1], 0).into()))).unwrap();
        Self { log: Embedded::new(broker.clone()), broker, ahead: false, _runtime: runtime, _dir: dir }
    }
}

impl Harness for InProcess {
    type Source = EmbeddedSource;
    type Sink = EmbeddedSink;

    fn create(&mut self, topic: &str, partitions: i32) {
        self.broker.create_topic(topic, TopicConfig::partitions(partitions)).unwrap();
    }

    fn append(&mut self, at: &TopicPartition, timestamp_ms: i64, values: &[&[u8]]) {
        let mut batch = BatchBuilder::new(Compression::Lz4);
        values.iter().for_each(|v| batch.push(timestamp_ms, None, Some(v)));
        self.broker.append(&at.topic, at.partition, &batch.build().unwrap()).unwrap().durable.wait().unwrap();
    }

    fn source(&mut self) -> EmbeddedSource {
        if self.ahead { self.log.source_ahead() } else { self.log.source() }
    }

    fn sink(&mut self) -> EmbeddedSink {
        for topic in ["seq", "out-a", "out-b"] {
            self.create(topic, 1);
        }
        self.log.sink("seq", &["out-a", "out-b"])
    }
}

#[test]
fn the_embedded_log_passes_the_shared_suite() {
    suite::all(InProcess::new);
    suite::all(|| InProcess { ahead: true, ..InProcess::new() });
}

/// One that took nothing.
fn entry(first: u64) -> Entry {
    Entry { first, taken_at: 7000, runs: Vec::new() }
}

#[test]
fn large_and_small_commits_keep_their_order() {
    let mut h = InProcess::new();
    let mut sink = h.sink();
    sink.recover(None).unwrap();
    let mut tickets = Vec::new();
    let mut written = 0;
    // However they are written, none may overtake another.
    for (n, count) in [1, 3000, 1, 2, 5000, 129, 128, 1, 4000, 1].into_iter().enumerate() {
        let records = (written..written + count).map(|i| Outgoing { key: None, value: format!("{i}").into() }).collect();
        written += count;
        tickets.push(sink.commit(&entry(n as u64), vec![Output { topic: 0, records }]).unwrap());
    }
    tickets.into_iter().for_each(|t| t.wait().unwrap());
    drop(sink);
    let mut source = h.source();
    let mut all = |topic: &str| {
        let (at, mut out) = (TopicPartition::new(topic, 0), Vec::new());
        let (mut from, end) = source.bounds(&at).unwrap();
        while from < end {
            source.fetch(&at, from, 1 << 20, &mut out).unwrap();
            from = out.last().unwrap().offset + 1;
        }
        out
    };
    let values: Vec<String> = all("out-a").iter().map(|r| String::from_utf8(r.value.to_vec()).unwrap()).collect();
    assert_eq!(values, (0..written).map(|i| i.to_string()).collect::<Vec<_>>());
    // Each entry says where its output ended.
    let ends: Vec<Vec<i64>> = all("seq").iter().map(|r| serde_json::from_slice(r.key.as_deref().unwrap()).unwrap()).collect();
    let sums = [1, 3001, 3002, 3004, 8004, 8133, 8261, 8262, 12262, 12263];
    assert_eq!(ends, sums.map(|end| vec![end, 0]).to_vec());
    // A sink made anew goes on behind them.
    let mut again = h.sink();
    again.recover(None).unwrap();
    let more = Output { topic: 0, records: vec![Outgoing { key: None, value: "more".into() }] };
    again.commit(&entry(0), vec![more]).unwrap().wait().unwrap();
    assert_eq!(h.source().bounds(&TopicPartition::new("out-a", 0)).unwrap(), (0, 12264));
}

#[test]
fn a_commit_waits_for_the_inputs_it_names_and_goes_where_they_are_lost() {
    let mut h = InProcess { ahead: true, ..InProcess::new() };
    h.create("in", 1);
    let input = TopicPartition::new("in", 0);
    let mut sink = h.sink();
    sink.recover(None).unwrap();
    for n in 0..3 {
        h.append(&input, 0, &[b"v"]);
        let run = Run { topic: "in".into(), partition: 0, first: n, last: n, count: 1 };
        let output = Output { topic: 0, records: vec![Outgoing { key: None, value: format!("{n}").into() }] };
        let entry = Entry { first: n as u64, taken_at: 0, runs: vec![run] };
        sink.commit(&entry, vec![output]).unwrap().wait().unwrap();
    }
    // An entry that names what was never appended cannot be written.
    let ahead = Run { topic: "in".into(), partition: 0, first: 3, last: 3, count: 1 };
    assert!(sink.commit(&Entry { first: 3, taken_at: 0, runs: vec![ahead] }, Vec::new()).is_err());
    h.broker.truncate("in", 0, 2).unwrap();
    let mut again = h.sink();
    again.recover(Some(2)).unwrap();
    let ends = ["seq", "out-a"].map(|topic| h.source().bounds(&TopicPartition::new(topic, 0)).unwrap());
    assert_eq!(ends, [(0, 2), (0, 2)]);
}

/// The client against the embedded broker, over a socket.
struct OverSocket {
    cluster: Cluster,
    inner: InProcess,
}

impl OverSocket {
    fn new() -> Self {
        let inner = InProcess::new();
        let address = inner._runtime.block_on(inner.broker.listen()).unwrap();
        Self { cluster: Cluster::at(address.to_string()), inner }
    }
}

impl Harness for OverSocket {
    type Source = ClusterSource;
    type Sink = ClusterSink;

    fn create(&mut self, topic: &str, partitions: i32) {
        self.inner.create(topic, partitions);
    }

    fn append(&mut self, at: &TopicPartition, timestamp_ms: i64, values: &[&[u8]]) {
        self.inner.append(at, timestamp_ms, values);
    }

    fn source(&mut self) -> ClusterSource {
        self.cluster.source().unwrap()
    }

    fn sink(&mut self) -> ClusterSink {
        for topic in ["seq", "out-a", "out-b"] {
            self.create(topic, 1);
        }
        self.cluster.sink("suite", "seq", &["out-a", "out-b"]).unwrap()
    }
}

#[test]
fn the_client_passes_the_shared_suite_against_the_embedded_broker() {
    suite::all(OverSocket::new);
}

#[test]
fn a_second_writer_fences_the_first() {
    let mut h = OverSocket::new();
    let mut first = h.sink();
    first.recover(None).unwrap();
    first.commit(&entry(0), Vec::new()).unwrap().wait().unwrap();
    let mut second = h.sink();
    second.recover(None).unwrap();
    let refused = first.commit(&entry(0), Vec::new()).and_then(Ticket::wait).unwrap_err();
    assert_eq!(refused.kind, Kind::Stop);
    second.commit(&entry(0), Vec::new()).unwrap().wait().unwrap();
}

#[test]
fn a_sender_reaches_the_broker_and_says_so() {
    let mut h = OverSocket::new();
    h.create("in", 1);
    let sender = h.cluster.sender().unwrap();
    sender.check(Duration::from_secs(10)).unwrap();
    for i in 0..1000 {
        sender.send("in", 7, &Outgoing { key: Some("k".into()), value: format!("{i}").into() }).unwrap();
    }
    sender.flush(Duration::from_secs(30)).unwrap();
    let at = TopicPartition::new("in", 0);
    let mut source = h.source();
    assert_eq!(source.bounds(&at).unwrap(), (0, 1000));
    let mut out = Vec::new();
    source.fetch(&at, 0, 1, &mut out).unwrap();
    assert_eq!((out[0].timestamp_ms, &out[0].value[..]), (7, &b"0"[..]));
    assert_eq!(Cluster::at("127.0.0.1:9").sender().unwrap().check(Duration::from_millis(300)).unwrap_err().kind, Kind::Retry);
}

#[test]
fn an_appender_tells_where_each_record_stands() {
    let h = OverSocket::new();
    h.cluster.create_topics(&[("fast".into(), 1)]).unwrap();
    h.cluster.create_topics(&[("fast".into(), 1)]).expect("a topic that is there is no error");
    let mut appender = h.cluster.appender("fast").unwrap();
    let records = |n: usize| vec![("k".into(), "v".into()); n];
    assert_eq!(appender.append(&records(3), 7).unwrap(), [0, 1, 2]);
    assert_eq!(appender.append(&records(2), 7).unwrap(), [3, 4]);
}
