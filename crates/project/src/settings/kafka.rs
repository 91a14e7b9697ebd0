//! `log: {kafka: ...}`: where a cluster is, how its brokers are trusted, and who we are to them. Turned into the client's own properties
//! here, so that nobody after this knows the words.

use super::{Environment, resolved};
use crate::diagnostic::Diagnostic;
use crate::section::{Report, Section};
use crate::yaml::Node;
use std::collections::BTreeMap;

const MECHANISMS: [(&str, &str); 3] = [("PLAIN", "PLAIN"), ("SCRAM-SHA-256", "SCRAM-SHA-256"), ("SCRAM-SHA-512", "SCRAM-SHA-512")];

type Properties = BTreeMap<String, String>;

/// Bootstrap servers, where they are given, and properties of the client.
pub(super) fn read(node: &Node, env: Environment, report: &mut Report) -> Option<(Option<String>, Properties)> {
    let section = Section::open(node, "`kafka`", &["bootstrap", "tls", "sasl", "properties"], report)?;
    let bootstrap = section.node("bootstrap").and_then(|node| resolved(node, "bootstrap", env, report));
    let mut properties = Properties::new();
    let secure = section.node("tls").is_some_and(|node| tls(node, env, &mut properties, report));
    let named = section.node("sasl").is_some_and(|node| sasl(node, env, &mut properties, report));
    let protocol = match (secure, named) {
        (false, false) => None,
        (true, false) => Some("SSL"),
        (false, true) => Some("SASL_PLAINTEXT"),
        (true, true) => Some("SASL_SSL"),
    };
    properties.extend(protocol.map(|name| ("security.protocol".to_owned(), name.to_owned())));
    if let Some(node) = section.node("properties") {
        passed_through(node, env, &mut properties, report);
    }
    Some((bootstrap, properties))
}

/// `true`, or a mapping. Whether TLS is spoken.
fn tls(node: &Node, env: Environment, properties: &mut Properties, report: &mut Report) -> bool {
    if let Some(word) = node.text() {
        if !["true", "false"].contains(&word) {
            report
                .add(Diagnostic::new(node.place.clone(), format!("`tls` cannot be `{word}`")).hint("write true, or a mapping with `ca:`"));
        }
        return word == "true";
    }
    let Some(section) = Section::open(node, "`tls`", &["ca", "certificate", "key", "key_password", "verify_hostname"], report) else {
        return false;
    };
    for (key, property) in [("ca", "ssl.ca.location"), ("certificate", "ssl.certificate.location"), ("key", "ssl.key.location")] {
        let Some(node) = section.node(key) else { continue };
        let Some(path) = resolved(node, key, env, report) else { continue };
        if !path.starts_with('/') {
            let mistake = Diagnostic::new(node.place.clone(), format!("`{key}` is not a whole path"));
            report.add(mistake.hint("begin with /: a project may be started from any folder"));
        }
        properties.insert(property.into(), path);
    }
    if section.node("certificate").is_some() != section.node("key").is_some() {
        let mistake = Diagnostic::new(node.place.clone(), "`tls` has one of `certificate` and `key`");
        report.add(mistake.hint("give both, or neither where the brokers do not ask for a client's certificate"));
    }
    properties.extend(secret(&section, "key_password", env, report).map(|text| ("ssl.key.password".into(), text)));
    if section.boolean("verify_hostname", report) == Some(false) {
        properties.insert("ssl.endpoint.identification.algorithm".into(), "none".into());
    }
    true
}

/// Whether who we are is told.
fn sasl(node: &Node, env: Environment, properties: &mut Properties, report: &mut Report) -> bool {
    let Some(section) = Section::open(node, "`sasl`", &["mechanism", "username", "password"], report) else { return false };
    section.required("mechanism", report);
    let mechanism = section.choice("mechanism", &MECHANISMS, report);
    properties.extend(mechanism.map(|name| ("sasl.mechanism".into(), name.to_owned())));
    let username = section.required("username", report).and_then(|node| resolved(node, "username", env, report));
    properties.extend(username.map(|name| ("sasl.username".into(), name)));
    section.required("password", report);
    properties.extend(secret(&section, "password", env, report).map(|text| ("sasl.password".into(), text)));
    true
}

/// A text that may only come from the environment.
fn secret(section: &Section<'_>, key: &str, env: Environment, report: &mut Report) -> Option<String> {
    let node = section.node(key)?;
    if node.text().is_some_and(|text| !text.contains("${")) {
        report.add(plain_text(node, key));
        return None;
    }
    resolved(node, key, env, report)
}

fn plain_text(node: &Node, key: &str) -> Diagnostic {
    Diagnostic::new(node.place.clone(), format!("`{key}` holds a secret in plain text"))
        .hint("write ${NAME} and set NAME in the environment")
}

/// What the client knows and we have no word for.
fn passed_through(node: &Node, env: Environment, properties: &mut Properties, report: &mut Report) {
    let Some(entries) = node.entries() else {
        report.add(Diagnostic::new(node.place.clone(), format!("`properties` must be a mapping, got {}", node.describe())));
        return;
    };
    for (key, value) in entries {
        let is_secret = ["password", "secret", "sasl.jaas.config", "pem"].iter().any(|word| key.name.contains(word));
        if is_secret && value.text().is_some_and(|text| !text.contains("${")) {
            report.add(plain_text(value, &key.name));
        }
        if let Some(text) = resolved(value, &key.name, env, report) {
            properties.insert(key.name.clone(), text);
        }
    }
}

#[cfg(test)]
mod tests;
