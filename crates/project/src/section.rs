//! Typed reading of a YAML mapping: each getter notes what is wrong, with its place, and goes on.

use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::{self, Content, Key, Node};

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Report {
    pub mistakes: Vec<Diagnostic>,
}

impl Report {
    pub fn add(&mut self, mistake: Diagnostic) {
        self.mistakes.push(mistake);
    }

    /// Parses a whole file into its root mapping; notes why where it cannot.
    pub fn document(&mut self, path: &str, bytes: &[u8]) -> Option<Node> {
        let text = self.utf8(path, bytes)?;
        match yaml::parse(path, text) {
            Ok(Some(node)) => Some(node),
            Ok(None) => {
                self.add(Diagnostic::new(Place::file(path), "the file is empty"));
                None
            }
            Err(mistakes) => {
                self.mistakes.extend(mistakes);
                None
            }
        }
    }

    pub fn utf8<'a>(&mut self, path: &str, bytes: &'a [u8]) -> Option<&'a str> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(e) => {
                let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
                self.add(Diagnostic::new(Place { file: path.into(), line, column: 0 }, "not UTF-8 text").hint("save the file as UTF-8"));
                None
            }
        }
    }
}

/// A mapping with a known set of keys.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    pub place: Place,
    /// What it describes, with an article, for messages: `a rule`.
    what: &'static str,
    entries: &'a [(Key, Node)],
}

impl<'a> Section<'a> {
    /// Notes every key that is not known.
    pub fn open(node: &'a Node, what: &'static str, known: &[&str], report: &mut Report) -> Option<Self> {
        let Some(entries) = node.entries() else {
            report.add(
                Diagnostic::new(node.place.clone(), format!("{what} must be a mapping, got {}", node.describe()))
                    .hint(format!("its keys are: {}", known.join(", "))),
            );
            return None;
        };
        for (key, value) in entries {
            if known.contains(&key.name.as_str()) {
                continue;
            }
            let mistake = Diagnostic::new(key.place.clone(), format!("{what} has no key `{}`", key.name));
            report.add(match value.is_null() && key.name.contains(' ') {
                true => mistake.hint("put a text that holds a comma in double quotes inside { }"),
                false => mistake.nearest(&key.name, known.iter().copied()),
            });
        }
        Some(Self { place: node.place.clone(), what, entries })
    }

    /// The value of a key, unless it is missing or null.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(k, _)| k.name == key).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// The value of a key that must be there.
    pub fn required(&self, key: &str, report: &mut Report) -> Option<&'a Node> {
        let node = self.node(key);
        if node.is_none() {
            report.add(Diagnostic::new(self.place.clone(), format!("{} needs `{key}`", self.what)));
        }
        node
    }

    /// Text, trimmed of what a block scalar leaves at its end.
    pub fn text(&self, key: &str, report: &mut Report) -> Option<String> {
        self.node(key).and_then(|node| text(node, key, report)).map(str::to_owned)
    }

    pub fn required_text(&self, key: &str, report: &mut Report) -> Option<String> {
        self.required(key, report).and_then(|node| text(node, key, report)).map(str::to_owned)
    }

    /// A scalar read by `read`, whose error is the message.
    pub fn parse<T>(&self, key: &str, report: &mut Report, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let node = self.node(key)?;
        let text = text(node, key, report)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(message) => {
                report.add(Diagnostic::new(node.place.clone(), format!("`{key}`: {message}")));
                None
            }
        }
    }

    /// One of some words.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], report: &mut Report) -> Option<T> {
        let node = self.node(key)?;
        let word = text(node, key, report)?;
        let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            report.add(
                Diagnostic::new(node.place.clone(), format!("`{key}` cannot be `{word}`"))
                    .nearest(word, choices.iter().map(|(name, _)| *name)),
            );
        }
        found
    }

    pub fn boolean(&self, key: &str, report: &mut Report) -> Option<bool> {
        self.choice(key, &[("true", true), ("false", false)], report)
    }

    /// A list; one value alone stands for a list of one.
    pub fn list(&self, key: &str) -> &'a [Node] {
        match self.node(key) {
            Some(Node { content: Content::List(items), .. }) => items,
            Some(node) => std::slice::from_ref(node),
            None => &[],
        }
    }
}

/// The text of a scalar; notes it where the node is none.
pub fn text<'a>(node: &'a Node, key: &str, report: &mut Report) -> Option<&'a str> {
    let text = node.text().map(str::trim_end);
    match text {
        Some(text) if !text.is_empty() => Some(text),
        Some(_) => {
            report.add(Diagnostic::new(node.place.clone(), format!("`{key}` is empty")));
            None
        }
        None => {
            report.add(Diagnostic::new(node.place.clone(), format!("`{key}` must be text, got {}", node.describe())));
            None
        }
    }
}

/// Whether SQL takes the word as a name without quotes: lower-case letters, digits and `_`, not starting with a digit.
pub fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Notes a word that SQL would not take as a name.
pub fn check_name(word: &str, what: &str, place: &Place, report: &mut Report) {
    if !is_name(word) {
        let suggestion: String = word.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        report.add(Diagnostic::new(place.clone(), format!("`{word}` cannot name {what}")).hint(format!(
            "use lower-case letters, digits and `_`, for example `{}`",
            suggestion.trim_start_matches(|c: char| c.is_ascii_digit())
        )));
    }
}
