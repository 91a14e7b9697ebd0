//! What the feature files mean once compiled: groups of windows that share one event log per entity, and the expressions that
//! turn their aggregates into features. Plain data; the engine runs it, the SQL renderer prints it.

use domain::{Stream, Text, Type, Value};
use expr::Program;
use std::sync::Arc;

/// Names a group by its definition: state is kept under it, so a changed group starts anew and an unchanged one keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupDigest(pub [u8; 8]);

impl std::fmt::Display for GroupDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// All features of a project.
#[derive(Debug)]
pub struct Plan {
    pub streams: Vec<Arc<Stream>>,
    /// Index of the stream whose events are judged.
    pub judged: usize,
    pub groups: Vec<Group>,
    /// In the order of files and of their select items, those of files over the row last: the order of a row of feature values.
    pub features: Vec<FeatureInfo>,
    /// One a feature.
    pub(crate) outputs: Vec<Output>,
    /// How many features are made of streams; the others are made of those.
    pub(crate) plain: usize,
    /// The slot of the first feature.
    pub(crate) first_feature: usize,
    /// Features that files over the row read.
    pub(crate) features_read: Vec<usize>,
    /// Slots that feature expressions see: the judged stream's fields, one for each call of each group, and, where there are files over
    /// the row, one for each feature made of streams.
    pub(crate) slots: usize,
    /// The judged stream's fields that feature expressions read.
    pub(crate) fields_read: Vec<usize>,
    pub(crate) files: Vec<FilePlan>,
}

impl Plan {
    /// How far behind the judged stream's greatest event time any group still reads: its longest frame plus the lateness.
    /// Microseconds. Frames without a beginning do not count: what they hold is folded.
    pub fn retention(&self) -> i64 {
        self.groups.iter().map(|g| g.reach).max().unwrap_or(0).saturating_add(self.streams[self.judged].lateness)
    }

    /// The same for one stream: `None` where no feature reads it.
    pub fn retention_of(&self, stream: usize) -> Option<i64> {
        let reach = self.groups.iter().filter(|g| g.stream == stream).map(|g| g.reach).max()?;
        Some(reach.saturating_add(self.streams[self.judged].lateness))
    }

    /// The slot of a feature in a row of values.
    pub fn feature(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|f| f.name == name)
    }
}

/// One feature, as users see it.
#[derive(Clone, Debug)]
pub struct FeatureInfo {
    pub name: Text,
    pub ty: Type,
    /// The file it stands in.
    pub file: String,
    /// Index of its group; `None` where it reads only the event itself, or other features.
    pub group: Option<usize>,
    /// Its expression, as SQL.
    pub sql: String,
}

/// How a feature's value is made.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) group: Option<usize>,
    pub(crate) make: Make,
}

#[derive(Debug)]
pub(crate) enum Make {
    /// A call's value as it is.
    Slot(usize),
    Expr(Program),
}

/// All windows over one stream and one partition: they share one event log per entity.
#[derive(Clone, Debug)]
pub struct Group {
    pub digest: GroupDigest,
    /// `transactions by account_id`.
    pub name: String,
    /// Index of the stream whose events are counted.
    pub stream: usize,
    /// Slots of the partition columns in that stream.
    pub keys: Vec<usize>,
    pub key_types: Vec<Type>,
    /// Slots of the columns of the judged stream that are looked up; the same as `keys` over the judged stream itself.
    pub lookup: Vec<usize>,
    /// An upsert stream: the latest row alone is asked for.
    pub latest: bool,
    /// What is kept of each event beside its time.
    pub columns: Vec<Column>,
    pub(crate) windows: Vec<Window>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) calls: Vec<Call>,
    /// Slot of the first call.
    pub(crate) first_slot: usize,
    /// Entries older than the least time that can still be asked for minus this are in no frame. Microseconds.
    pub(crate) reach: i64,
    /// Rows before that least time that `lag` and upsert rows may still need.
    pub(crate) kept_rows: usize,
    /// Whether entries that leave the log are folded into a base, for frames without a beginning.
    pub(crate) folds: bool,
}

/// One value kept of every event.
#[derive(Clone, Debug)]
pub struct Column {
    pub ty: Type,
    /// The expression over the stream's row, as SQL.
    pub sql: String,
    pub nullable: bool,
    /// A condition of which only "true" counts.
    pub filter: bool,
    pub(crate) source: Arc<Source>,
}

#[derive(Debug)]
pub(crate) enum Source {
    Slot(usize),
    Expr(Program),
}

/// A frame by time, both ends inclusive: from `now - from` to `now - to`. Microseconds, `from >= to >= 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    /// `None`: from the beginning.
    pub(crate) from: Option<i64>,
    pub(crate) to: i64,
}

/// One running aggregate of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Aggregate {
    pub(crate) window: usize,
    /// A filter column.
    pub(crate) filter: Option<usize>,
    /// `None` for `count(*)`.
    pub(crate) column: Option<usize>,
    pub(crate) class: Class,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Entries (with a non-null argument).
    Count,
    /// Count and exact sum.
    Sum,
    /// Count, exact sum and exact sum of squares.
    Squares,
    Min,
    Max,
    Distinct,
    /// Kept for the base alone, where the frame has no beginning: the earliest and the latest entry.
    First,
    Last,
}

/// One window call of a file: where its value is read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    /// `aggregate` indexes the group's aggregates.
    Count {
        aggregate: usize,
    },
    Sum {
        aggregate: usize,
    },
    Avg {
        aggregate: usize,
    },
    Stddev {
        aggregate: usize,
        sample: bool,
    },
    Min {
        aggregate: usize,
    },
    Max {
        aggregate: usize,
    },
    Distinct {
        aggregate: usize,
    },
    /// `folded`: the aggregate that the base keeps for it, where the frame has no beginning.
    First {
        window: usize,
        column: usize,
        folded: Option<usize>,
    },
    Last {
        window: usize,
        column: usize,
        folded: Option<usize>,
    },
    Lag {
        column: usize,
        rows: usize,
        default: Value,
    },
    /// A column of the latest row of an upsert stream.
    Latest {
        column: usize,
    },
}

/// One feature file, kept for rendering.
#[derive(Debug)]
pub(crate) struct FilePlan {
    pub(crate) path: String,
    pub(crate) group: Option<usize>,
    /// It is made of other files' features.
    pub(crate) row: bool,
    pub(crate) calls: Vec<FileCall>,
    /// (feature name, expression with each call replaced by its name).
    pub(crate) items: Vec<(Text, sqlparser::ast::Expr)>,
}

/// A call as rendering needs it.
#[derive(Debug)]
pub(crate) struct FileCall {
    pub(crate) name: String,
    pub(crate) shape: CallShape,
    pub(crate) window: Window,
    pub(crate) argument: Option<sqlparser::ast::Expr>,
    pub(crate) filter: Option<sqlparser::ast::Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CallShape {
    Count,
    Sum,
    Avg,
    StddevSamp,
    StddevPop,
    Min,
    Max,
    Distinct,
    First,
    Last,
    /// Rows back, and the default as SQL.
    Lag(usize, String),
    Latest,
}
