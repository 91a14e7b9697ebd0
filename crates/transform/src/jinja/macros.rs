//! All macros: those that come with the product and those of the folder, as one environment that every rendering starts from.

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use project::section::Report;
use project::{Diagnostic, Place, nearest};

/// Instructions one rendering may take: some milliseconds.
const FUEL: u64 = 5_000_000;

/// Those that come with the product, by the name they are called with; no prefix for the tests that dbt itself has.
const DBT: &str = include_str!("builtin/dbt.sql");
const DBT_UTILS: &str = include_str!("builtin/dbt_utils.sql");
const TESTS: &str = include_str!("builtin/tests.sql");

/// The name of the template that holds all macros of the folder.
const OWN: &str = "macros";

/// A macro of the folder.
#[derive(Clone, Debug)]
pub struct Macro {
    pub name: String,
    pub place: Place,
    /// As written.
    pub source: String,
}

/// The macros of a folder, ready to be called.
#[derive(Debug)]
pub struct Macros {
    pub list: Vec<Macro>,
    environment: Environment<'static>,
    /// Of the joined source: the first line of each file there (from 1), and the file.
    starts: Vec<(usize, String)>,
    /// What goes before every template, on its first line.
    prelude: String,
}

impl Macros {
    /// Compiles the macros of files: path and text.
    pub(crate) fn read(files: &[(&str, &str)], report: &mut Report) -> Self {
        let mut environment = base();
        let (mut list, mut starts, mut joined) = (Vec::new(), Vec::new(), builtin_prelude());
        let mut line = 1;
        for (path, text) in files {
            let text = tests_as_macros(text);
            if let Err(e) = environment.template_from_named_str(path, &text) {
                report.add(mistake(&e, path, &text, 0, &[]));
                continue;
            }
            for (name, offset, source) in macros_of(&text) {
                let place = Place::at(*path, &text, offset);
                if let Some(first) = list.iter().find(|m: &&Macro| m.name == name) {
                    report.add(Diagnostic::new(place, format!("macro `{name}` stands twice, first in {}", first.place)));
                    continue;
                }
                list.push(Macro { name, place, source });
            }
            starts.push((line, (*path).to_owned()));
            line += text.matches('\n').count() + 1;
            joined.push_str(&text);
            joined.push('\n');
        }
        let mut prelude = builtin_prelude();
        // A name that stands twice is a mistake, so one of the two may be missing here.
        let names: Vec<&str> = list.iter().map(|m| m.name.as_str()).collect();
        if !names.is_empty() {
            prelude.push_str(&format!("{{% from \"{OWN}\" import {} %}}", names.join(", ")));
        }
        // Each file compiled alone, so what fails here would be a fault of ours; the renderings will say so.
        let _ = environment.add_template_owned(OWN, joined);
        Self { list, environment, starts, prelude }
    }

    pub(crate) fn environment(&self) -> Environment<'static> {
        self.environment.clone()
    }

    /// Whether there is a test of this name.
    pub(crate) fn has_test(&self, namespace: Option<&str>, name: &str) -> bool {
        self.test_names().iter().any(|known| match namespace {
            Some(namespace) => known.strip_prefix(namespace).and_then(|k| k.strip_prefix('.')) == Some(name),
            None => known == name,
        })
    }

    /// Every test that a properties file may ask for.
    pub(crate) fn test_names(&self) -> Vec<String> {
        let of = |source: &str, prefix: &str| {
            macros_of(source)
                .into_iter()
                .filter_map(|(name, ..)| name.strip_prefix("test_").map(|n| format!("{prefix}{n}")))
                .collect::<Vec<_>>()
        };
        let mut names = of(TESTS, "");
        names.extend(of(DBT_UTILS, "dbt_utils."));
        names.extend(self.list.iter().filter_map(|m| m.name.strip_prefix("test_").map(str::to_owned)));
        names
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|m| m.name == name)
    }

    /// The source with all macros brought in, and how many bytes stand before it on its first line.
    pub(crate) fn with_prelude(&self, source: &str) -> (String, usize) {
        (format!("{}{source}", self.prelude), self.prelude.len())
    }

    /// What went wrong, in the file where it did.
    pub(crate) fn mistake(&self, error: &Error, path: &str, source: &str, prelude: usize, known: &[&str]) -> Diagnostic {
        match error.name() {
            Some(OWN) => {
                let line = error.line().unwrap_or(1);
                let (start, file) = self.starts.iter().rev().find(|(start, _)| *start <= line).cloned().unwrap_or((1, path.to_owned()));
                let mut wrong = mistake(error, path, source, prelude, known);
                wrong.place = Place { file, line: line - start + 1, column: 0 };
                wrong
            }
            Some("dbt" | "dbt_utils" | "tests") => {
                let mut wrong = mistake(error, path, source, prelude, known);
                wrong.place = Place::file(path);
                wrong
            }
            _ => mistake(error, path, source, prelude, known),
        }
    }
}

/// An environment with Python's methods and no way to the outside.
fn base() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    for (name, source) in [("dbt", DBT), ("dbt_utils", DBT_UTILS), ("tests", TESTS)] {
        // Tested: they compile.
        let _ = environment.add_template(name, source);
    }
    environment
}

fn builtin_prelude() -> String {
    let tests: Vec<String> = macros_of(TESTS).into_iter().map(|(name, ..)| name).collect();
    format!("{{% import \"dbt\" as dbt %}}{{% import \"dbt_utils\" as dbt_utils %}}{{% from \"tests\" import {} %}}", tests.join(", "))
}

/// A mistake of a template. `prelude` bytes of the template's first line are not of the file.
fn mistake(error: &Error, path: &str, source: &str, prelude: usize, known: &[&str]) -> Diagnostic {
    let range = error.range().filter(|r| !r.is_empty() && r.start >= prelude).map(|r| r.start - prelude..r.end - prelude);
    let place = match (&range, error.line()) {
        (Some(range), _) if range.start <= source.len() => Place::at(path, source, range.start),
        (_, Some(line)) => Place { file: path.into(), line, column: 0 },
        _ => Place::file(path),
    };
    // What the template says at the place, for errors that do not name it themselves.
    let thing = range.and_then(|r| source.get(r)).map(|t| t.trim().to_owned()).unwrap_or_default();
    let detail = error.detail().map(str::to_owned).unwrap_or_else(|| error.kind().to_string());
    match error.kind() {
        ErrorKind::OutOfFuel => Diagnostic::new(place, "takes too long to render"),
        ErrorKind::UnknownFunction | ErrorKind::UndefinedError
            if !thing.is_empty() && (!detail.contains('`') || detail.ends_with("is undefined")) =>
        {
            let name = thing.split(['(', '|', ' ']).next().unwrap_or(&thing).to_owned();
            let mistake = Diagnostic::new(place, format!("there is no `{name}` here"));
            match nearest(&name, known.iter().copied()) {
                Some(near) => mistake.hint(format!("did you mean `{near}`?")),
                None => mistake.hint("it is neither a macro of this folder nor a function that is supported"),
            }
        }
        ErrorKind::UnknownMethod => match detail.rsplit_once(" has no method named ") {
            Some((_, name)) => Diagnostic::new(place, format!("there is no macro or method `{name}` here"))
                .hint("of `dbt` and `dbt_utils` only what the documentation lists is there"),
            None => Diagnostic::new(place, detail),
        },
        _ => Diagnostic::new(place, detail),
    }
}

/// `{% test name(...) %}` is a macro `test_name`, as in dbt.
fn tests_as_macros(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let open = if tag.starts_with("{%-") { 3 } else { 2 };
        let inner = tag[open..].trim_start();
        let skipped = tag.len() - inner.len();
        if let Some(after) = inner.strip_prefix("test ") {
            out.push_str(&tag[..skipped]);
            out.push_str("macro test_");
            rest = after.trim_start();
        } else if let Some(after) = inner.strip_prefix("endtest") {
            out.push_str(&tag[..skipped]);
            out.push_str("endmacro");
            rest = after;
        } else {
            out.push_str(&tag[..open]);
            rest = &tag[open..];
        }
    }
    out.push_str(rest);
    out
}

/// Name, offset and source of each macro of a text.
fn macros_of(text: &str) -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    let plain = blanked(text);
    let mut at = 0;
    while let Some(next) = plain[at..].find("{%") {
        let start = at + next;
        let inner = plain[start + 2..].trim_start_matches('-').trim_start();
        at = start + 2;
        let Some(after) = inner.strip_prefix("macro ") else { continue };
        let name: String = after.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let end = plain[start..].find("endmacro").and_then(|e| plain[start + e..].find("%}").map(|f| start + e + f + 2));
        let end = end.unwrap_or(plain.len());
        found.push((name, start, text[start..end].to_owned()));
        at = end;
    }
    found
}

/// The text with every byte of jinja's comments a space, so that nothing in them is found.
pub(crate) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{#") {
        let end = rest[at..].find("#}").map_or(rest.len(), |e| at + e + 2);
        out.push_str(&rest[..at]);
        out.extend(rest[at..end].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}
