//! What a folder of models says, as plain values in dbt's words: nodes that refer to each other, sources, exposures.

use crate::config::Config;
use crate::engine::Relation;
use crate::jinja::Macros;
use project::Place;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A whole folder of models, read, parsed and linked.
#[derive(Debug)]
pub struct Models {
    pub name: String,
    pub version: String,
    pub vars: BTreeMap<String, Json>,
    /// Models, seeds, snapshots, tests and unit tests by unique id.
    pub nodes: BTreeMap<String, Node>,
    /// By unique id.
    pub sources: BTreeMap<String, Source>,
    pub exposures: Vec<Exposure>,
    /// Every node after all that it depends on.
    pub order: Vec<String>,
    pub macros: Arc<Macros>,
    pub(crate) relations: Arc<Relations>,
    pub(crate) target: Target,
}

/// Where models go that do not say so, as `target` in jinja.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub schema: String,
    pub threads: usize,
}

impl Default for Target {
    fn default() -> Self {
        Self { name: "default".into(), schema: "gold".into(), threads: 1 }
    }
}

/// What `ref` and `source` resolve to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relations {
    /// By name of model, seed or snapshot.
    pub(crate) nodes: BTreeMap<String, (String, Relation)>,
    /// By source and table.
    pub(crate) sources: BTreeMap<(String, String), (String, Relation)>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Model,
    Seed,
    Snapshot,
    Test,
    UnitTest,
}

impl Kind {
    /// dbt's word, which also begins a unique id.
    pub fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Test => "test",
            Self::UnitTest => "unit_test",
        }
    }
}

/// A model, seed, snapshot or test.
#[derive(Clone, Debug)]
pub struct Node {
    /// `model.PROJECT.NAME` and the like.
    pub id: String,
    pub name: String,
    pub kind: Kind,
    /// The file it stands in, relative to the folder.
    pub path: String,
    pub place: Place,
    pub fqn: Vec<String>,
    pub relation: Relation,
    pub config: Config,
    pub description: String,
    pub columns: Vec<ColumnSpec>,
    /// The file that describes it, where one does.
    pub patch: Option<String>,
    /// As written; a test's call for a test of a properties file, CSV for a seed.
    pub raw: String,
    pub refs: Vec<String>,
    pub source_refs: Vec<(String, String)>,
    /// Unique ids, each once, sorted.
    pub depends_on: Vec<String>,
    pub test: Option<TestSpec>,
    pub unit: Option<UnitSpec>,
}

impl Node {
    /// Whether it is a table or view of its own when built.
    pub fn stands(&self) -> bool {
        match self.kind {
            Kind::Model => self.config.materialized != crate::config::Materialized::Ephemeral,
            Kind::Seed | Kind::Snapshot => true,
            Kind::Test | Kind::UnitTest => false,
        }
    }
}

/// A column of a properties file.
#[derive(Clone, Debug, Default)]
pub struct ColumnSpec {
    pub name: String,
    pub description: String,
    pub data_type: Option<String>,
    /// Kinds of constraints, such as `not_null`.
    pub constraints: Vec<String>,
    pub meta: Json,
    pub tags: Vec<String>,
}

/// A test that a properties file asks for.
#[derive(Clone, Debug, Default)]
pub struct TestSpec {
    /// `unique`, `expression_is_true`, ...; `None` for a singular test.
    pub name: Option<String>,
    /// `dbt_utils` and the like.
    pub namespace: Option<String>,
    pub column: Option<String>,
    /// With `model` and `column_name`.
    pub arguments: serde_json::Map<String, Json>,
    /// Unique id of what it tests.
    pub attached: Option<String>,
}

/// A unit test: rows that go in, rows that must come out.
#[derive(Clone, Debug)]
pub struct UnitSpec {
    pub model: String,
    pub given: Vec<Given>,
    pub expect: Vec<serde_json::Map<String, Json>>,
    /// What macros and variables answer instead: `is_incremental` and `vars`.
    pub is_incremental: bool,
    pub vars: BTreeMap<String, Json>,
}

/// The rows that stand in for an input.
#[derive(Clone, Debug)]
pub struct Given {
    pub input: Input,
    pub rows: Vec<serde_json::Map<String, Json>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Ref(String),
    Source(String, String),
    This,
}

/// A table that others fill.
#[derive(Clone, Debug)]
pub struct Source {
    pub id: String,
    pub source: String,
    pub name: String,
    pub path: String,
    pub place: Place,
    pub relation: Relation,
    pub description: String,
    pub source_description: String,
    pub loader: String,
    pub columns: Vec<ColumnSpec>,
    pub loaded_at: Option<String>,
    pub freshness: Option<Freshness>,
    pub tags: Vec<String>,
    pub meta: Json,
}

/// How old the newest row may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    pub warn_after: Option<Age>,
    pub error_after: Option<Age>,
    /// A condition on the rows that count.
    pub filter: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    pub count: u64,
    pub period: Period,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Minute,
    Hour,
    Day,
}

impl Period {
    pub fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

impl Age {
    pub fn seconds(self) -> f64 {
        let unit = match self.period {
            Period::Minute => 60,
            Period::Hour => 3_600,
            Period::Day => 86_400,
        };
        self.count as f64 * f64::from(unit)
    }
}

/// Who uses models downstream.
#[derive(Clone, Debug)]
pub struct Exposure {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub path: String,
    pub place: Place,
    pub description: String,
    pub url: Option<String>,
    pub owner: Json,
    pub maturity: Option<String>,
    pub tags: Vec<String>,
    pub depends_on: Vec<String>,
}
