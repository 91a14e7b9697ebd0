//! `webhooks:` in `sluice.yml`: addresses that each alert is sent to, signed. Secrets come from the environment alone, and no message
//! shows what they are.

use crate::diagnostic::{Diagnostic, Place};
use crate::rules::{ACTIONS, SEVERITIES};
use crate::section::{Report, Section, text};
use crate::settings::{Environment, resolved};
use crate::spec::{RuleSpec, Secret, WebhookSpec};
use crate::yaml::{Content, Node};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Severity;
use domain::time::{self, SECOND};

const KEYS: [&str; 8] = ["name", "url", "secret", "min_severity", "decision", "rules", "timeout", "attempts"];

/// What a signing secret begins with; base64 follows. Standard Webhooks, "Symmetric", which also sets its length.
const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

const TIMEOUT: i64 = 10 * SECOND;
const TIMEOUTS: std::ops::RangeInclusive<i64> = SECOND / 10..=60 * SECOND;

/// With waits that double from half a second to five minutes, an hour passes before the last attempt.
const ATTEMPTS: u32 = 20;

pub(crate) fn read(node: &Node, env: Environment, report: &mut Report) -> Vec<WebhookSpec> {
    let Content::List(items) = &node.content else {
        let mistake = Diagnostic::new(node.place.clone(), format!("`webhooks` must be a list, got {}", node.describe()));
        report.add(mistake.hint("write `- name: ...` with `url:` and `secret:` under it"));
        return Vec::new();
    };
    let mut webhooks: Vec<WebhookSpec> = Vec::new();
    for item in items {
        let Some(webhook) = webhook(item, env, report) else { continue };
        match webhooks.iter().any(|w| w.name == webhook.name) {
            true => report.add(
                Diagnostic::new(webhook.place, format!("webhook `{}` stands twice", webhook.name))
                    .hint("give each a name of its own: its position is kept under it"),
            ),
            false => webhooks.push(webhook),
        }
    }
    webhooks
}

fn webhook(node: &Node, env: Environment, report: &mut Report) -> Option<WebhookSpec> {
    let section = Section::open(node, "a webhook", &KEYS, report)?;
    let name = section.required("name", report).and_then(|node| name(node, report));
    let url = section.required("url", report).and_then(|node| url(node, env, report));
    section.required("secret", report);
    let secrets = section.list("secret").iter().filter_map(|node| secret(node, env, report)).collect();
    Some(WebhookSpec {
        place: node.place.clone(),
        secrets,
        min_severity: section.choice("min_severity", &SEVERITIES, report).unwrap_or(Severity::Low),
        decision: section.choice("decision", &ACTIONS, report),
        rules: section
            .list("rules")
            .iter()
            .filter_map(|node| text(node, "rules", report).map(|t| (t.to_owned(), node.place.clone())))
            .collect(),
        timeout: section.parse("timeout", report, timeout).unwrap_or(TIMEOUT),
        attempts: section.parse("attempts", report, attempts).unwrap_or(ATTEMPTS),
        name: name?,
        url: url?,
    })
}

/// It names a file and a label of metrics.
fn name(node: &Node, report: &mut Report) -> Option<String> {
    let name = text(node, "name", report)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if name.len() <= 64 && name.chars().all(plain) {
        return Some(name.to_owned());
    }
    let mistake = Diagnostic::new(node.place.clone(), format!("`{name}` cannot name a webhook"));
    report.add(mistake.hint("use up to 64 lower-case letters, digits, `_` and `-`"));
    None
}

fn url(node: &Node, env: Environment, report: &mut Report) -> Option<Secret> {
    let resolved = resolved(node, "url", env, report)?;
    // What was resolved may hold a secret: messages show what is written.
    let written = node.text().unwrap_or_default().trim_end();
    let mut wrong = |hint: &str| {
        report.add(Diagnostic::new(node.place.clone(), format!("`url` cannot be `{written}`")).hint(hint));
        None
    };
    match url::Url::parse(&resolved) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() => {
            wrong("write an address that begins with https:// (or http://)")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            wrong("take user and password out: receivers check the signature instead")
        }
        Ok(_) => Some(Secret::new(resolved.into_bytes())),
        Err(_) => wrong("write an address such as https://shop.example/hooks/sluice"),
    }
}

fn secret(node: &Node, env: Environment, report: &mut Report) -> Option<Secret> {
    let written = text(node, "secret", report)?;
    if !(written.starts_with("${") && written.ends_with('}')) {
        report.add(
            Diagnostic::new(node.place.clone(), "`secret` must come from the environment")
                .hint("write ${NAME} and set NAME in the environment"),
        );
        return None;
    }
    let resolved = resolved(node, "secret", env, report)?;
    let key = resolved.strip_prefix(SECRET_PREFIX).and_then(|coded| STANDARD.decode(coded.trim_end()).ok());
    let key = key.filter(|key| SECRET_BYTES.contains(&key.len()));
    if key.is_none() {
        report.add(
            Diagnostic::new(node.place.clone(), format!("what `{written}` stands for is no signing secret"))
                .hint("it is `whsec_` and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)"),
        );
    }
    key.map(Secret::new)
}

fn timeout(text: &str) -> Result<i64, String> {
    time::parse_span(text)?
        .checked_abs()
        .filter(|span| TIMEOUTS.contains(span))
        .ok_or_else(|| format!("must be between 100ms and 60s, got {text}"))
}

fn attempts(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(|| format!("must be a number from 1 to 1000, got {text}"))
}

/// Names every rule that a webhook asks for and that does not exist.
pub(crate) fn check_rules(webhooks: &[WebhookSpec], rules: &[RuleSpec], report: &mut Report) {
    for (rule, place) in webhooks.iter().flat_map(|w| &w.rules) {
        if !rules.iter().any(|r| r.name == rule.as_str()) {
            let mistake = Diagnostic::new(Place::clone(place), format!("there is no rule `{rule}`"));
            report.add(mistake.nearest(rule, rules.iter().map(|r| r.name.as_str())));
        }
    }
}
