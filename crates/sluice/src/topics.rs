//! The topics that Sluice itself writes, and the creation of all topics of a project.

use broker::{Broker, TopicConfig};
use domain::{Error, Result};
use project::Project;

pub const DECISIONS: &str = "decisions";
pub const ALERTS: &str = "alerts";
pub const FEATURES: &str = "features";
pub const DEAD_LETTERS: &str = "dead-letters";
/// Rows of files that fit no stream: written by `import`, from outside the process.
pub const IMPORT_DEAD_LETTERS: &str = "import-dead-letters";
pub const SEQUENCE: &str = "sequence";
pub const CONTROL: &str = "control";

/// The outputs of scoring, in the order of the sink's topics.
pub const OUTPUTS: [&str; 4] = [DECISIONS, ALERTS, FEATURES, DEAD_LETTERS];
pub const DECISIONS_AT: usize = 0;
pub const ALERTS_AT: usize = 1;
pub const FEATURES_AT: usize = 2;
pub const DEAD_LETTERS_AT: usize = 3;

/// Where `predict` appends: a topic beside the judged one that only this process writes, so that no bulk producer stands before a
/// caller who waits.
pub fn predict(judged_topic: &str) -> String {
    format!("{judged_topic}-predict")
}

/// Creates what is missing of a project's topics and of our own.
pub fn create(broker: &Broker, project: &Project) -> Result<()> {
    let own = |name: &str| (name.to_owned(), TopicConfig { internal: true, ..TopicConfig::partitions(1) });
    let mut topics: Vec<(String, TopicConfig)> = OUTPUTS.iter().chain(&[SEQUENCE, CONTROL]).map(|t| own(t)).collect();
    topics.push((IMPORT_DEAD_LETTERS.to_owned(), TopicConfig::partitions(1)));
    for spec in &project.streams {
        let config = TopicConfig {
            retention_ms: spec.retention.map(|micros| micros / 1000),
            ..TopicConfig::partitions(spec.stream.partitions)
        };
        if spec.stream.judged.is_some() {
            topics.push((predict(&spec.stream.topic), TopicConfig { internal: true, partitions: 1, ..config.clone() }));
        }
        topics.push((spec.stream.topic.to_string(), config));
    }
    for (name, config) in topics {
        broker.create_topic(&name, config).map_err(|e| kafka::embedded::error(&format!("cannot create topic `{name}`"), e))?;
    }
    Ok(())
}

/// # Errors
/// Stop: a project's stream may not write over what Sluice writes.
pub fn check_names(project: &Project) -> Result<()> {
    for spec in &project.streams {
        if OUTPUTS.iter().chain(&[SEQUENCE, CONTROL, IMPORT_DEAD_LETTERS]).any(|own| *own == spec.stream.topic) {
            return Err(Error::stop(
                format!("{}: topic `{}` is written by Sluice itself", spec.path, spec.stream.topic),
                "give the stream another topic",
            ));
        }
    }
    Ok(())
}
