//! What of judging needs no state: records read into rows, and the hashes that recognise repeats. So it can be done ahead of judging, on
//! another thread; should another version have become active meanwhile, it is done again.

use crate::ids::{Hash, content_hash, id_hash};
use crate::plan::Plan;
use domain::{Rejection, Value};
use std::sync::Arc;

/// A batch, read by a version. Reuse it: its rows keep their room.
#[derive(Debug, Default)]
pub struct Decoded {
    plan: Option<Arc<Plan>>,
    /// The row of each record; what it holds where the record is wrong means nothing.
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) read: Vec<Read>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Read {
    Row { undeclared: u32, hashes: Option<Hashes> },
    Wrong(Vec<Rejection>),
}

/// Of a transaction that has an id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hashes {
    pub(crate) id: Hash,
    pub(crate) content: Hash,
}

impl Decoded {
    /// Reads records: each by the index of its stream in the plan, and its bytes. What was read before is gone.
    pub fn decode<'a>(&mut self, plan: &Arc<Plan>, records: impl IntoIterator<Item = (usize, &'a [u8])>) {
        self.read.clear();
        for (at, (stream, value)) in records.into_iter().enumerate() {
            if self.rows.len() == at {
                self.rows.push(Vec::new());
            }
            let row = &mut self.rows[at];
            self.read.push(match plan.decoders[stream].decode(value, row) {
                Ok(undeclared) => Read::Row { undeclared, hashes: hashes(plan, stream, row, &mut self.scratch) },
                Err(wrong) => Read::Wrong(wrong),
            });
        }
        self.plan = Some(plan.clone());
    }

    /// Whether this is what that version reads in a batch of so many records, not judged yet.
    pub(crate) fn is_of(&self, plan: &Arc<Plan>, records: usize) -> bool {
        self.read.len() == records && self.plan.as_ref().is_some_and(|of| Arc::ptr_eq(of, plan))
    }

    /// It has been judged.
    pub(crate) fn spend(&mut self) {
        self.plan = None;
        self.read.clear();
    }
}

fn hashes(plan: &Plan, stream: usize, row: &[Value], scratch: &mut Vec<u8>) -> Option<Hashes> {
    let stream = &plan.streams[stream];
    let roles = stream.judged.as_ref()?;
    let id = match &row[roles.id] {
        Value::Null => return None,
        Value::Text(text) if text.is_empty() => return None,
        Value::Text(text) => id_hash(text),
        other => id_hash(&other.to_string()),
    };
    Some(Hashes { id, content: content_hash(row, &stream.fields, scratch) })
}
