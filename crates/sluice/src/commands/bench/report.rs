//! What a bench found: figures, each beside its baseline and its goal, as one JSON document or as a table.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::{Deserialize, Serialize};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    More,
    Less,
}

/// What a figure is compared with, measured in the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub name: String,
    /// In the figure's unit.
    pub value: f64,
    /// The figure divided by the baseline.
    pub ratio: f64,
}

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better: Option<Better>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<Baseline>,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self { name: name.into(), value, unit: unit.into(), goal: None, better: None, baselines: Vec::new() }
    }

    /// At least this much is wanted.
    #[must_use]
    pub fn at_least(mut self, goal: f64) -> Self {
        (self.goal, self.better) = (Some(goal), Some(Better::More));
        self
    }

    /// At most this much is wanted.
    #[must_use]
    pub fn at_most(mut self, goal: f64) -> Self {
        (self.goal, self.better) = (Some(goal), Some(Better::Less));
        self
    }

    /// Compares with `value`, in the same unit; one that could not be measured is left out.
    #[must_use]
    pub fn against(mut self, name: impl Into<String>, value: Option<f64>) -> Self {
        if let Some(value) = value.filter(|v| *v > 0.0) {
            self.baselines.push(Baseline { name: name.into(), value, ratio: self.value / value });
        }
        self
    }

    /// Whether the goal is met, where there is one.
    pub fn meets_goal(&self) -> Option<bool> {
        Some(match self.better? {
            Better::More => self.value >= self.goal?,
            Better::Less => self.value <= self.goal?,
        })
    }
}

/// One bench.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub bench: String,
    /// What was done, in a sentence or two.
    pub what: String,
    pub figures: Vec<Figure>,
    /// What could not be measured and why, and what else a reader must know.
    pub notes: Vec<String>,
    /// Wall clock of the whole bench.
    pub seconds: f64,
    /// Of the whole bench, clients and generators included, children not.
    pub cpu_seconds: Option<f64>,
    /// The most memory the bench's own process held at a time.
    pub peak_memory_mb: Option<f64>,
}

impl Report {
    pub fn new(bench: &str, what: impl Into<String>) -> Self {
        Self { bench: bench.into(), what: what.into(), ..Self::default() }
    }

    pub fn push(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// All benches of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub version: String,
    pub cores: usize,
    pub scale: f64,
    /// Processes that wanted a core in the minute before, where the system tells.
    pub load_before: Option<f64>,
    pub benches: Vec<Report>,
}

/// A number with as many digits as mean something.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 1000.0 => {
            let text = format!("{value:.0}");
            return grouped(&text);
        }
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// `1234567` as `1,234,567`.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |d| ("-", d));
    let mut out = String::from(sign);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The report for a terminal.
pub fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(["figure", "value", "unit", "goal", "baseline", "its value", "ratio"]);
    for figure in &report.figures {
        let goal = figure.goal.map_or_else(String::new, |goal| {
            let met = if figure.meets_goal() == Some(true) { "met" } else { "missed" };
            let sign = if figure.better == Some(Better::More) { "≥" } else { "≤" };
            format!("{sign} {} {met}", number(goal))
        });
        let blank = || (String::new(), String::new(), String::new());
        let mut baselines = figure.baselines.iter().map(|b| (b.name.clone(), number(b.value), format!("{} x", number(b.ratio))));
        let (name, value, ratio) = baselines.next().unwrap_or_else(blank);
        table.add_row([figure.name.clone(), number(figure.value), figure.unit.clone(), goal, name, value, ratio]);
        for (name, value, ratio) in baselines {
            table.add_row([String::new(), String::new(), String::new(), String::new(), name, value, ratio]);
        }
    }
    for column in [1, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = format!("{}: {}\n{table}\n", report.bench, report.what);
    for note in &report.notes {
        out.push_str(&format!("  note: {note}\n"));
    }
    let of = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), number);
    out.push_str(&format!(
        "  took {} s; this process used {} s of processor time and {} MB of memory at most\n",
        number(report.seconds),
        of(report.cpu_seconds),
        of(report.peak_memory_mb)
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_means_something() {
        let shown: Vec<String> = [0.01234, 1.5, 12.345, 123.45, 1234.5, 1_234_567.0, -4321.0].into_iter().map(number).collect();
        assert_eq!(shown, ["0.012", "1.50", "12.3", "123", "1,234", "1,234,567", "-4,321"]);
    }

    #[test]
    fn a_goal_is_met_on_its_own_side() {
        assert_eq!(Figure::new("a", 5.0, "ms").at_most(5.0).meets_goal(), Some(true));
        assert_eq!(Figure::new("a", 5.1, "ms").at_most(5.0).meets_goal(), Some(false));
        assert_eq!(Figure::new("a", 99.0, "/s").at_least(100.0).meets_goal(), Some(false));
        assert_eq!(Figure::new("a", 99.0, "/s").meets_goal(), None);
    }

    #[test]
    fn a_table_shows_figure_goal_and_every_baseline() {
        let mut report = Report::new("scoring", "a test");
        report.push(
            Figure::new("speed", 200.0, "/s")
                .at_least(100.0)
                .against("naive", Some(50.0))
                .against("none", None)
                .against("dicts", Some(100.0)),
        );
        let shown = table(&report);
        for part in ["speed", "≥ 100 met", "naive", "4.00 x", "dicts", "2.00 x"] {
            assert!(shown.contains(part), "`{part}` is missing in\n{shown}");
        }
        assert!(!shown.contains("none"), "a baseline without a value has no row\n{shown}");
    }
}
