//! What a batch came to, and how it is written: decisions, alerts, feature vectors and dead letters as records, and the answers for those
//! who wait. Needs nothing of the judge, so another thread does it while the next batch is judged.

use crate::dead_letter::DeadLetter;
use crate::predictor::Answer;
use crate::{topics, vectors};
use bytes::Bytes;
use domain::{Action, Decision, Error, Result, Text};
use parking_lot::Mutex;
use pipeline::{Outgoing, Output};
use scoring::{Decoded, Outcome, Outputs};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use telemetry::Metrics;

/// What waits for a batch to be durable.
pub struct Answers {
    /// By offset of the predict topic.
    pub answers: Vec<(i64, Answer)>,
    /// The last control record among them: its offset and sequence number.
    pub control: Option<(i64, u64)>,
    /// When the batch's decisions were handed on to be written.
    pub made: Instant,
}

/// Of one batch.
pub struct Results {
    pub parts: Vec<Part>,
    pub control: Option<(i64, u64)>,
    metrics: Arc<Metrics>,
    spent: Spent,
}

/// Of records that one version judged.
pub struct Part {
    pub out: Outputs,
    /// One an outcome: the offset by which somebody waits for it.
    pub waited_for: Vec<Option<i64>>,
    /// One a rejected record, in their order.
    pub letters: Vec<DeadLetter>,
    /// Of the version.
    pub digest: Text,
}

/// Buffers to be used again: fresh pages for every batch would cost more than what is written to them.
#[derive(Clone, Default)]
pub struct Spent(Arc<Mutex<Shelves>>);

#[derive(Default)]
struct Shelves {
    outputs: Vec<Outputs>,
    decoded: Vec<Decoded>,
}

/// So many batches are under way between judging and writing.
const MOST_SPENT: usize = 6;

impl Spent {
    pub fn outputs(&self) -> Outputs {
        self.0.lock().outputs.pop().unwrap_or_default()
    }

    pub fn decoded(&self) -> Decoded {
        self.0.lock().decoded.pop().unwrap_or_default()
    }

    pub fn give_decoded(&self, decoded: Decoded) {
        put(&mut self.0.lock().decoded, decoded);
    }

    fn give(&self, out: Outputs) {
        put(&mut self.0.lock().outputs, out);
    }
}

fn put<T>(shelf: &mut Vec<T>, spent: T) {
    if shelf.len() < MOST_SPENT {
        shelf.push(spent);
    }
}

/// About the bytes of a decision with its key.
const DECISION_BYTES: usize = 640;

impl Results {
    pub fn new(metrics: Arc<Metrics>, spent: Spent) -> Self {
        Self { parts: Vec::new(), control: None, metrics, spent }
    }

    /// Adds the records to the output topics.
    pub fn render(self, outputs: &mut [Output]) -> Result<Answers> {
        let mut answers = Vec::new();
        for mut part in self.parts {
            render_outcomes(&mut part, &self.metrics, outputs, &mut answers)?;
            let Part { out, digest, .. } = part;
            if !out.sequences.is_empty() && out.features.stride > 0 {
                let value = vectors::encode(&digest, &out.sequences, out.features.stride, &out.features.values);
                outputs[topics::FEATURES_AT].records.push(Outgoing { key: None, value: value.into() });
            }
            self.spent.give(out);
        }
        Ok(Answers { answers, control: self.control, made: Instant::now() })
    }
}

fn render_outcomes(part: &mut Part, metrics: &Metrics, outputs: &mut [Output], answers: &mut Vec<(i64, Answer)>) -> Result<()> {
    // All decisions of a part stand in one buffer, each behind its key.
    let mut written = Vec::with_capacity(part.out.outcomes.len() * DECISION_BYTES);
    let mut places: Vec<(Range<usize>, Option<i64>)> = Vec::with_capacity(part.out.outcomes.len());
    let mut letters = part.letters.drain(..);
    let (mut allowed, mut reviewed, mut blocked) = (0, 0, 0);
    for (outcome, waits) in part.out.outcomes.drain(..).zip(&part.waited_for) {
        let answer = match outcome {
            Outcome::Decided(decision) => {
                match decision.decision {
                    Action::Allow => allowed += 1,
                    Action::Review => reviewed += 1,
                    Action::Block => blocked += 1,
                }
                let key = written.len();
                written.extend_from_slice(decision.transaction_id.as_bytes());
                let value = written.len();
                decision.write_json(&mut written);
                places.push((key..value, *waits));
                places.push((value..written.len(), None));
                alert(&decision, metrics, outputs)?;
                continue;
            }
            Outcome::Absorbed => continue,
            Outcome::Repeated(known) => {
                metrics.records_repeated.inc();
                Answer::Before { sequence: known.sequence, ordinal: known.ordinal as i64 }
            }
            Outcome::Rejected(errors) => {
                for wrong in &errors {
                    metrics.rejected(&wrong.code);
                }
                let letter = letters.next().ok_or_else(|| Error::bug("a rejected record has no letter"))?;
                let value = serde_json::to_vec(&letter).map_err(|e| Error::bug("a dead letter does not serialise").because(e))?;
                outputs[topics::DEAD_LETTERS_AT].records.push(Outgoing { key: None, value: value.into() });
                Answer::Rejected(errors)
            }
        };
        if let Some(offset) = waits {
            answers.push((*offset, answer));
        }
    }
    metrics.decisions.allow.inc_by(allowed);
    metrics.decisions.review.inc_by(reviewed);
    metrics.decisions.block.inc_by(blocked);
    let written = Bytes::from(written);
    for pair in places.chunks_exact(2) {
        let [(key, waits), (value, _)] = pair else { continue };
        let json = written.slice(value.clone());
        if let Some(offset) = waits {
            // What is sent to a caller may outlive the batch: it should not keep all of it.
            answers.push((*offset, Answer::Decision(Bytes::copy_from_slice(&json))));
        }
        outputs[topics::DECISIONS_AT].records.push(Outgoing { key: Some(written.slice(key.clone())), value: json });
    }
    Ok(())
}

fn alert(decision: &Decision, metrics: &Metrics, outputs: &mut [Output]) -> Result<()> {
    for alert in decision.alerts() {
        let value = serde_json::to_vec(&alert).map_err(|e| Error::bug("an alert does not serialise").because(e))?;
        let key = Some(Bytes::copy_from_slice(decision.transaction_id.as_bytes()));
        outputs[topics::ALERTS_AT].records.push(Outgoing { key, value: value.into() });
        metrics.alerts.inc();
    }
    Ok(())
}
