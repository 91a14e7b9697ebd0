//! YAML as a tree whose every node knows its place, so that each later mistake can be shown where it is.
//!
//! A scalar keeps its text as written: what it means (a number, a span, SQL) is decided by whoever reads it. Anchors,
//! aliases, tags and several documents are refused: a project file is plain data.

use crate::diagnostic::{Diagnostic, Place};
use domain::Decimal;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Number, Value};

/// Deeper nesting than any project file has; what passes it is a mistake or an attack on the stack.
const MAX_DEPTH: usize = 32;

/// A float keeps this many decimal digits exactly; a longer number stays text so that none is lost.
const FLOAT_DIGITS: usize = 15;

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Of the first character; in quoted and block scalars, the first one of the content.
    pub place: Place,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file. No key stands twice.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub struct Scalar {
    pub text: String,
    /// Not quoted and not a block: may be a number, a boolean or null.
    pub plain: bool,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub name: String,
    pub place: Place,
}

impl Node {
    /// An empty value, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(s) if s.plain && matches!(s.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar that is not null.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(s) if !self.is_null() => Some(&s.text),
            _ => None,
        }
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> Option<&[(Key, Node)]> {
        match &self.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().find(|(k, _)| k.name == key).map(|(_, value)| value)
    }

    /// What it is, for messages.
    pub fn describe(&self) -> String {
        match &self.content {
            Content::List(_) => "a list".into(),
            Content::Map(_) => "a mapping".into(),
            Content::Scalar(_) if self.is_null() => "nothing".into(),
            Content::Scalar(s) => format!("`{}`", s.text.lines().next().unwrap_or_default()),
        }
    }

    /// As JSON, by YAML 1.2's core schema. A plain number that a float would change becomes a text with its digits, which a
    /// decoder of decimals takes as well.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => Value::Object(entries.iter().map(|(k, v)| (k.name.clone(), v.to_json())).collect::<Map<_, _>>()),
            Content::Scalar(_) if self.is_null() => Value::Null,
            Content::Scalar(s) if s.plain => plain(&s.text),
            Content::Scalar(s) => Value::String(s.text.clone()),
        }
    }
}

/// The value of a plain scalar that is not null.
fn plain(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(i) = text.parse::<i64>() {
        return Value::from(i);
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'));
    let digits = text.split(['e', 'E']).next().unwrap_or_default().chars().filter(char::is_ascii_digit).count();
    match text.parse::<f64>() {
        Ok(f) if numeric && digits > 0 && digits <= FLOAT_DIGITS => Number::from_f64(f).map_or_else(|| Value::from(text), Value::Number),
        _ => Value::from(text),
    }
}

/// The number that a scalar holds exactly, at most `scale` digits after the point.
pub(crate) fn decimal(text: &str, scale: u8) -> Option<Decimal> {
    Decimal::parse(text, scale).ok()
}

/// Reads one document. `Ok(None)` where the file holds nothing.
///
/// # Errors
/// The first syntax error, or every repeated key, anchor, alias and tag.
pub fn parse(file: &str, text: &str) -> Result<Option<Node>, Vec<Diagnostic>> {
    let mut builder = Builder { file, text, parser: Parser::new_from_str(text), mistakes: Vec::new() };
    let root = builder.document();
    match root {
        Ok(root) if builder.mistakes.is_empty() => Ok(root),
        Ok(_) => Err(builder.mistakes),
        Err(Stop) => Err(builder.mistakes),
    }
}

/// Parsing cannot go on; the reason is among the mistakes.
struct Stop;

struct Builder<'a> {
    file: &'a str,
    text: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    mistakes: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        loop {
            match self.parser.next() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(event)) => return Ok(event),
                Some(Err(e)) => return Err(self.syntax(&e)),
                None => return Ok((Event::StreamEnd, Span::default())),
            }
        }
    }

    fn syntax(&mut self, error: &ScanError) -> Stop {
        let place = Place { file: self.file.into(), line: error.marker().line(), column: error.marker().col() + 1 };
        self.mistakes.push(Diagnostic::new(place, format!("not valid YAML: {}", error.info())));
        Stop
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(root),
                _ if root.is_some() => {
                    self.mistakes
                        .push(Diagnostic::new(self.place(&span), "a second document in one file").hint("remove what follows the `---`"));
                    return Err(Stop);
                }
                event => {
                    let node = self.node(event, &span, 0)?;
                    if !node.is_null() {
                        root = Some(node);
                    }
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Stop> {
        let place = self.place(span);
        let plain_data = |what: &str| Diagnostic::new(place.clone(), format!("{what} are not supported here")).hint("write the value out");
        if depth > MAX_DEPTH {
            self.mistakes.push(Diagnostic::new(place, format!("nests deeper than {MAX_DEPTH} levels")));
            return Err(Stop);
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if anchor != 0 {
                    self.mistakes.push(plain_data("anchors"));
                }
                if tag.is_some() {
                    self.mistakes.push(plain_data("tags"));
                }
                let place = self.content_place(place, span, style);
                Ok(Node { place, content: Content::Scalar(Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }) })
            }
            Event::SequenceStart(_, anchor, _) => {
                if anchor != 0 {
                    self.mistakes.push(plain_data("anchors"));
                }
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Ok(Node { place, content: Content::List(items) }),
                        (event, span) => items.push(self.node(event, &span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(_, anchor, _) => {
                if anchor != 0 {
                    self.mistakes.push(plain_data("anchors"));
                }
                let mut entries: Vec<(Key, Node)> = Vec::new();
                loop {
                    let key = match self.next()? {
                        (Event::MappingEnd, _) => return Ok(Node { place, content: Content::Map(entries) }),
                        (event, span) => self.node(event, &span, depth + 1)?,
                    };
                    let (event, span) = self.next()?;
                    let value = self.node(event, &span, depth + 1)?;
                    let Content::Scalar(name) = key.content else {
                        self.mistakes.push(Diagnostic::new(key.place, "a key must be a name"));
                        continue;
                    };
                    if let Some((first, _)) = entries.iter().find(|(k, _)| k.name == name.text) {
                        let message = format!("`{}` stands twice, first on line {}", name.text, first.place.line);
                        self.mistakes.push(Diagnostic::new(key.place, message).hint("remove one of the two"));
                        continue;
                    }
                    entries.push((Key { name: name.text, place: key.place }, value));
                }
            }
            Event::Alias(_) => {
                self.mistakes.push(plain_data("aliases"));
                Ok(Node { place, content: Content::Scalar(Scalar { text: String::new(), plain: true }) })
            }
            _ => {
                self.mistakes.push(Diagnostic::new(place, "not valid YAML here"));
                Err(Stop)
            }
        }
    }

    fn place(&self, span: &Span) -> Place {
        Place { file: self.file.into(), line: span.start.line(), column: span.start.col() + 1 }
    }

    /// Where a scalar's content starts: behind the quote, or at the first line of the block.
    fn content_place(&self, place: Place, span: &Span, style: ScalarStyle) -> Place {
        let block = match style {
            ScalarStyle::Plain => return place,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => return Place { column: place.column + 1, ..place },
            ScalarStyle::Literal | ScalarStyle::Folded => span.byte_range().and_then(|r| self.text.get(r.start..)).unwrap_or_default(),
        };
        // The span starts at the `|` or `>`; the content at the first line behind it that holds anything.
        let header = if block.starts_with(['|', '>']) { 1 } else { 0 };
        block.lines().enumerate().skip(header).find(|(_, line)| !line.trim().is_empty()).map_or(place.clone(), |(i, line)| Place {
            file: place.file.clone(),
            line: place.line + i,
            column: if i == 0 { place.column } else { line.chars().take_while(|c| *c == ' ').count() + 1 },
        })
    }
}

#[cfg(test)]
mod tests;
