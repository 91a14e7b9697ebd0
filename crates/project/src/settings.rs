//! `sluice.yml`: the project's name and where its parts are. Secrets come from the environment, as `${NAME}`.

mod kafka;

use crate::diagnostic::Diagnostic;
use crate::section::{Report, Section, text};
use crate::spec::{LakeSettings, LogSettings, Secret, Settings, StoreSettings};
use crate::yaml::{Content, Node};
use crate::{listener, webhooks};
use std::collections::BTreeMap;

/// Looks up an environment variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

const KEYS: [&str; 9] = ["name", "description", "currency", "log", "store", "lake", "vars", "state_memory", "webhooks"];

pub(crate) fn read(node: &Node, env: Environment, report: &mut Report) -> Settings {
    let Some(section) = Section::open(node, "sluice.yml", &KEYS, report) else { return Settings::default() };
    let (store, store_keep) = section.node("store").map(|node| store(node, env, report)).unwrap_or_default();
    Settings {
        name: section.required_text("name", report).unwrap_or_default(),
        description: section.text("description", report).unwrap_or_default(),
        currency: section.parse("currency", report, currency),
        log: section.node("log").map(|node| log(node, env, report)).unwrap_or_default(),
        listener: section
            .node("log")
            .and_then(|node| node.entries()?.iter().find(|(key, _)| key.name == "embedded"))
            .map(|(_, node)| listener::read(node, env, report))
            .unwrap_or_default(),
        store,
        store_keep,
        lake: section.node("lake").map(|node| lake(node, env, report)).unwrap_or_default(),
        vars: section.node("vars").map(|node| vars(node, report)).unwrap_or_default(),
        state_memory: section.parse("state_memory", report, bytes),
        webhooks: section.node("webhooks").map(|node| webhooks::read(node, env, report)).unwrap_or_default(),
    }
}

fn currency(text: &str) -> Result<String, String> {
    if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a currency code; write three capital letters as in ISO 4217, for example USD"))
    }
}

/// A size such as `512MB` (millions of bytes) or `2GiB` (powers of 1024), in bytes.
fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; write for example 512MB or 2GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    count.checked_mul(unit).ok_or_else(wrong)
}

fn log(node: &Node, env: Environment, report: &mut Report) -> LogSettings {
    if let Some(word) = node.text() {
        if word != "embedded" {
            let mistake = Diagnostic::new(node.place.clone(), format!("`log` cannot be `{word}`"));
            report.add(
                mistake.hint("write `embedded`, `embedded:` with `authentication:` or `tls:` under it, or `kafka:` with `bootstrap:`"),
            );
        }
        return LogSettings::Embedded;
    }
    let section = Section::open(node, "`log`", &["embedded", "kafka"], report);
    if let Some(section) = &section
        && section.node("embedded").is_some()
    {
        if let Some(node) = section.node("kafka") {
            let mistake = Diagnostic::new(node.place.clone(), "the log is `embedded` already");
            report.add(mistake.hint("keep `embedded:` or `kafka:`"));
        }
        return LogSettings::Embedded;
    }
    let Some(kafka) = section.and_then(|section| section.required("kafka", report)) else {
        return LogSettings::Embedded;
    };
    let Some((bootstrap, properties)) = kafka::read(kafka, env, report) else { return LogSettings::Embedded };
    if kafka.entries().is_some_and(|entries| entries.iter().all(|(key, _)| key.name != "bootstrap")) {
        report.add(Diagnostic::new(kafka.place.clone(), "`kafka` needs `bootstrap`"));
    }
    LogSettings::Kafka { bootstrap: bootstrap.unwrap_or_default(), properties }
}

/// A file with what stands under `kafka:`, for commands that are told an address. The bootstrap servers, if it names them, and the
/// client's properties.
///
/// # Errors
/// Every mistake in it.
pub fn read_kafka(
    path: &str,
    bytes: &[u8],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Option<String>, BTreeMap<String, String>), Vec<Diagnostic>> {
    let mut report = Report::default();
    let found = report.document(path, bytes).and_then(|node| kafka::read(&node, env, &mut report));
    match found {
        Some(found) if report.mistakes.is_empty() => Ok(found),
        _ => Err(report.mistakes),
    }
}

/// Where the lake is: `off`, `embedded`, or a folder.
fn lake(node: &Node, env: Environment, report: &mut Report) -> LakeSettings {
    if node.to_json() == serde_json::Value::Bool(false) {
        return LakeSettings::Off;
    }
    match resolved(node, "lake", env, report).as_deref() {
        None | Some("off") => LakeSettings::Off,
        Some("embedded") => LakeSettings::Embedded,
        Some(folder) if folder.contains("://") || folder.trim().is_empty() => {
            // What was resolved may hold a secret: the message shows what is written.
            let written = node.text().unwrap_or_default();
            let mistake = Diagnostic::new(node.place.clone(), format!("`lake` cannot be `{written}`"));
            report.add(mistake.hint("write `embedded` (in the data folder), a folder such as /var/lib/lake, or `off`"));
            LakeSettings::Off
        }
        Some(folder) => LakeSettings::Folder(folder.into()),
    }
}

/// Where the store is, and how long it keeps what it has: an address alone, or `address` and `keep`.
fn store(node: &Node, env: Environment, report: &mut Report) -> (StoreSettings, Option<i64>) {
    if node.text().is_some() {
        return (store_address(node, env, report), None);
    }
    let Some(section) = Section::open(node, "`store`", &["address", "keep"], report) else { return Default::default() };
    let address = section.node("address").map(|node| store_address(node, env, report)).unwrap_or_default();
    (address, section.parse("keep", report, kept_for))
}

/// At least a day: what is removed by mistake is gone from the store for good.
fn kept_for(text: &str) -> Result<i64, String> {
    match domain::time::parse_span(text)? {
        span if span < domain::time::DAY => Err(format!("`{text}` is too short; write a day or more, such as 90 days")),
        span => Ok(span),
    }
}

fn store_address(node: &Node, env: Environment, report: &mut Report) -> StoreSettings {
    let Some(written) = text(node, "store", report) else { return StoreSettings::Embedded };
    if written == "embedded" {
        return StoreSettings::Embedded;
    }
    // user:password@host with the password written out
    let password =
        written.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).and_then(|(user, _)| user.split_once(':')).map(|(_, p)| p);
    if password.is_some_and(|p| !p.is_empty() && !p.contains("${")) {
        report.add(
            Diagnostic::new(node.place.clone(), "`store` holds a password in plain text")
                .hint("write ${NAME} and set NAME in the environment"),
        );
        return StoreSettings::Embedded;
    }
    // What comes into an address's user or password is taken as it is, whatever characters it has.
    let (user, rest) = match written.rsplit_once('@') {
        Some((user, _)) if user.contains("://") => written.split_at(user.len()),
        _ => ("", written),
    };
    let escaped = |name: &str| env(name).map(|value| percent_encoded(&value));
    let (user, rest) = (resolve(user, "store", node, &escaped, report), resolve(rest, "store", node, env, report));
    let (Some(user), Some(rest)) = (user, rest) else { return StoreSettings::Embedded };
    let address = user + &rest;
    if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
        // What was resolved may hold a secret: the message shows what is written.
        let mistake = Diagnostic::new(node.place.clone(), format!("`store` cannot be `{written}`"));
        report.add(mistake.hint("write `embedded`, or an address such as postgres://user:${PASSWORD}@host/database"));
        return StoreSettings::Embedded;
    }
    StoreSettings::Postgres(Secret::new(address.into_bytes()))
}

fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn vars(node: &Node, report: &mut Report) -> BTreeMap<String, serde_json::Value> {
    match &node.content {
        Content::Map(entries) => entries.iter().map(|(key, value)| (key.name.clone(), value.to_json())).collect(),
        _ => {
            report.add(Diagnostic::new(node.place.clone(), format!("`vars` must be a mapping, got {}", node.describe())));
            BTreeMap::new()
        }
    }
}

/// The text with each `${NAME}` replaced from the environment; every missing name is noted.
pub(crate) fn resolved(node: &Node, key: &str, env: Environment, report: &mut Report) -> Option<String> {
    resolve(text(node, key, report)?, key, node, env, report)
}

fn resolve(written: &str, key: &str, node: &Node, env: Environment, report: &mut Report) -> Option<String> {
    let (mut out, mut rest, mut complete) = (String::new(), written, true);
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            report.add(Diagnostic::new(node.place.clone(), format!("`{key}` has a `${{` without its `}}`")));
            return None;
        };
        match env(name) {
            Some(value) => out.push_str(&value),
            None => {
                complete = false;
                let mistake = Diagnostic::new(node.place.clone(), format!("the environment has no `{name}`"));
                report.add(mistake.hint(format!("set it before starting, for example: export {name}=...")));
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    complete.then_some(out)
}

#[cfg(test)]
mod tests;
