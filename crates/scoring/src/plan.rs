//! A project, compiled: decoders, features and rules that agree on their slots. Everything that is wrong with it is said at once.

use domain::{Decoder, Stream, Text};
use features::Plan as Features;
use project::{Diagnostic, Place, Project};
use rules::{ListState, Names, Ruleset};
use std::collections::HashSet;
use std::sync::Arc;

/// What scoring runs.
#[derive(Debug)]
pub struct Plan {
    pub streams: Vec<Arc<Stream>>,
    pub decoders: Vec<Decoder>,
    /// Index of the stream whose events are judged.
    pub judged: usize,
    pub features: Arc<Features>,
    pub rules: Ruleset,
    /// The lists as the project's files have them.
    pub lists: ListState,
    pub digest: Text,
    /// A hash of the streams and features as they were compiled, descriptions apart.
    shape: blake3::Hash,
}

impl Plan {
    /// # Errors
    /// Every mistake in features, rules, lists and policy, and descriptions of features that do not exist.
    pub fn compile(project: &Project) -> Result<Self, Vec<Diagnostic>> {
        let streams: Vec<Arc<Stream>> = project.streams.iter().map(|s| s.stream.clone()).collect();
        let Some(judged) = streams.iter().position(|s| s.judged.is_some()) else {
            return Err(vec![Diagnostic::new(Place::file("events"), "no stream is judged").hint("give one stream a `judged:` section")]);
        };
        let mut mistakes = Vec::new();
        // What fields are said to mean changes no feature.
        let bare: Vec<Arc<Stream>> = streams.iter().map(|s| Arc::new(without_descriptions(s))).collect();
        let features = match features::compile(&project.features, &bare) {
            Ok(features) => features,
            Err(mut found) => {
                found.extend(beside_broken_features(project, &streams, judged));
                return Err(project.explained(found));
            }
        };
        let names: Vec<Text> = features.features.iter().map(|f| f.name.clone()).collect();
        mistakes.extend(project.undocumented(&names));
        mistakes.extend(retention(project, &features));
        let columns: Vec<(Text, domain::Type)> = features.features.iter().map(|f| (f.name.clone(), f.ty)).collect();
        let rules = Ruleset::compile(project, Names { event: &streams[judged], features: &columns });
        match rules {
            Ok(rules) if mistakes.is_empty() => Ok(Self {
                // A plan's debug form holds all of it.
                shape: blake3::hash(format!("{judged}{bare:?}{features:?}").as_bytes()),
                decoders: streams.iter().map(|s| Decoder::new(s)).collect(),
                streams,
                judged,
                features: Arc::new(features),
                rules,
                lists: ListState::new(&project.lists),
                digest: project.digest.clone(),
            }),
            Ok(_) => Err(project.explained(mistakes)),
            Err(found) => {
                mistakes.extend(found);
                Err(project.explained(mistakes))
            }
        }
    }

    /// The stream that a topic carries.
    pub fn stream_of(&self, topic: &str) -> Option<usize> {
        self.streams.iter().position(|s| s.topic == topic)
    }

    /// Whether another version reads the same streams and makes the same features of them, so that an engine may go on.
    pub fn same_features(&self, other: &Self) -> bool {
        self.shape == other.shape
    }

    /// The judged stream.
    pub fn judged(&self) -> &Stream {
        &self.streams[self.judged]
    }
}

/// Whether two declarations of a stream read its records alike.
pub fn same_stream(one: &Stream, other: &Stream) -> bool {
    format!("{:?}", without_descriptions(one)) == format!("{:?}", without_descriptions(other))
}

fn without_descriptions(stream: &Stream) -> Stream {
    let mut bare = stream.clone();
    bare.description.clear();
    bare.fields.iter_mut().for_each(|f| f.description.clear());
    bare
}

/// Mistakes of rules and policy where some feature files are wrong: the rules see the features of the right ones, and a name that a wrong
/// one mentions is let pass, as it may be a feature of it.
fn beside_broken_features(project: &Project, streams: &[Arc<Stream>], judged: usize) -> Vec<Diagnostic> {
    let mut columns: Vec<(Text, domain::Type)> = Vec::new();
    let mut doubtful: HashSet<String> = HashSet::new();
    for file in &project.features {
        match features::compile(std::slice::from_ref(file), streams) {
            Ok(plan) => columns.extend(plan.features.into_iter().map(|f| (f.name, f.ty))),
            Err(_) => doubtful.extend(words(&file.sql)),
        }
    }
    let mut mistakes = match Ruleset::compile(project, Names { event: &streams[judged], features: &columns }) {
        Ok(_) => Vec::new(),
        Err(found) => found,
    };
    let quoted = |m: &Diagnostic| m.message.strip_prefix("unknown name `").and_then(|rest| rest.strip_suffix('`')).map(str::to_lowercase);
    mistakes.retain(|m| !quoted(m).is_some_and(|name| doubtful.contains(name.rsplit('.').next().unwrap_or(&name))));
    mistakes
}

/// The words of a piece of SQL, in lower case.
fn words(sql: &str) -> impl Iterator<Item = String> + '_ {
    sql.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).map(str::to_lowercase)
}

/// Topics that forget before the features do.
fn retention(project: &Project, features: &Features) -> Vec<Diagnostic> {
    let short = |(index, spec): (usize, &project::StreamSpec)| {
        let (held, needed) = (spec.retention?, features.retention_of(index)?);
        (held < needed).then(|| {
            let (held, needed) = (domain::time::format_span(held), domain::time::format_span(needed));
            Diagnostic::new(
                project.place_of(&spec.path, &["retention"]),
                format!("the topic keeps {held}, but features look back {needed} (longest frame and lateness)"),
            )
            .hint(format!("keep at least {needed}, or shorten the frames, so that state can be rebuilt from the log"))
        })
    };
    project.streams.iter().enumerate().filter_map(short).collect()
}
