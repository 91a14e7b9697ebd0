//! `rates/NAME.csv`: what one unit of each currency is worth in the project's currency, from a moment on.

use crate::diagnostic::{Diagnostic, Place};
use crate::files::stem;
use crate::section::{Report, check_name};
use domain::rates::RATE_SCALE;
use domain::{Decimal, Micros, Rates, Text, time};
use std::collections::HashMap;
use std::sync::Arc;

const COLUMNS: [&str; 3] = ["currency", "rate", "valid_from"];

/// Reads one table of rates. A mistake in one line leaves the others.
pub(crate) fn read(path: &str, bytes: &[u8], report: &mut Report) -> Option<Arc<Rates>> {
    let name = stem(path);
    check_name(name, "a table of rates", &Place::file(path), report);
    let text = report.utf8(path, bytes)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().map(|h| h.iter().map(str::to_owned).collect()).unwrap_or_default();
    if header.is_empty() || header.len() < 2 || header != COLUMNS[..header.len().min(3)] {
        report.add(
            Diagnostic::new(Place::file(path), "the first line must be `currency,rate,valid_from`")
                .hint("valid_from is a date or a time, empty for always; the column may be left out"),
        );
        return None;
    }
    let mut entries: Vec<(Text, Micros, Decimal)> = Vec::new();
    let mut first_lines: HashMap<(Text, Micros), usize> = HashMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                report.add(Diagnostic::new(Place::file(path), format!("not readable as CSV: {e}")));
                break;
            }
        };
        let line = record.position().map_or(0, |p| usize::try_from(p.line()).unwrap_or(0));
        let place = Place { file: path.into(), line, column: 0 };
        if record.len() != header.len() {
            let mistake = Diagnostic::new(place, format!("has {} values, and the header names {} columns", record.len(), header.len()));
            report.add(mistake);
            continue;
        }
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let currency = Text::new(cell(0));
        if currency.is_empty() {
            report.add(Diagnostic::new(place, "the currency is empty"));
            continue;
        }
        let rate = match Decimal::parse(cell(1), RATE_SCALE) {
            Ok(rate) if rate.unscaled > 0 => rate,
            _ => {
                let mistake = Diagnostic::new(place, format!("`{}` is not a rate", cell(1)));
                report.add(mistake.hint(format!("write a number above 0 with at most {RATE_SCALE} digits after the point")));
                continue;
            }
        };
        let from = match cell(2) {
            "" => Micros::MIN,
            written => match time::parse(written) {
                Some(at) => at,
                None => {
                    let mistake = Diagnostic::new(place, format!("`{written}` is not a date or a time"));
                    report.add(mistake.hint("write for example 2026-12-31 or 2026-12-31T18:00:00Z"));
                    continue;
                }
            },
        };
        if let Some(first) = first_lines.insert((currency.clone(), from), line) {
            report.add(Diagnostic::new(place, format!("`{currency}` has two rates from the same moment on, the first on line {first}")));
            continue;
        }
        entries.push((currency, from, rate));
    }
    Some(Arc::new(Rates::new(Text::new(name), entries)))
}
