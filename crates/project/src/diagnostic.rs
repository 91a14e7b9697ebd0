//! One mistake in a project folder: where it is, what is wrong, and what to write instead.
//!
//! Diagnostics are collected, never thrown at the first one: a person fixes a folder in one pass.

use serde::Serialize;
use std::fmt;

/// A place in a file. Lines and columns count from 1, columns in characters; 0 where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Relative to the project folder, with forward slashes.
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// The place of a byte offset in a text.
    pub fn at(file: impl Into<String>, text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        Self {
            file: file.into(),
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
        }
    }

    /// A file as a whole.
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => f.write_str(&self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    pub place: Place,
    pub message: String,
    /// What to do, such as the nearest valid name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line at fault and a caret under the place, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl Diagnostic {
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: None, excerpt: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds `did you mean ...?` where a valid name is near, and else lists the valid ones if they are few.
    #[must_use]
    pub fn nearest<'a>(mut self, name: &str, valid: impl IntoIterator<Item = &'a str>) -> Self {
        let valid: Vec<&str> = valid.into_iter().collect();
        self.hint = match nearest(name, valid.iter().copied()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if valid.is_empty() => None,
            None if valid.len() <= 16 => Some(format!("known are: {}", valid.join(", "))),
            None => None,
        };
        self
    }
}

/// For a terminal: place and message, the line with its caret, the hint.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if let Some(excerpt) = &self.excerpt {
            for line in excerpt.lines() {
                write!(f, "\n    {line}")?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// The valid name that is closest in spelling, if any is close enough to have been meant.
pub fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    // A third of the letters may differ; swapped neighbours count once.
    let most = (name.chars().count() / 3).max(1);
    valid
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The most characters of a line that an excerpt shows.
const EXCERPT_WIDTH: usize = 120;

/// The line of a place and a caret under its column; `None` where the place has no line in this text.
pub fn excerpt(text: &str, place: &Place) -> Option<String> {
    let line = text.lines().nth(place.line.checked_sub(1)?)?;
    if place.column == 0 {
        return Some(line.chars().take(EXCERPT_WIDTH).collect());
    }
    // A long line is shown from a little before the place.
    let skip = (place.column - 1).saturating_sub(EXCERPT_WIDTH * 2 / 3);
    let shown: String = line.chars().skip(skip).take(EXCERPT_WIDTH).collect();
    // Tabs are kept, so that the caret stays under its character whatever their width.
    let pad: String = line.chars().skip(skip).take(place.column - 1 - skip).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let missing = (place.column - 1 - skip).saturating_sub(pad.chars().count());
    Some(format!("{shown}\n{pad}{}^", " ".repeat(missing)))
}

#[cfg(test)]
mod tests;
