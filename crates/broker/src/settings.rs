//! A topic's settings under Kafka's names: how each is read from text, shown, and what holds without it. Everything a
//! client may set is in this one list; any other name, and a value that would make no difference here, is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::config::{Cleanup, Config, TimestampType, TopicConfig};
use crate::error::{Error, Result};

pub(crate) const DEFAULT_DELETE_RETENTION_MS: u64 = 24 * 3600 * 1000;
pub(crate) const DEFAULT_DIRTY_RATIO: f64 = 0.5;
/// Smaller segments would cost more than they hold.
const LEAST_SEGMENT_BYTES: u64 = 1 << 10;

/// Type of a setting's value, by its number in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean = 1,
    Text = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// One setting.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The broker-wide setting that gives the default, by Kafka's name, where Kafka's own has a value.
    pub(crate) default_name: Option<&'static str>,
    pub(crate) documentation: &'static str,
    default: fn(&Config) -> String,
    /// The topic's own value, if it has one.
    get: fn(&TopicConfig) -> Option<String>,
    /// Takes a value; None goes back to the default. The error says what would be valid.
    set: fn(&mut TopicConfig, Option<&str>) -> std::result::Result<(), String>,
}

impl Setting {
    /// The setting with this name.
    pub(crate) fn named(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// What holds for a topic, and whether it says so itself.
    pub(crate) fn show(&self, topic: &TopicConfig, broker: &Config) -> (String, bool) {
        match (self.get)(topic) {
            Some(own) => (own, true),
            None => (self.default(broker), false),
        }
    }

    pub(crate) fn default(&self, broker: &Config) -> String {
        (self.default)(broker)
    }
}

/// How a setting is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Set,
    Delete,
    /// Adds to a list.
    Append,
    /// Takes out of a list.
    Subtract,
}

/// Changes one setting by name.
pub(crate) fn change(topic: &mut TopicConfig, name: &str, operation: Operation, value: Option<&str>) -> Result<()> {
    let setting = Setting::named(name).ok_or_else(|| Error::InvalidConfig(format!("unknown topic setting {name}")))?;
    if topic.internal && !matches!(name, "retention.ms" | "retention.bytes" | "segment.bytes" | "segment.ms") {
        return Err(Error::Policy(format!(
            "{name} of a topic that this instance writes itself cannot be changed; retention and segments can"
        )));
    }
    let refused = |reason: String| Error::InvalidConfig(format!("{name}: {reason}"));
    let value = match operation {
        Operation::Delete => None,
        Operation::Set => Some(value.ok_or_else(|| refused("a value is missing".into()))?.to_string()),
        Operation::Append | Operation::Subtract if setting.kind != Kind::List => {
            return Err(refused("only lists can be appended to or subtracted from".into()));
        }
        Operation::Append | Operation::Subtract => {
            let old = (setting.get)(topic).unwrap_or_else(|| "delete".into());
            let given: Vec<&str> = value.unwrap_or_default().split(',').map(str::trim).collect();
            let mut items: Vec<&str> = old.split(',').filter(|item| !given.contains(item)).collect();
            if operation == Operation::Append {
                items.extend(given);
            }
            Some(items.join(","))
        }
    };
    (setting.set)(topic, value.as_deref()).map_err(refused)
}

/// All settings of a topic, in Kafka's order (by name).
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "cleanup.policy",
        kind: Kind::List,
        default_name: Some("log.cleanup.policy"),
        documentation: "delete: retention removes old segments; compact: a record goes once a later one has its key; or both",
        default: |_| "delete".into(),
        get: |topic| {
            topic.cleanup.map(|cleanup| match cleanup {
                Cleanup::Delete => "delete".into(),
                Cleanup::Compact => "compact".into(),
                Cleanup::CompactAndDelete => "compact,delete".into(),
            })
        },
        set: |topic, value| {
            topic.cleanup = value.map(cleanup).transpose()?;
            Ok(())
        },
    },
    Setting {
        name: "compression.type",
        kind: Kind::Text,
        default_name: Some("compression.type"),
        documentation: "batches are kept as their producer compressed them",
        default: |_| "producer".into(),
        get: |_| None,
        set: |_, value| only("producer", value),
    },
    Setting {
        name: "delete.retention.ms",
        kind: Kind::Long,
        default_name: Some("log.cleaner.delete.retention.ms"),
        documentation: "how long a tombstone stays after compaction has first seen it",
        default: |_| DEFAULT_DELETE_RETENTION_MS.to_string(),
        get: |topic| show(topic.delete_retention_ms),
        set: |topic, value| number(value, 0).map(|ms| topic.delete_retention_ms = ms),
    },
    Setting {
        name: "max.compaction.lag.ms",
        kind: Kind::Long,
        default_name: Some("log.cleaner.max.compaction.lag.ms"),
        documentation: "records older than this are compacted however little there is to gain",
        default: |_| i64::MAX.to_string(),
        get: |topic| show(topic.max_compaction_lag_ms),
        set: |topic, value| number(value, 1).map(|ms| topic.max_compaction_lag_ms = ms),
    },
    Setting {
        name: "max.message.bytes",
        kind: Kind::Int,
        default_name: Some("message.max.bytes"),
        documentation: "largest record batch, compressed",
        default: |broker| broker.limits.max_batch_bytes.to_string(),
        get: |topic| show(topic.max_message_bytes),
        set: |topic, value| {
            topic.max_message_bytes = number(value, 0)?.map(|bytes| bytes as usize);
            Ok(())
        },
    },
    Setting {
        name: "message.timestamp.type",
        kind: Kind::Text,
        default_name: Some("log.message.timestamp.type"),
        documentation: "whether records carry their producer's time or the broker's",
        default: |_| "CreateTime".into(),
        get: |topic| {
            topic.timestamp_type.map(|kind| match kind {
                TimestampType::CreateTime => "CreateTime".into(),
                TimestampType::LogAppendTime => "LogAppendTime".into(),
            })
        },
        set: |topic, value| {
            topic.timestamp_type = match value {
                None => None,
                Some("CreateTime") => Some(TimestampType::CreateTime),
                Some("LogAppendTime") => Some(TimestampType::LogAppendTime),
                Some(other) => return Err(format!("{other} is neither CreateTime nor LogAppendTime")),
            };
            Ok(())
        },
    },
    Setting {
        name: "min.cleanable.dirty.ratio",
        kind: Kind::Double,
        default_name: Some("log.cleaner.min.cleanable.ratio"),
        documentation: "the share of a log that must be new before it is compacted again",
        default: |_| DEFAULT_DIRTY_RATIO.to_string(),
        get: |topic| show(topic.min_cleanable_dirty_ratio),
        set: |topic, value| {
            let ratio = value.map(|value| value.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or(value));
            topic.min_cleanable_dirty_ratio = ratio.transpose().map_err(|value| format!("{value} is not between 0 and 1"))?;
            Ok(())
        },
    },
    Setting {
        name: "min.compaction.lag.ms",
        kind: Kind::Long,
        default_name: Some("log.cleaner.min.compaction.lag.ms"),
        documentation: "records younger than this are not compacted",
        default: |_| "0".into(),
        get: |topic| show(topic.min_compaction_lag_ms),
        set: |topic, value| number(value, 0).map(|ms| topic.min_compaction_lag_ms = ms),
    },
    Setting {
        name: "min.insync.replicas",
        kind: Kind::Int,
        default_name: Some("min.insync.replicas"),
        documentation: "there is one node",
        default: |_| "1".into(),
        get: |_| None,
        set: |_, value| only("1", value),
    },
    Setting {
        name: "retention.bytes",
        kind: Kind::Long,
        default_name: Some("log.retention.bytes"),
        documentation: "the oldest segments go when a partition is larger; -1 sets no bound",
        default: |_| "-1".into(),
        get: |topic| topic.retention_bytes.map(|bytes| bytes.to_string()),
        set: |topic, value| limit(value).map(|bytes| topic.retention_bytes = bytes),
    },
    Setting {
        name: "retention.ms",
        kind: Kind::Long,
        default_name: None,
        documentation: "segments go this long after their last append; -1 keeps them",
        default: |_| "-1".into(),
        get: |topic| topic.retention_ms.map(|ms| ms.to_string()),
        set: |topic, value| limit(value).map(|ms| topic.retention_ms = ms),
    },
    Setting {
        name: "segment.bytes",
        kind: Kind::Int,
        default_name: Some("log.segment.bytes"),
        documentation: "size at which a new segment is started",
        default: |broker| broker.segment_bytes.to_string(),
        get: |topic| show(topic.segment_bytes),
        set: |topic, value| number(value, LEAST_SEGMENT_BYTES).map(|bytes| topic.segment_bytes = bytes),
    },
    Setting {
        name: "segment.ms",
        kind: Kind::Long,
        default_name: None,
        documentation: "age at which a new segment is started",
        default: |broker| broker.segment_age.as_millis().to_string(),
        get: |topic| show(topic.segment_ms),
        set: |topic, value| number(value, 1).map(|ms| topic.segment_ms = ms),
    },
    Setting {
        name: "unclean.leader.election.enable",
        kind: Kind::Boolean,
        default_name: Some("unclean.leader.election.enable"),
        documentation: "there is one node",
        default: |_| "false".into(),
        get: |_| None,
        set: |_, value| only("false", value),
    },
];

fn show<T: ToString>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn cleanup(value: &str) -> std::result::Result<Cleanup, String> {
    let (mut compacts, mut deletes) = (false, false);
    for item in value.split(',').map(str::trim) {
        match item {
            "compact" => compacts = true,
            "delete" => deletes = true,
            _ => return Err(format!("{value:?} is not a list of compact and delete")),
        }
    }
    Ok(match (compacts, deletes) {
        (true, true) => Cleanup::CompactAndDelete,
        (true, false) => Cleanup::Compact,
        _ => Cleanup::Delete,
    })
}

/// A number of at least `least`; at most what Kafka's clients can show.
fn number(value: Option<&str>, least: u64) -> std::result::Result<Option<u64>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.trim().parse::<u64>() {
        Ok(number) if (least..=i64::MAX as u64).contains(&number) => Ok(Some(number)),
        _ => Err(format!("{value} is not a number of at least {least}")),
    }
}

/// A number of at least -1, which stands for no limit.
fn limit(value: Option<&str>) -> std::result::Result<Option<i64>, String> {
    let Some(value) = value else { return Ok(None) };
    value.trim().parse::<i64>().ok().filter(|limit| *limit >= -1).map(Some).ok_or_else(|| format!("{value} is not a number of at least -1"))
}

/// For a setting that has one value here.
fn only(valid: &str, value: Option<&str>) -> std::result::Result<(), String> {
    match value {
        Some(value) if value != valid => Err(format!("can only be {valid} here, not {value}")),
        _ => Ok(()),
    }
}

/// The settings that appends look at; one for all partitions of a topic, changed while they run.
#[derive(Debug)]
pub(crate) struct LogSettings {
    segment_bytes: AtomicU64,
    segment_ms: AtomicU64,
    max_batch_bytes: AtomicUsize,
    log_append_time: AtomicBool,
    compacts: AtomicBool,
}

impl LogSettings {
    pub(crate) fn new(topic: &TopicConfig, broker: &Config) -> Arc<LogSettings> {
        let settings = LogSettings::plain(0, 0, 0);
        settings.update(topic, broker);
        settings
    }

    /// Settings of a log that is no topic's.
    pub(crate) fn plain(segment_bytes: u64, segment_ms: u64, max_batch_bytes: usize) -> Arc<LogSettings> {
        Arc::new(LogSettings {
            segment_bytes: segment_bytes.into(),
            segment_ms: segment_ms.into(),
            max_batch_bytes: max_batch_bytes.into(),
            log_append_time: false.into(),
            compacts: false.into(),
        })
    }

    pub(crate) fn update(&self, topic: &TopicConfig, broker: &Config) {
        self.segment_bytes.store(topic.segment_bytes.unwrap_or(broker.segment_bytes), Ordering::Relaxed);
        self.segment_ms.store(topic.segment_ms.unwrap_or(broker.segment_age.as_millis() as u64), Ordering::Relaxed);
        self.max_batch_bytes.store(topic.max_message_bytes.unwrap_or(broker.limits.max_batch_bytes), Ordering::Relaxed);
        self.log_append_time.store(topic.timestamp_type == Some(TimestampType::LogAppendTime), Ordering::Relaxed);
        self.compacts.store(topic.compacts(), Ordering::Relaxed);
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn segment_ms(&self) -> u64 {
        self.segment_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn max_batch_bytes(&self) -> usize {
        self.max_batch_bytes.load(Ordering::Relaxed)
    }

    /// Whether records of clients get the time of their append.
    pub(crate) fn log_append_time(&self) -> bool {
        self.log_append_time.load(Ordering::Relaxed)
    }

    /// Whether every record needs a key.
    pub(crate) fn compacts(&self) -> bool {
        self.compacts.load(Ordering::Relaxed)
    }
}
