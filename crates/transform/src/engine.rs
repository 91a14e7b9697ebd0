//! The one seam to whatever runs SQL. An engine answers queries and keeps tables; it knows nothing of models, tests or jinja.

use domain::Result;
use std::fmt;

/// A table or view: its schema and name, as SQL writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    pub schema: String,
    pub name: String,
}

impl Relation {
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

/// Quoted, so that no name is a keyword.
impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\".\"{}\"", self.schema.replace('"', "\"\""), self.name.replace('"', "\"\""))
    }
}

/// A column as the engine describes it; the type in the engine's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub data_type: String,
}

/// The answer to a query as text; `None` is null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

/// How the rows of a query go into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The table holds these rows and no others, with the query's columns.
    Replace,
    /// The rows are added.
    Append,
    /// A row whose key stands in the table takes that row's place; the others are added. No key is null.
    Merge { keys: Vec<String> },
    /// Every row of the table whose key stands among the new rows goes; then all new rows are added.
    DeleteInsert { keys: Vec<String> },
}

/// What kind of thing stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Table,
    View,
}

/// Runs SQL and keeps tables and views in schemas.
///
/// Every change is one commit: a reader sees the table before it or after it, and a failure leaves what was there. An error is `Stop` where
/// the SQL or the data is at fault and `Retry` where the same call may succeed later. Calls come from several threads at once.
pub trait Engine: Send + Sync {
    /// What stands under a name; `None` where nothing does.
    fn standing(&self, relation: &Relation) -> Result<Option<Standing>>;

    /// The columns of a table or view in their order.
    fn columns(&self, relation: &Relation) -> Result<Vec<Column>>;

    /// The columns that a query would answer with, without running it.
    fn describe(&self, sql: &str) -> Result<Vec<Column>>;

    /// Runs a query whose answer is small.
    fn query(&self, sql: &str) -> Result<Rows>;

    /// Makes or replaces a view. What stands there as a table goes, or is a reason to refuse.
    fn create_view(&self, relation: &Relation, sql: &str) -> Result<()>;

    /// Writes the rows of a query into a table, which is made where there is none (whatever the way of writing); gives back how many rows were
    /// written. What stands there as a view goes.
    fn write(&self, relation: &Relation, sql: &str, write: &Write) -> Result<u64>;

    /// Adds columns to a table; they are null in the rows that are there.
    fn add_columns(&self, relation: &Relation, columns: &[Column]) -> Result<()>;
}
