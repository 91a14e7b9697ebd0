//! The embedded log passes the pipeline's shared suite.

use broker::{BatchBuilder, Broker, Compression, Config, TopicConfig};
use domain::TopicPartition;
use kafka::Embedded;
use kafka::embedded::{EmbeddedSink, EmbeddedSource};
use pipeline::suite::{self, Harness};

struct InProcess {
    log: Embedded,
    broker: Broker,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

impl InProcess {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let broker = runtime.block_on(Broker::open(Config::new(dir.path()))).unwrap();
        Self { log: Embedded::new(broker.clone(), ["urgent".to_owned()]), broker, _runtime: runtime, _dir: dir }
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
        self.log.source()
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
}
