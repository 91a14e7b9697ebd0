//! What transactions turned out to be, from a file of JSON lines.

use domain::{Error, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The scenario of fraud of which nobody says what kind it was.
const UNTOLD: &str = "(not told)";

/// The truth about one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Genuine,
    /// Index into [`Labels::scenarios`].
    Fraud(usize),
}

#[derive(Debug, Default)]
pub struct Labels {
    truths: HashMap<String, Truth>,
    /// Sorted by name.
    scenarios: Vec<String>,
}

impl Labels {
    /// Reads `id`, `label` and `scenario` of each line; other fields are let be.
    ///
    /// # Errors
    /// Stop: the file cannot be read, or a line is no label.
    pub fn read(path: &Path, id: &str) -> Result<Self> {
        let cannot =
            |e: std::io::Error| Error::stop(format!("cannot read {}", path.display()), "give a file of labels as JSON lines").because(e);
        let file = std::fs::File::open(path).map_err(cannot)?;
        let mut found = Vec::new();
        for (line, text) in BufReader::new(file).lines().enumerate() {
            let text = text.map_err(cannot)?;
            if !text.trim().is_empty() {
                found.push(label(&text, id).map_err(|why| {
                    let hint = format!("a label is {{\"{id}\": ..., \"label\": \"fraud\" or \"genuine\", \"scenario\": ...}}");
                    Error::stop(format!("{}:{}: {why}", path.display(), line + 1), hint)
                })?);
            }
        }
        Ok(Self::new(found))
    }

    /// From (id, scenario where it is fraud); the last word about a transaction counts.
    pub fn new(found: Vec<(String, Option<String>)>) -> Self {
        let mut scenarios: Vec<String> = found.iter().filter_map(|(_, scenario)| scenario.clone()).collect();
        scenarios.sort();
        scenarios.dedup();
        let at = |scenario: &String| scenarios.binary_search(scenario).unwrap_or_default();
        let truth = |scenario: Option<String>| scenario.map_or(Truth::Genuine, |s| Truth::Fraud(at(&s)));
        Self { truths: found.into_iter().map(|(id, scenario)| (id, truth(scenario))).collect(), scenarios }
    }

    /// `None` where there is no label.
    pub fn of(&self, id: &str) -> Option<Truth> {
        self.truths.get(id).copied()
    }

    pub fn scenarios(&self) -> &[String] {
        &self.scenarios
    }
}

fn label(text: &str, id: &str) -> std::result::Result<(String, Option<String>), String> {
    let json: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
    let name = match json.get(id) {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return Err(format!("has no `{id}`")),
    };
    match json.get("label").and_then(Value::as_str) {
        Some("genuine") => Ok((name, None)),
        Some("fraud") => Ok((name, Some(json.get("scenario").and_then(Value::as_str).unwrap_or(UNTOLD).to_owned()))),
        Some(other) => Err(format!("`label` is `{other}`, neither fraud nor genuine")),
        None => Err("has no `label`".into()),
    }
}
