//! Building: nodes in the order of their references on several threads, each by its kind; what came of each, as it happens.

mod compile;
mod contract;
mod data_type;
mod freshness;
mod model;
mod schedule;
mod seed;
mod snapshot;
mod test;
mod unit;

pub use compile::Compiler;
pub use freshness::{Age, SourceResult, freshness};
pub use schedule::run;

use crate::spec::{Kind, Models, Node};
use domain::Result;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Unique ids chosen.
    pub chosen: BTreeSet<String>,
    /// Of these kinds only.
    pub kinds: Vec<Kind>,
    /// At least one.
    pub threads: usize,
    /// Start nothing after the first failure.
    pub fail_fast: bool,
    /// Incremental models and seeds are made anew.
    pub full_refresh: bool,
    /// Tests keep their failing rows in tables, whatever their own configuration says.
    pub store_failures: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Success,
    Error,
    Skipped,
    Pass,
    Fail,
    Warn,
}

impl Status {
    /// dbt's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Skipped => "skipped",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
        }
    }

    /// Whether what depends on it cannot go on.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Error | Self::Fail)
    }
}

/// What came of a node.
#[derive(Clone, Debug)]
pub struct NodeResult {
    pub id: String,
    pub status: Status,
    pub message: Option<String>,
    /// Of a test: how many rows fail it.
    pub failures: Option<i64>,
    /// Written to a table.
    pub rows: Option<u64>,
    pub compiled: Option<String>,
    pub started: Timestamp,
    pub ended: Timestamp,
    /// From 1.
    pub thread: usize,
}

impl NodeResult {
    pub fn seconds(&self) -> f64 {
        self.ended.duration_since(self.started).as_secs_f64()
    }
}

/// What happens while a run goes on; calls come from several threads.
pub trait Watch: Sync {
    /// The `n`th of `total` begins.
    fn started(&self, node: &Node, n: usize, total: usize);
    fn finished(&self, node: &Node, result: &NodeResult, n: usize, total: usize);
}

/// Tells nobody.
pub struct Silent;

impl Watch for Silent {
    fn started(&self, _: &Node, _: usize, _: usize) {}
    fn finished(&self, _: &Node, _: &NodeResult, _: usize, _: usize) {}
}

/// What a node's own work gives.
#[derive(Clone, Debug)]
struct Done {
    status: Status,
    message: Option<String>,
    failures: Option<i64>,
    rows: Option<u64>,
    compiled: Option<String>,
}

impl Done {
    fn success(compiled: String, rows: Option<u64>) -> Self {
        Self { status: Status::Success, message: None, failures: None, rows, compiled: Some(compiled) }
    }
}

/// Does a node's work.
fn work(compiler: &Compiler<'_>, node: &Node, plan: &Plan) -> Result<Done> {
    match node.kind {
        Kind::Model => model::build(compiler, node, plan.full_refresh),
        Kind::Seed => seed::build(compiler, node),
        Kind::Snapshot => snapshot::build(compiler, node),
        Kind::Test => test::check(compiler, node, plan.store_failures),
        Kind::UnitTest => unit::check(compiler, node),
    }
}

/// A node of these models by its id; every id of a run is one of them.
fn node<'a>(models: &'a Models, id: &str) -> Result<&'a Node> {
    models.nodes.get(id).ok_or_else(|| domain::Error::bug(format!("there is no node {id}")))
}
