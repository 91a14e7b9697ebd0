//! The events of a case, for rules and features alike: the stream's example with the case's own fields laid over it.
//!
//! `- transactions: {amount: 10}` is one event; `after: 5 minutes` moves its time, `repeat: 5` and `every: 1 minute` make more.

use crate::diagnostic::Diagnostic;
use crate::section::{Report, Section};
use crate::spec::{CaseEvent, StreamSpec};
use crate::streams::check_record;
use crate::yaml::Node;
use domain::{FieldType, Micros, time};
use serde_json::Value;

/// Where a case does not say when, events are this far apart.
const STEP: i64 = time::SECOND;
const MAX_REPEAT: usize = 10_000;
const MODIFIERS: [&str; 3] = ["after", "repeat", "every"];

/// Reads the `events:` of a case.
pub(crate) fn events(section: &Section, streams: &[StreamSpec], report: &mut Report) -> Vec<CaseEvent> {
    if section.required("events", report).is_none() {
        return Vec::new();
    }
    let mut timeline = Timeline { streams, now: None, made: 0, events: Vec::new() };
    let nodes = section.list("events");
    for node in nodes {
        timeline.add(node, report);
    }
    let judged = streams.iter().find(|s| s.stream.judged.is_some());
    if let Some(judged) = judged
        && let Some(last) = nodes.last()
        && !timeline.events.is_empty()
        && !timeline.events.iter().any(|e| e.stream == judged.stream.name)
    {
        let mistake = Diagnostic::new(last.place.clone(), format!("no event of this case is judged: none is of `{}`", judged.stream.name));
        report.add(mistake);
    }
    timeline.events
}

struct Timeline<'a> {
    streams: &'a [StreamSpec],
    /// The time of the event before.
    now: Option<Micros>,
    /// How many judged events have been made: each gets an id of its own.
    made: usize,
    events: Vec<CaseEvent>,
}

impl Timeline<'_> {
    fn add(&mut self, node: &Node, report: &mut Report) {
        let names: Vec<&str> = self.streams.iter().map(|s| s.stream.name.as_str()).collect();
        let known: Vec<&str> = names.iter().copied().chain(MODIFIERS).collect();
        let Some(section) = Section::open(node, "an event of a case", &known, report) else { return };
        let after = section.parse("after", report, time::parse_span);
        let every = section.parse("every", report, time::parse_span).unwrap_or(STEP);
        let repeat = section.parse("repeat", report, |text| {
            text.parse().ok().filter(|n| (1..=MAX_REPEAT).contains(n)).ok_or_else(|| format!("must be 1 to {MAX_REPEAT}, got {text}"))
        });
        let entries = node.entries().unwrap_or_default();
        let named: Vec<_> = entries.iter().filter(|(key, _)| names.contains(&key.name.as_str())).collect();
        let [(key, own)] = named[..] else {
            if named.len() > 1 {
                report.add(Diagnostic::new(named[1].0.place.clone(), "one event is of one stream").hint("start another item with `-`"));
            } else if entries.iter().all(|(key, _)| MODIFIERS.contains(&key.name.as_str())) {
                report.add(
                    Diagnostic::new(node.place.clone(), "an event of a case needs its stream")
                        .hint(format!("streams are: {}", names.join(", "))),
                );
            }
            return;
        };
        let Some(spec) = self.streams.iter().find(|s| s.stream.name == key.name.as_str()) else { return };
        for i in 0..repeat.unwrap_or(1) {
            let step = if i == 0 { after } else { Some(every) };
            // The first mistake is the mistake of all.
            if !self.event(spec, own, step, if i == 0 { Some(report) } else { None }) {
                return;
            }
        }
    }

    /// Makes one event; false where it is wrong.
    fn event(&mut self, spec: &StreamSpec, own: &Node, step: Option<i64>, report: Option<&mut Report>) -> bool {
        let stream = &spec.stream;
        let own_fields = match own.to_json() {
            Value::Object(fields) => fields,
            // `- transactions:` alone is the example as it is.
            Value::Null => serde_json::Map::new(),
            _ => {
                if let Some(report) = report {
                    report.add(Diagnostic::new(
                        own.place.clone(),
                        format!("an event must be a mapping of field to value, got {}", own.describe()),
                    ));
                }
                return false;
            }
        };
        let mut record = spec.example.clone();
        if let Some(roles) = &stream.judged {
            self.made += 1;
            let id = match stream.fields[roles.id].kind {
                FieldType::Integer => Value::from(self.made),
                _ => Value::from(format!("case-{}", self.made)),
            };
            record.insert(stream.fields[roles.id].name.to_string(), id);
        }
        let time_field = stream.fields.get(stream.event_time).map(|f| f.name.to_string()).unwrap_or_default();
        let at = match self.now {
            Some(now) => now.saturating_add(step.unwrap_or(STEP)),
            None => self.start(spec).saturating_add(step.unwrap_or_default()),
        };
        record.insert(time_field.clone(), Value::from(time::format(at)));
        for (name, value) in own_fields {
            if value.is_null() {
                record.remove(&name);
            } else {
                record.insert(name, value);
            }
        }
        self.now = Some(record.get(&time_field).and_then(Value::as_str).and_then(time::parse).unwrap_or(at));
        let fits = match report {
            Some(report) if !spec.example.is_empty() => {
                let before = report.mistakes.len();
                check_record(stream, &record, own, "the event", report);
                report.mistakes.len() == before
            }
            _ => true,
        };
        self.events.push(CaseEvent { stream: stream.name.clone(), record });
        fits
    }

    /// A case begins at the time of the judged stream's example, whichever stream comes first.
    fn start(&self, spec: &StreamSpec) -> Micros {
        let example_time = |s: &StreamSpec| {
            let field = s.stream.fields.get(s.stream.event_time)?;
            time::parse(s.example.get(field.name.as_str())?.as_str()?)
        };
        let judged = self.streams.iter().find(|s| s.stream.judged.is_some());
        judged.and_then(example_time).or_else(|| example_time(spec)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
