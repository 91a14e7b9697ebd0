//! The broker's topics: one folder each under `topics/`, with a small settings file and a folder a partition.
//! Creating and deleting are atomic by a rename, so that a crash never leaves half a topic.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::{Config, TopicConfig, check_topic_name};
use crate::error::{Error, Result};
use crate::files::{read_checked, replace_checked, sync_dir};
use crate::log::{CompactionRules, Partition, PartitionOptions, Syncer};
use crate::settings::{DEFAULT_DELETE_RETENTION_MS, DEFAULT_DIRTY_RATIO, LogSettings};

const SETTINGS_FILE: &str = "topic.json";

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
    pub(crate) config: TopicConfig,
    pub(crate) partitions: Vec<Arc<Partition>>,
    /// What the partitions follow of `config`.
    settings: Arc<LogSettings>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Settings {
    id: Uuid,
    #[serde(flatten)]
    config: TopicConfig,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    dir: PathBuf,
    /// Topics being made or deleted; emptied at the start.
    scratch: PathBuf,
    broker: Config,
    syncer: Arc<Syncer>,
    known: RwLock<Known>,
    /// Held while a topic is created or deleted.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: FxHashMap<Arc<str>, Arc<Topic>>,
    by_id: FxHashMap<Uuid, Arc<Topic>>,
}

impl Topics {
    /// Opens and recovers all topics.
    pub(crate) fn open(broker: Config, syncer: Arc<Syncer>) -> Result<Topics> {
        let dir = broker.dir.join("topics");
        let scratch = broker.dir.join("scratch");
        match std::fs::remove_dir_all(&scratch) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &scratch, error));
            }
            _ => {}
        }
        for path in [&dir, &scratch] {
            std::fs::create_dir_all(path).map_err(|e| Error::io("create", path, e))?;
        }
        sync_dir(&broker.dir).map_err(|e| Error::io("sync", &broker.dir, e))?;
        let topics = Topics { dir: dir.clone(), scratch, broker, syncer, known: RwLock::default(), changing: Mutex::default() };
        for entry in std::fs::read_dir(&dir).map_err(|e| Error::io("read", &dir, e))? {
            let path = entry.map_err(|e| Error::io("read", &dir, e))?.path();
            if path.is_dir() {
                let topic = topics.load(&path)?;
                topics.remember(topic);
            }
        }
        Ok(topics)
    }

    fn load(&self, path: &Path) -> Result<Topic> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        check_topic_name(name)?;
        let file = path.join(SETTINGS_FILE);
        let text = read_checked(&file).map_err(|e| Error::io("read", &file, e))?;
        let settings: Settings = serde_json::from_str(&text).map_err(|e| Error::io("read", &file, e.into()))?;
        self.open_partitions(name, settings, path)
    }

    fn open_partitions(&self, name: &str, settings: Settings, path: &Path) -> Result<Topic> {
        let name: Arc<str> = name.into();
        let Settings { id, config } = settings;
        let log_settings = LogSettings::new(&config, &self.broker);
        let partitions =
            (0..config.partitions).map(|number| self.open_partition(&name, id, number, path, &log_settings)).collect::<Result<_>>()?;
        Ok(Topic { name, id, config, partitions, settings: log_settings })
    }

    fn open_partition(&self, topic: &Arc<str>, id: Uuid, number: i32, path: &Path, settings: &Arc<LogSettings>) -> Result<Arc<Partition>> {
        let options = PartitionOptions { sync: self.broker.sync, settings: settings.clone(), topic_id: id };
        Partition::open(topic.clone(), number, path.join(number.to_string()), self.broker.files.clone(), options, self.syncer.clone())
    }

    fn remember(&self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        let mut known = self.known.write();
        known.by_id.insert(topic.id, topic.clone());
        known.by_name.insert(topic.name.clone(), topic.clone());
        topic
    }

    /// Creates a topic; false with the existing one if there is one of that name.
    pub(crate) fn create(&self, name: &str, mut config: TopicConfig) -> Result<(Arc<Topic>, bool)> {
        self.check(name, &mut config)?;
        let _changing = self.changing.lock();
        if let Some(topic) = self.get(name) {
            return Ok((topic, false));
        }
        let settings = Settings { id: Uuid::new_v4(), config };
        let partial = self.scratch.join(settings.id.to_string());
        for number in 0..settings.config.partitions {
            let dir = partial.join(number.to_string());
            std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
        }
        save(&partial, &settings)?;
        let path = self.dir.join(name);
        std::fs::rename(&partial, &path).map_err(|e| Error::io("create", &path, e))?;
        sync_dir(&self.dir).map_err(|e| Error::io("sync", &self.dir, e))?;
        let topic = self.open_partitions(name, settings, &path)?;
        Ok((self.remember(topic), true))
    }

    /// Checks name and settings, and fills in the default number of partitions.
    pub(crate) fn check(&self, name: &str, config: &mut TopicConfig) -> Result<()> {
        check_topic_name(name)?;
        if config.partitions == 0 {
            config.partitions = self.broker.default_partitions;
        }
        let most = self.broker.limits.max_partitions;
        if !(1..=most).contains(&config.partitions) {
            return Err(Error::InvalidArgument(format!(
                "{} partitions asked for topic {name}, which may have 1 to {most}",
                config.partitions
            )));
        }
        Ok(())
    }

    /// Changes a topic's settings, durably and while it is used.
    pub(crate) fn alter(&self, name: &str, change: impl FnOnce(&mut TopicConfig) -> Result<()>) -> Result<()> {
        let _changing = self.changing.lock();
        let topic = self.get(name).ok_or_else(|| unknown(name, 0))?;
        let mut config = topic.config.clone();
        change(&mut config)?;
        if config == topic.config {
            return Ok(());
        }
        save(&self.dir.join(name), &Settings { id: topic.id, config: config.clone() })?;
        topic.settings.update(&config, &self.broker);
        self.remember(Topic {
            name: topic.name.clone(),
            id: topic.id,
            config,
            partitions: topic.partitions.clone(),
            settings: topic.settings.clone(),
        });
        Ok(())
    }

    /// Adds partitions to a topic, up to a number of them; or only checks whether that could be done.
    pub(crate) fn grow(&self, name: &str, partitions: i32, check_only: bool) -> Result<()> {
        let _changing = self.changing.lock();
        let topic = self.get(name).ok_or_else(|| unknown(name, 0))?;
        let mut config = topic.config.clone();
        config.partitions = if partitions == 0 { -1 } else { partitions };
        self.check(name, &mut config)?;
        if partitions <= topic.config.partitions {
            let present = topic.config.partitions;
            return Err(Error::InvalidArgument(format!("topic {name} has {present} partitions; it can only get more, not {partitions}")));
        }
        if check_only {
            return Ok(());
        }
        // Their folders come first: without the settings that count them they are nothing.
        let path = self.dir.join(name);
        let mut all = topic.partitions.clone();
        for number in topic.config.partitions..partitions {
            let dir = path.join(number.to_string());
            std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
            all.push(self.open_partition(&topic.name, topic.id, number, &path, &topic.settings)?);
        }
        save(&path, &Settings { id: topic.id, config: config.clone() })?;
        self.remember(Topic { name: topic.name.clone(), id: topic.id, config, partitions: all, settings: topic.settings.clone() });
        Ok(())
    }

    /// Deletes a topic with its records.
    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        let _changing = self.changing.lock();
        let topic = {
            let mut known = self.known.write();
            let topic = known.by_name.remove(name).ok_or_else(|| unknown(name, 0))?;
            known.by_id.remove(&topic.id);
            topic
        };
        for partition in &topic.partitions {
            partition.retire();
        }
        let path = self.dir.join(name);
        let gone = self.scratch.join(topic.id.to_string());
        std::fs::rename(&path, &gone).map_err(|e| Error::io("delete", &path, e))?;
        sync_dir(&self.dir).map_err(|e| Error::io("sync", &self.dir, e))?;
        std::fs::remove_dir_all(&gone).map_err(|e| Error::io("delete", &gone, e))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.known.read().by_name.get(name).cloned()
    }

    pub(crate) fn get_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.known.read().by_id.get(&id).cloned()
    }

    pub(crate) fn partition(&self, name: &str, number: i32) -> Result<Arc<Partition>> {
        let known = self.known.read();
        let topic = known.by_name.get(name).ok_or_else(|| unknown(name, number))?;
        let at = usize::try_from(number).map_err(|_| unknown(name, number))?;
        topic.partitions.get(at).cloned().ok_or_else(|| unknown(name, number))
    }

    /// All topics by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut all: Vec<_> = self.known.read().by_name.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Compacts the topics that are to be, as far as it is due.
    pub(crate) fn compact(&self) {
        for topic in self.all().iter().filter(|topic| topic.config.compacts()) {
            for partition in &topic.partitions {
                if let Err(error) = partition.compact(&rules(&topic.config)) {
                    tracing::warn!(topic = %topic.name, partition = partition.number, %error, "compaction failed");
                }
            }
        }
    }

    /// Looks at the retention of all topics.
    pub(crate) fn enforce_retention(&self) {
        for topic in self.all() {
            for partition in &topic.partitions {
                let config = &topic.config;
                let (age, bytes) = if config.deletes() { (config.retention_ms, config.retention_bytes) } else { (None, None) };
                let done = partition.enforce_retention(age, bytes);
                if let Err(error) = done {
                    tracing::warn!(topic = %topic.name, partition = partition.number, %error, "retention failed");
                }
            }
        }
    }
}

fn rules(config: &TopicConfig) -> CompactionRules {
    CompactionRules {
        dirty_ratio: config.min_cleanable_dirty_ratio.unwrap_or(DEFAULT_DIRTY_RATIO),
        delete_retention_ms: config.delete_retention_ms.unwrap_or(DEFAULT_DELETE_RETENTION_MS),
        min_lag_ms: config.min_compaction_lag_ms.unwrap_or(0),
        max_lag_ms: config.max_compaction_lag_ms.unwrap_or(u64::MAX),
    }
}

fn save(dir: &Path, settings: &Settings) -> Result<()> {
    let file = dir.join(SETTINGS_FILE);
    let text = serde_json::to_string_pretty(settings).map_err(|e| Error::io("write", &file, e.into()))?;
    replace_checked(&file, &text).map_err(|e| Error::io("write", &file, e))
}

fn unknown(topic: &str, partition: i32) -> Error {
    Error::UnknownPartition { topic: topic.to_string(), partition }
}
