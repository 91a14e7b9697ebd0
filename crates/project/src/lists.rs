//! `lists/NAME.csv`: keys, and who put them there, why, and until when.

use crate::diagnostic::{Diagnostic, Place, excerpt, nearest};
use crate::files::stem;
use crate::section::{Report, check_name};
use crate::spec::{ListEntry, ListSpec};
use domain::{Text, time};
use std::collections::HashMap;

/// Columns that are not keys.
const NOTES: [&str; 3] = ["who", "why", "until"];

/// Reads a file as if it were a list of the project: for entries that come from elsewhere.
///
/// # Errors
/// Every mistake, with the lines at fault.
pub fn read_list(name: &str, bytes: &[u8]) -> Result<ListSpec, Vec<Diagnostic>> {
    let mut report = Report { mistakes: Vec::new() };
    let list = read(name, bytes, &mut report);
    // What the file is called is nobody's name here.
    report.mistakes.retain(|m| !(m.place.line == 0 && m.message.ends_with("cannot name a list")));
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    for mistake in report.mistakes.iter_mut().filter(|m| m.excerpt.is_none()) {
        mistake.excerpt = excerpt(text, &mistake.place);
    }
    match list {
        Some(list) if report.mistakes.is_empty() => Ok(list),
        _ => Err(report.mistakes),
    }
}

/// Reads one list. A mistake in one line leaves the others.
pub(crate) fn read(path: &str, bytes: &[u8], report: &mut Report) -> Option<ListSpec> {
    let name = stem(path);
    check_name(name, "a list", &Place::file(path), report);
    let text = report.utf8(path, bytes)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(e) => {
            report.add(Diagnostic::new(Place::file(path), format!("not readable as CSV: {e}")));
            return None;
        }
    };
    let top = Place { file: path.into(), line: header_line(text), column: 0 };
    if header.iter().all(String::is_empty) {
        report
            .add(Diagnostic::new(Place::file(path), "the first line must name the columns").hint("for example: merchant_id,who,why,until"));
        return None;
    }
    for (i, column) in header.iter().enumerate() {
        check_name(column, "a list's column", &top, report);
        if header[..i].contains(column) {
            report.add(Diagnostic::new(top.clone(), format!("column `{column}` stands twice")));
        }
        let missing = NOTES.into_iter().filter(|note| !header.iter().any(|c| c == note));
        if let Some(note) = nearest(column, missing).filter(|_| !NOTES.contains(&column.as_str())) {
            report.add(Diagnostic::new(top.clone(), format!("column `{column}` would be a key")).hint(format!("did you mean `{note}`?")));
        }
    }
    let keys: Vec<usize> = (0..header.len()).filter(|i| !NOTES.contains(&header[*i].as_str())).collect();
    if keys.is_empty() {
        report.add(Diagnostic::new(top, "the list has no key column").hint("add one, for example `merchant_id`"));
        return None;
    }
    let note = |name: &str| header.iter().position(|c| c == name);
    let (who, why, until) = (note("who"), note("why"), note("until"));
    let mut entries: Vec<ListEntry> = Vec::new();
    let mut first_lines: HashMap<Vec<Text>, usize> = HashMap::new();
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
            report.add(mistake.hint("put a text that holds a comma in double quotes"));
            continue;
        }
        let cell = |column: Option<usize>| column.and_then(|i| record.get(i)).unwrap_or_default();
        let key: Vec<Text> = keys.iter().map(|i| Text::new(cell(Some(*i)))).collect();
        if let Some(empty) = key.iter().position(|k| k.is_empty()) {
            report.add(Diagnostic::new(place, format!("the key `{}` is empty", header[keys[empty]])));
            continue;
        }
        if let Some(first) = first_lines.insert(key.clone(), line) {
            let mistake = Diagnostic::new(place, format!("`{}` is listed twice, first on line {first}", key.join(", ")));
            report.add(mistake.hint("keep one of the two lines"));
            continue;
        }
        let until = match cell(until) {
            "" => None,
            written => match time::parse(written) {
                Some(at) => Some(at),
                None => {
                    let mistake = Diagnostic::new(place, format!("`{written}` is not a date or a time"));
                    report.add(mistake.hint("write for example 2026-12-31 or 2026-12-31T18:00:00Z"));
                    continue;
                }
            },
        };
        entries.push(ListEntry { line, key, who: cell(who).into(), why: cell(why).into(), until, at: None });
    }
    Some(ListSpec { name: Text::new(name), path: path.into(), columns: keys.iter().map(|i| Text::new(&header[*i])).collect(), entries })
}

/// Comments and empty lines may stand above the header.
fn header_line(text: &str) -> usize {
    text.lines().position(|line| !line.trim().is_empty() && !line.starts_with('#')).map_or(1, |i| i + 1)
}
