//! `{% snapshot name %} ... {% endsnapshot %}`: the blocks of a file of snapshots.

use crate::jinja::blanked;
use project::section::Report;
use project::{Diagnostic, Place};

/// One snapshot before it is rendered.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) place: Place,
    /// With as many empty lines before it as the file has, so that lines count as there.
    pub(super) body: String,
    pub(super) config: Vec<crate::config::Setting>,
}

pub(super) fn blocks(path: &str, text: &str, report: &mut Report) -> Vec<Block> {
    let plain = blanked(text);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((start, end, inner)) = next_tag(&plain, at) {
        at = end;
        let Some(name) = inner.strip_prefix("snapshot ").map(str::trim) else { continue };
        let place = Place::at(path, text, start);
        let body_start = end;
        let close = std::iter::successors(next_tag(&plain, end), |(_, end, _)| next_tag(&plain, *end))
            .find(|(_, _, inner)| inner.trim() == "endsnapshot");
        let Some((body_end, after, _)) = close else {
            report.add(Diagnostic::new(place, format!("snapshot `{name}` has no `endsnapshot`")));
            return found;
        };
        at = after;
        found.push(Block {
            name: name.to_owned(),
            place,
            body: "\n".repeat(text[..body_start].matches('\n').count()) + &text[body_start..body_end],
            config: Vec::new(),
        });
    }
    if found.is_empty() {
        let mistake = Diagnostic::new(Place::file(path), "no snapshot stands in this file");
        report.add(mistake.hint("write `{% snapshot NAME %} ... {% endsnapshot %}`, or describe it in a .yml file"));
    }
    found
}

/// The next `{% ... %}` from a place: where it starts, where it ends, what stands in it.
fn next_tag(text: &str, from: usize) -> Option<(usize, usize, &str)> {
    let start = from + text[from..].find("{%")?;
    let end = start + text[start..].find("%}")? + 2;
    Some((start, end, text[start + 2..end - 2].trim_matches('-').trim()))
}
