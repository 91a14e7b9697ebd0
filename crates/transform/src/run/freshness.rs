//! How fresh sources are: the newest row's age against what was promised.

use super::Status;
use crate::engine::Engine;
use crate::spec::{self, Models, Source};
use domain::{Error, Result};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What was promised of a source, and what is.
#[derive(Clone, Debug)]
pub struct SourceResult {
    pub id: String,
    /// Pass, Warn, Fail (too old), or Error.
    pub status: Status,
    pub message: Option<String>,
    pub newest: Option<Timestamp>,
    pub at: Timestamp,
    pub ended: Timestamp,
}

/// Seconds since the newest row.
pub type Age = f64;

impl SourceResult {
    /// None where there is no row.
    pub fn age(&self) -> Option<Age> {
        self.newest.map(|newest| self.at.duration_since(newest).as_secs_f64())
    }
}

/// Asks every chosen source that promises something.
pub fn freshness(models: &Models, engine: &dyn Engine, chosen: &dyn Fn(&str) -> bool, now: Timestamp) -> Vec<SourceResult> {
    let promised = |s: &&Source| s.freshness.is_some() && s.loaded_at.is_some() && chosen(&s.id);
    models
        .sources
        .values()
        .filter(promised)
        .map(|source| {
            let (status, message, newest) = match newest(engine, source) {
                Ok(newest) => {
                    let (status, message) = judge(source, newest, now);
                    (status, message, newest)
                }
                Err(e) => (Status::Error, Some(e.to_string()), None),
            };
            SourceResult { id: source.id.clone(), status, message, newest, at: now, ended: Timestamp::now() }
        })
        .collect()
}

fn newest(engine: &dyn Engine, source: &Source) -> Result<Option<Timestamp>> {
    let column = source.loaded_at.as_deref().unwrap_or_default();
    let filter = source.freshness.as_ref().and_then(|f| f.filter.as_ref()).map(|f| format!(" where {f}")).unwrap_or_default();
    let rows = engine.query(&format!("select max({column}) as newest from {}{filter}", source.relation))?;
    let text = rows.rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
    text.map(|text| parse(&text).ok_or_else(|| not_a_time(source, &text))).transpose()
}

fn not_a_time(source: &Source, text: &str) -> Error {
    Error::stop(format!("{}: `loaded_at_field` gives `{text}`, which is no time", source.place), "name a column of timestamps, or cast it")
}

/// A time without a zone is UTC.
fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp()))
}

fn judge(source: &Source, newest: Option<Timestamp>, now: Timestamp) -> (Status, Option<String>) {
    let Some(freshness) = &source.freshness else { return (Status::Pass, None) };
    let Some(newest) = newest else { return (Status::Fail, Some("there is no row".into())) };
    let age = now.duration_since(newest).as_secs_f64();
    let beyond = |limit: Option<spec::Age>| limit.filter(|l| age > l.seconds());
    let told = |limit: spec::Age| {
        Some(format!(
            "the newest row is {age:.0} s old; {} {}{} were promised",
            limit.count,
            limit.period.word(),
            if limit.count == 1 { "" } else { "s" }
        ))
    };
    match (beyond(freshness.error_after), beyond(freshness.warn_after)) {
        (Some(limit), _) => (Status::Fail, told(limit)),
        (None, Some(limit)) => (Status::Warn, told(limit)),
        (None, None) => (Status::Pass, None),
    }
}

#[cfg(test)]
mod tests;
