//! The scorer: decode, recognise repeats, update features, judge.

use crate::decoded::{Decoded, Hashes, Read};
use crate::ids::{Ids, Known};
use crate::plan::Plan;
use domain::{Decimal, Decision, Error, Judged, Micros, Rejection, Result, StreamMode, Text, Value, time};
use features::{Engine, Input, Rows};
use rules::ListState;
use std::sync::Arc;

/// One record on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Index into the plan's streams.
    pub stream: usize,
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub sequence: u64,
    pub taken_at: Micros,
    pub value: &'a [u8],
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Judged.
    Decided(Box<Decision>),
    /// An event of another stream, counted.
    Absorbed,
    /// The same transaction as before, with the same content: nothing is counted, and the decision is the one given then.
    Repeated(Known),
    /// Cannot be taken, for these reasons.
    Rejected(Vec<Rejection>),
}

/// What a batch gave: one outcome a record, and the features of those that were judged.
#[derive(Debug, Default)]
pub struct Outputs {
    pub outcomes: Vec<Outcome>,
    /// Of the decided records in their order; a row holds the plan's features.
    pub features: Rows,
    /// The sequence numbers of the decided records.
    pub sequences: Vec<u64>,
    pub counts: Counts,
}

/// What a batch goes through, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading records and recognising repeats.
    Decode,
    Features,
    /// Lists, rules and policy.
    Rules,
}

/// Plain counts of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub decided: u64,
    pub absorbed: u64,
    pub repeated: u64,
    pub rejected: u64,
    /// Of the decided ones, those judged without features because they came too late.
    pub too_late: u64,
    /// Fields that no stream declares.
    pub undeclared: u64,
}

/// Judges batches. One per log.
pub struct Scorer {
    plan: Arc<Plan>,
    engine: Engine,
    ids: Box<dyn Ids>,
    lists: ListState,
    /// Decisions given so far.
    decided: u64,
    // Reused from batch to batch.
    decoded: Decoded,
    slots: Vec<Value>,
}

/// A record between what was known before and judging.
enum Seen {
    /// Goes on with the row of this index.
    Row(usize),
    Settled(Outcome),
}

impl Scorer {
    /// `decided` is how many decisions were given before.
    pub fn new(plan: Arc<Plan>, engine: Engine, ids: Box<dyn Ids>, decided: u64) -> Self {
        let lists = plan.lists.clone();
        Self { plan, engine, ids, lists, decided, decoded: Decoded::default(), slots: Vec::new() }
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    pub fn decided(&self) -> u64 {
        self.decided
    }

    /// The lists as they are now.
    pub fn lists(&mut self) -> &mut ListState {
        &mut self.lists
    }

    /// Judges with another version of the project from the next record on, with the windows as they are: for a version whose features are
    /// the same. Changes of lists lie over the version's files as they lay over those before.
    ///
    /// # Errors
    /// Stop: the features differ, so that an engine for them is needed ([`Scorer::activate_with`]). Nothing has changed then.
    pub fn activate(&mut self, plan: Arc<Plan>) -> Result<()> {
        if !self.plan.same_features(&plan) {
            return Err(Error::stop(
                format!("project version {} has other features than the state was built for", plan.digest),
                "put the feature and stream files back as they were, or start from an empty data folder",
            ));
        }
        self.lists.rebase(&plan.lists);
        self.plan = plan;
        Ok(())
    }

    /// The same with other features: `engine` is of that version and has seen what this one has.
    pub fn activate_with(&mut self, plan: Arc<Plan>, engine: Engine) {
        self.engine = engine;
        self.lists.rebase(&plan.lists);
        self.plan = plan;
    }

    /// Judges a batch in its order.
    ///
    /// # Errors
    /// Stop, from the state on disk; the scorer must then be made anew from the last snapshot.
    pub fn score(&mut self, batch: &[Record<'_>], out: &mut Outputs) -> Result<()> {
        self.score_by_phase(batch, out, &mut |_| {})
    }

    /// The same, telling the end of each phase to whoever holds a watch.
    pub fn score_by_phase(&mut self, batch: &[Record<'_>], out: &mut Outputs, done: &mut dyn FnMut(Phase)) -> Result<()> {
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.decode(&self.plan, batch.iter().map(|r| (r.stream, r.value)));
        let scored = self.score_decoded(batch, &mut decoded, out, done);
        self.decoded = decoded;
        scored
    }

    /// The same with records that were read ahead: in the order of the batch. Reads them again if another version did.
    pub fn score_decoded(
        &mut self,
        batch: &[Record<'_>],
        decoded: &mut Decoded,
        out: &mut Outputs,
        done: &mut dyn FnMut(Phase),
    ) -> Result<()> {
        let plan = self.plan.clone();
        if !decoded.is_of(&plan, batch.len()) {
            decoded.decode(&plan, batch.iter().map(|r| (r.stream, r.value)));
        }
        out.outcomes.clear();
        out.sequences.clear();
        out.counts = Counts::default();
        let seen = self.recognise(&plan, batch, decoded, out)?;
        let rows = &decoded.rows;
        done(Phase::Decode);
        let inputs: Vec<Input<'_>> = batch
            .iter()
            .zip(&seen)
            .filter_map(|(record, seen)| match seen {
                Seen::Row(at) => Some(Input {
                    stream: record.stream,
                    sequence: record.sequence,
                    event_time: event_time(&plan, record.stream, &rows[*at]),
                    row: &rows[*at],
                }),
                Seen::Settled(_) => None,
            })
            .collect();
        self.engine.apply(&inputs, &mut out.features)?;
        done(Phase::Features);
        let mut judged = 0;
        for (record, seen) in batch.iter().zip(seen) {
            let outcome = match seen {
                Seen::Settled(outcome) => outcome,
                Seen::Row(_) if record.stream != plan.judged => Outcome::Absorbed,
                Seen::Row(at) => {
                    let too_late = out.features.too_late[judged];
                    self.slots.clear();
                    self.slots.extend(rows[at].iter().cloned());
                    self.slots.extend(out.features.row(judged).iter().cloned());
                    judged += 1;
                    out.sequences.push(record.sequence);
                    Outcome::Decided(Box::new(self.judge(&plan, record, too_late)))
                }
            };
            match &outcome {
                Outcome::Decided(decision) => {
                    out.counts.decided += 1;
                    out.counts.too_late += u64::from(decision.judged == Judged::TooLate);
                }
                Outcome::Absorbed => out.counts.absorbed += 1,
                Outcome::Repeated(_) => out.counts.repeated += 1,
                Outcome::Rejected(_) => out.counts.rejected += 1,
            }
            out.outcomes.push(outcome);
        }
        done(Phase::Rules);
        decoded.spend();
        if let Some(greatest) = self.engine.greatest(plan.judged) {
            self.ids.forget_before(greatest.saturating_sub(plan.features.retention()));
        }
        Ok(())
    }

    /// What can be said of records by what stands before them: those too far ahead or too late, and those judged before.
    fn recognise(&mut self, plan: &Plan, batch: &[Record<'_>], decoded: &mut Decoded, out: &mut Outputs) -> Result<Vec<Seen>> {
        // How far each stream's time is, this batch included: lateness goes by what stands before in the sequence.
        let mut greatest: Vec<Option<Micros>> = (0..plan.streams.len()).map(|s| self.engine.greatest(s)).collect();
        let mut decided = self.decided;
        let mut all = Vec::with_capacity(batch.len());
        for (at, (record, read)) in batch.iter().zip(decoded.read.drain(..)).enumerate() {
            let stream = &plan.streams[record.stream];
            let row = &decoded.rows[at];
            let reject = |code: &'static str, field: &str, reason: String| {
                Seen::Settled(Outcome::Rejected(vec![Rejection::field(code, field, reason)]))
            };
            let hashes = match read {
                Read::Row { undeclared, hashes } => {
                    out.counts.undeclared += u64::from(undeclared);
                    hashes
                }
                Read::Wrong(wrong) => {
                    all.push(Seen::Settled(Outcome::Rejected(wrong)));
                    continue;
                }
            };
            let time_field = &stream.fields[stream.event_time].name;
            let event_time = event_time(plan, record.stream, row);
            if event_time > record.taken_at.saturating_add(stream.skew) {
                let reason = format!("is {}, more than {} ahead of the clock", time::format(event_time), time::format_span(stream.skew));
                all.push(reject("ahead_of_clock", time_field, reason));
                continue;
            }
            if let Some(roles) = &stream.judged {
                let id_field = &stream.fields[roles.id].name;
                let Some(Hashes { id, content }) = hashes else {
                    all.push(reject("missing", id_field, "is empty".into()));
                    continue;
                };
                // What is known goes by the times before this record: with its batch or without, the same.
                let oldest = greatest[record.stream].map_or(Micros::MIN, |t| t.saturating_sub(plan.features.retention()));
                match self.ids.find(&id)?.filter(|known| known.at >= oldest) {
                    Some(known) if known.content == content => {
                        all.push(Seen::Settled(Outcome::Repeated(known)));
                        continue;
                    }
                    Some(known) => {
                        let reason = format!("was judged with other content before (sequence {})", known.sequence);
                        all.push(reject("id_conflict", id_field, reason));
                        continue;
                    }
                    None => {
                        let at = greatest[record.stream].map_or(event_time, |t| t.max(event_time));
                        self.ids.remember(id, Known { content, sequence: record.sequence, ordinal: decided, at });
                        decided += 1;
                    }
                }
            } else if stream.mode == StreamMode::Append
                && greatest[record.stream].is_some_and(|greatest| event_time < greatest.saturating_sub(stream.lateness))
            {
                let reason =
                    format!("is {}, more than {} behind the latest event", time::format(event_time), time::format_span(stream.lateness));
                all.push(reject("too_late", time_field, reason));
                continue;
            }
            let latest = &mut greatest[record.stream];
            *latest = (*latest).max(Some(event_time));
            all.push(Seen::Row(at));
        }
        self.decided = decided;
        Ok(all)
    }

    /// Judges the row in `slots`: event fields, then features.
    fn judge(&self, plan: &Plan, record: &Record<'_>, too_late: bool) -> Decision {
        let stream = plan.judged();
        let event = &self.slots[..stream.fields.len()];
        let at = event_time(plan, plan.judged, event);
        let judged = if too_late { Judged::TooLate } else { Judged::Full };
        let verdict = plan.rules.judge(&self.slots, &self.lists, at, judged);
        let text = |slot: Option<usize>| {
            slot.map(|s| &event[s]).filter(|v| !v.is_null()).map(|v| match v {
                Value::Text(t) => t.clone(),
                other => Text::from(other.to_string()),
            })
        };
        let roles = stream.judged.as_ref();
        Decision {
            sequence: record.sequence,
            transaction_id: text(roles.map(|r| r.id)).unwrap_or_default(),
            account_id: text(roles.and_then(|r| r.account)),
            transaction_type: text(roles.and_then(|r| r.kind)),
            amount: roles.and_then(|r| r.amount).and_then(|slot| match &event[slot] {
                Value::Decimal(d) => Some(*d),
                Value::Int(i) => Some(Decimal::from(*i)),
                _ => None,
            }),
            event_time: at,
            taken_at: record.taken_at,
            decision: verdict.decision,
            score: verdict.score,
            judged,
            hits: verdict.hits,
            reasons: verdict.reasons,
            values: verdict.values,
            topic: Text::new(record.topic),
            partition: record.partition,
            offset: record.offset,
            project: plan.digest.clone(),
            model: None,
        }
    }
}

/// A decoded row's event time: required, so never null.
fn event_time(plan: &Plan, stream: usize, row: &[Value]) -> Micros {
    match row[plan.streams[stream].event_time] {
        Value::Timestamp(t) => t,
        _ => 0,
    }
}
