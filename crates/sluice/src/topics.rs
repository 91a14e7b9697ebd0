//! The topics that Sluice itself writes, and the creation of all topics of a project.

use crate::log::{Log, Topic};
use domain::{Error, Result};
use project::Project;

pub const DECISIONS: &str = "decisions";
pub const ALERTS: &str = "alerts";
pub const FEATURES: &str = "features";
pub const DEAD_LETTERS: &str = "dead-letters";
/// Rows of files that fit no stream: written by `import`, from outside the process.
pub const IMPORT_DEAD_LETTERS: &str = "import-dead-letters";
/// Alerts that the receiver of a webhook did not take.
pub const WEBHOOK_DEAD_LETTERS: &str = "webhook-dead-letters";
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
pub fn create(log: &Log, project: &Project) -> Result<()> {
    let own = |name: &str| Topic { name: name.to_owned(), partitions: 1, retention_ms: None, internal: true };
    let mut topics: Vec<Topic> = OUTPUTS.iter().chain(&[WEBHOOK_DEAD_LETTERS, SEQUENCE, CONTROL]).map(|t| own(t)).collect();
    topics.push(Topic { internal: false, ..own(IMPORT_DEAD_LETTERS) });
    for spec in &project.streams {
        let retention_ms = spec.retention.map(|micros| micros / 1000);
        let name = spec.stream.topic.to_string();
        if spec.stream.judged.is_some() {
            topics.push(Topic { retention_ms, ..own(&predict(&name)) });
        }
        topics.push(Topic { name, partitions: spec.stream.partitions, retention_ms, internal: false });
    }
    log.create(&topics)
}

/// Whether Sluice itself writes a topic of this name.
pub fn is_own(name: &str) -> bool {
    OUTPUTS.iter().chain(&[WEBHOOK_DEAD_LETTERS, SEQUENCE, CONTROL, IMPORT_DEAD_LETTERS]).any(|own| *own == name)
}

/// # Errors
/// Stop: a project's stream may not write over what Sluice writes.
pub fn check_names(project: &Project) -> Result<()> {
    for spec in &project.streams {
        if is_own(&spec.stream.topic) {
            return Err(Error::stop(
                format!("{}: topic `{}` is written by Sluice itself", spec.path, spec.stream.topic),
                "give the stream another topic",
            ));
        }
    }
    Ok(())
}
