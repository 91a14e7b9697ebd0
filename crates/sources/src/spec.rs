//! What `imports/NAME.yml` says: which file, to which stream, and which column is which field.

use domain::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// An import, as a project's file declares it.
///
/// ```yaml
/// description: order lines of the shop, 2010 to 2011
/// file: data/online_retail.parquet    # relative to the project folder
/// stream: order_lines
/// columns: {invoice: InvoiceNo, stock_code: StockCode}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportSpec {
    #[serde(default)]
    pub description: String,
    /// Relative to the project folder, or absolute.
    pub file: String,
    /// Where the file's extension does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Name of the stream.
    pub stream: String,
    /// Field to column. A field that is not named here takes the column of its own name, if there is one; other columns are left out.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    /// The field that gets `{file stem}:{row number}` as its value. Without this it is the judged stream's id, unless a column
    /// gives that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Texts that mean null, beside the empty cell of a CSV.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nulls: Vec<String>,
    /// Fields whose texts lose a `.0`: ids that a tool which knows only floats wrote into a CSV as 17850.0. Parquet and JSON say
    /// themselves that a value is a number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whole_numbers: Vec<String>,
    /// Whether `3/4/2011` is in March or in April.
    #[serde(default)]
    pub dates: DateOrder,
    /// Of a CSV: a comma, or a tab for `.tsv`, where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Csv,
    JsonLines,
    Parquet,
}

/// How dates with slashes are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateOrder {
    /// As in the United States: `12/31/2010`.
    #[default]
    MonthFirst,
    /// As elsewhere: `31/12/2010`.
    DayFirst,
}

impl Format {
    /// By the file's extension.
    ///
    /// # Errors
    /// Stop, if the extension is none of those known.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "csv" | "tsv" => Ok(Self::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Self::JsonLines),
            "parquet" => Ok(Self::Parquet),
            _ => Err(Error::stop(
                format!("{}: the format of a file ending in `.{extension}` is not known", path.display()),
                "use .csv, .tsv, .jsonl, .ndjson or .parquet, or say `format: csv`, `json-lines` or `parquet` in the import",
            )),
        }
    }
}

impl ImportSpec {
    /// An import of this file with nothing renamed.
    pub fn of(file: impl Into<String>, stream: impl Into<String>) -> Self {
        Self { file: file.into(), stream: stream.into(), ..Self::default() }
    }

    /// Reads the text of `imports/NAME.yml`.
    ///
    /// # Errors
    /// Stop, with the place in the text.
    pub fn parse(yaml: &str) -> Result<Self> {
        let spec: Self = serde_saphyr::from_str(yaml).map_err(|e| {
            Error::stop(
                format!("not a valid import: {e}"),
                "an import has file, stream and, as needed, columns, id, format, nulls, whole_numbers, dates, delimiter, description",
            )
        })?;
        if let Some(delimiter) = spec.delimiter.filter(|d| !d.is_ascii() || matches!(d, '"' | '\n' | '\r')) {
            return Err(Error::stop(format!("`{delimiter}` cannot be a delimiter"), "give one ASCII character that is no quote"));
        }
        Ok(spec)
    }

    /// Reads `imports/NAME.yml` of a project folder; its file becomes a path that can be opened from here.
    ///
    /// # Errors
    /// Stop, naming the file and what is wrong with it.
    pub fn load(root: &Path, name: &str) -> Result<Self> {
        let path = root.join("imports").join(format!("{name}.yml"));
        let text = std::fs::read_to_string(&path).map_err(|e| {
            Error::stop(format!("cannot read {}", path.display()), "name an import of the project, as in imports/NAME.yml").because(e)
        })?;
        let mut spec = Self::parse(&text).map_err(|mut e| {
            e.message = format!("{}: {}", path.display(), e.message);
            e
        })?;
        spec.file = root.join(&spec.file).display().to_string();
        Ok(spec)
    }
}

#[cfg(test)]
mod tests;
