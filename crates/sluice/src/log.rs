//! The log that an instance stands on: its own broker, or a cluster at an address. Everything else is the same code over this.

use broker::{BatchBuilder, Broker, Compression, Config, Security, TopicConfig};
use bytes::Bytes;
use domain::{Error, Result};
use kafka::{Cluster, Embedded};
use pipeline::{Outgoing, Sink, Source};
use project::LogSettings;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Who writes the results on a cluster. There is one sequence there, so there is one writer, whatever its project is called: a second
/// instance fences the first.
const WRITER: &str = "sluice-sequence";

/// Where the embedded broker serves clients.
#[derive(Clone, Debug)]
pub struct Door {
    pub address: SocketAddr,
    /// What clients are told to connect to; without it the address.
    pub advertised: Option<(String, u16)>,
}

impl From<SocketAddr> for Door {
    fn from(address: SocketAddr) -> Self {
        Self { address, advertised: None }
    }
}

/// What a topic is created with.
pub struct Topic {
    pub name: String,
    pub partitions: i32,
    /// Milliseconds; none keeps everything. A cluster keeps to its own settings.
    pub retention_ms: Option<i64>,
    /// Whether only we write it. A cluster's own access rules say so there.
    pub internal: bool,
}

/// Clones share one log.
#[derive(Clone)]
pub enum Log {
    Embedded { broker: Broker, log: Embedded },
    Cluster { cluster: Cluster },
}

/// Appends to one partition, and says where each record stands.
pub enum Appender {
    Embedded { broker: Broker, topic: String, batch: BatchBuilder },
    Cluster(kafka::Appender),
}

impl Log {
    /// Opens the embedded log in a folder (it does not listen yet), or reaches the cluster.
    pub fn open(settings: &LogSettings, dir: &Path, listen: Option<Door>, runtime: &tokio::runtime::Handle) -> Result<Self> {
        match settings {
            LogSettings::Embedded => {
                let (listen, advertised) = listen.map_or((None, None), |door| (Some(door.address), door.advertised));
                let config = Config { listen, advertised, ..Config::new(dir.join("log")) };
                let broker = runtime.block_on(Broker::open(config)).map_err(|e| kafka::embedded::error("cannot open the log", e))?;
                Ok(Self::Embedded { log: Embedded::new(broker.clone()), broker })
            }
            LogSettings::Kafka { bootstrap, properties } => {
                let cluster = Cluster::with(bootstrap, properties.clone());
                cluster.reach(Duration::from_secs(3))?;
                Ok(Self::Cluster { cluster })
            }
        }
    }

    /// The broker of this process, if the log is its own.
    pub fn broker(&self) -> Option<&Broker> {
        match self {
            Self::Embedded { broker, .. } => Some(broker),
            Self::Cluster { .. } => None,
        }
    }

    /// Begins to serve clients; gives the address they should use.
    pub fn listen(&self, security: Security, runtime: &tokio::runtime::Handle) -> Result<String> {
        match self {
            Self::Embedded { broker, .. } => runtime.block_on(broker.listen_with(security)).map(|a| a.to_string()).map_err(|e| {
                Error::stop("cannot listen for Kafka clients", "another program listens there; choose another address with --kafka")
                    .because(e)
            }),
            Self::Cluster { cluster, .. } => Ok(cluster.bootstrap.clone()),
        }
    }

    pub fn create(&self, topics: &[Topic]) -> Result<()> {
        match self {
            Self::Embedded { broker, .. } => topics.iter().try_for_each(|topic| {
                let config =
                    TopicConfig { retention_ms: topic.retention_ms, internal: topic.internal, ..TopicConfig::partitions(topic.partitions) };
                let created = broker.create_topic(&topic.name, config);
                created.map(drop).map_err(|e| kafka::embedded::error(&format!("cannot create topic `{}`", topic.name), e))
            }),
            Self::Cluster { cluster, .. } => {
                let topics: Vec<_> = topics.iter().map(|t| (t.name.clone(), t.partitions)).collect();
                cluster.create_topics(&topics)
            }
        }
    }

    pub fn source(&self) -> Result<Box<dyn Source>> {
        Ok(match self {
            Self::Embedded { log, .. } => Box::new(log.source()),
            Self::Cluster { cluster, .. } => Box::new(cluster.source()?),
        })
    }

    /// For the scorer alone: where the log is ours, reads ahead of the disk, as what the sink writes waits for what it was made from; on a
    /// cluster what was read is remembered with the sequence.
    pub fn source_ahead(&self) -> Result<Box<dyn Source>> {
        Ok(match self {
            Self::Embedded { log, .. } => Box::new(log.source_ahead()),
            Self::Cluster { cluster } => Box::new(cluster.noting_source()?),
        })
    }

    pub fn sink(&self, sequence: &str, outputs: &[&str]) -> Result<Box<dyn Sink>> {
        Ok(match self {
            Self::Embedded { log, .. } => Box::new(log.sink(sequence, outputs)),
            Self::Cluster { cluster } => Box::new(cluster.sink(WRITER, sequence, outputs)?),
        })
    }

    /// For a topic of one partition.
    pub fn appender(&self, topic: &str) -> Result<Appender> {
        Ok(match self {
            Self::Embedded { broker, .. } => {
                Appender::Embedded { broker: broker.clone(), topic: topic.to_owned(), batch: BatchBuilder::new(Compression::None) }
            }
            Self::Cluster { cluster, .. } => Appender::Cluster(cluster.appender(topic)?),
        })
    }

    /// Appends to partition 0 and returns the offset of the last record when all are durable.
    pub fn append(&self, topic: &str, timestamp_ms: i64, records: &[Outgoing]) -> Result<i64> {
        match self {
            Self::Embedded { broker, .. } => {
                let cannot = |e| kafka::embedded::error(&format!("cannot write to `{topic}`"), e);
                let mut batch = BatchBuilder::new(Compression::None);
                records.iter().for_each(|r| batch.push(timestamp_ms, r.key.as_deref(), Some(&r.value)));
                let appended = broker.append(topic, 0, &batch.build().map_err(cannot)?).map_err(cannot)?;
                appended.durable.wait().map_err(cannot)?;
                Ok(appended.last_offset)
            }
            Self::Cluster { cluster, .. } => {
                let records: Vec<_> = records.iter().map(|r| (r.key.clone().unwrap_or_default(), r.value.clone())).collect();
                let offsets = cluster.appender(topic)?.append(&records, timestamp_ms)?;
                offsets.last().copied().ok_or_else(|| Error::bug("an append of nothing"))
            }
        }
    }

    /// Nothing from `next` on may be forgotten, as `reader` still needs it. A cluster keeps to its own retention; there a position
    /// that fell behind is a Stop.
    pub fn set_floor(&self, topic: &str, partition: i32, reader: &str, next: Option<i64>) -> Result<()> {
        match self {
            Self::Embedded { broker, .. } => broker
                .set_reader_floor(topic, partition, reader, next)
                .map_err(|e| kafka::embedded::error(&format!("cannot set the floor of `{topic}`"), e)),
            Self::Cluster { .. } => Ok(()),
        }
    }

    /// How often a cluster was away when it was written to.
    pub fn retries(&self) -> u64 {
        match self {
            Self::Embedded { .. } => 0,
            Self::Cluster { cluster, .. } => cluster.retries.load(Ordering::Relaxed),
        }
    }

    /// Bytes on disk, where that is ours to know.
    pub fn bytes(&self) -> u64 {
        self.broker().map_or(0, |b| b.topics().iter().map(|t| t.bytes).sum())
    }

    pub async fn close(&self) {
        if let Self::Embedded { broker, .. } = self {
            broker.shutdown().await;
        }
    }
}

impl Appender {
    /// Appends (key, value) records and tells the offset of each. They may not be on disk yet where only this process can see them.
    pub fn append(&mut self, records: &[(Bytes, Bytes)], timestamp_ms: i64) -> Result<Vec<i64>> {
        match self {
            Self::Embedded { broker, topic, batch } => {
                records.iter().for_each(|(key, value)| batch.push(timestamp_ms, Some(key), Some(value)));
                let cannot = |e| kafka::embedded::error(&format!("cannot write to `{topic}`"), e);
                let appended = broker.append(topic, 0, &batch.build().map_err(cannot)?).map_err(cannot)?;
                Ok((appended.base_offset..=appended.last_offset).collect())
            }
            Self::Cluster(appender) => appender.append(records, timestamp_ms),
        }
    }
}
