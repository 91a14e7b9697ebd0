//! The name of a table: its schema and its own, as SQL and the folders have them.

use domain::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// `bronze.transactions`. Both parts are made of lower-case letters, digits and underscores, so that they are SQL identifiers and folder names alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    pub schema: String,
    pub table: String,
}

impl TableName {
    /// # Errors
    /// Stop: a part is no name.
    pub fn new(schema: &str, table: &str) -> Result<Self> {
        for part in [schema, table] {
            let word = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if !word || part.is_empty() || part.starts_with(|c: char| c.is_ascii_digit() || c == '_') || part.len() > 128 {
                return Err(Error::stop(
                    format!("`{schema}.{table}` is no name of a table"),
                    "write lower-case letters, digits and underscores, a letter first, for example silver.customers",
                ));
            }
        }
        Ok(Self { schema: schema.to_owned(), table: table.to_owned() })
    }

    /// Where it is below the lake's root.
    pub(crate) fn folder(&self) -> String {
        format!("{}/{}", self.schema, self.table)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

impl FromStr for TableName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (schema, table) = text
            .split_once('.')
            .ok_or_else(|| Error::stop(format!("`{text}` names no table"), "write schema and table, for example bronze.transactions"))?;
        Self::new(schema, table)
    }
}
