//! Which transactions were judged already: the same id and content again gets the same decision, other content is refused.

use domain::{Micros, Result, Value};
use rustc_hash::FxHashMap;

/// The first 16 bytes of a BLAKE3 hash: of a transaction's id, or of its content.
pub type Hash = [u8; 16];

/// What is remembered of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub content: Hash,
    pub sequence: u64,
    /// How many decisions were given before this one: its offset in the decisions topic where that has no gaps.
    pub ordinal: u64,
}

/// The memory of transactions. Kept for as long as an event may come and count.
pub trait Ids: Send {
    /// # Errors
    /// Stop: the memory cannot be read.
    fn find(&mut self, id: &Hash) -> Result<Option<Known>>;

    fn remember(&mut self, id: Hash, known: Known, event_time: Micros);

    /// Nothing before this time will be asked for again.
    fn forget_before(&mut self, event_time: Micros);
}

/// All in memory.
#[derive(Debug, Default)]
pub struct MemoryIds {
    known: FxHashMap<Hash, (Known, Micros)>,
    /// Looked through for what is too old when it has doubled.
    swept_at: usize,
}

impl Ids for MemoryIds {
    fn find(&mut self, id: &Hash) -> Result<Option<Known>> {
        Ok(self.known.get(id).map(|(known, _)| *known))
    }

    fn remember(&mut self, id: Hash, known: Known, event_time: Micros) {
        self.known.insert(id, (known, event_time));
    }

    fn forget_before(&mut self, event_time: Micros) {
        if self.known.len() > 2 * self.swept_at.max(1 << 16) {
            self.known.retain(|_, (_, at)| *at >= event_time);
            self.swept_at = self.known.len();
        }
    }
}

/// The hash of a transaction's id.
pub fn id_hash(id: &str) -> Hash {
    short(blake3::hash(id.as_bytes()))
}

/// The hash of a decoded row: the order of fields, spaces and undeclared fields make no difference. `scratch` is only reused.
pub fn content_hash(row: &[Value], scratch: &mut Vec<u8>) -> Hash {
    scratch.clear();
    for value in row {
        match value {
            Value::Null => scratch.push(0),
            Value::Bool(b) => scratch.extend_from_slice(&[1, u8::from(*b)]),
            Value::Int(i) => tagged(scratch, 2, &i.to_le_bytes()),
            Value::Decimal(d) => tagged(scratch, 3, &d.unscaled.to_le_bytes()),
            Value::Float(f) => tagged(scratch, 4, &f.to_le_bytes()),
            Value::Timestamp(t) => tagged(scratch, 5, &t.to_le_bytes()),
            Value::Interval(i) => tagged(scratch, 6, &i.to_le_bytes()),
            Value::Text(t) => {
                tagged(scratch, 7, &(t.len() as u32).to_le_bytes());
                scratch.extend_from_slice(t.as_bytes());
            }
        }
    }
    short(blake3::hash(scratch))
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn short(hash: blake3::Hash) -> Hash {
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}
