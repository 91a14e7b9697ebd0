//! Which transactions were judged already: the same id and content again gets the same decision, other content is refused.

use domain::{Field, Micros, Result, Value};
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
    /// The greatest event time there was when it was judged, its own included: how long it is kept goes by this. It grows with the
    /// sequence, so old entries stand together.
    pub at: Micros,
}

/// The memory of transactions. Kept for as long as an event may come and count.
///
/// When an entry goes is up to the memory, as long as it is not before its time: the scorer takes what is too old for unknown, whether
/// it still stands here or not. So decisions do not depend on the memory's housekeeping.
pub trait Ids: Send {
    /// What is remembered of an id; too old entries may be among it.
    ///
    /// # Errors
    /// Stop: the memory cannot be read.
    fn find(&mut self, id: &Hash) -> Result<Option<Known>>;

    /// Remembers an id; what was known of it before is replaced.
    fn remember(&mut self, id: Hash, known: Known);

    /// Entries whose `at` is before this one may go: they count as unknown from now on. The time never goes back.
    fn forget_before(&mut self, at: Micros);
}

/// All in memory.
#[derive(Debug, Default)]
pub struct MemoryIds {
    known: FxHashMap<Hash, Known>,
    /// How many were left when it was last looked through for what is too old.
    swept_at: usize,
}

/// Looking through fewer than this is not worth it.
const SWEPT_FROM: usize = 1 << 16;

impl Ids for MemoryIds {
    fn find(&mut self, id: &Hash) -> Result<Option<Known>> {
        Ok(self.known.get(id).copied())
    }

    fn remember(&mut self, id: Hash, known: Known) {
        self.known.insert(id, known);
    }

    fn forget_before(&mut self, at: Micros) {
        if self.known.len() > 2 * self.swept_at.max(SWEPT_FROM) {
            self.known.retain(|_, known| known.at >= at);
            self.swept_at = self.known.len();
        }
    }
}

/// The hash of a transaction's id.
pub fn id_hash(id: &str) -> Hash {
    short(blake3::hash(id.as_bytes()))
}

/// The hash of a decoded row: the order of fields, spaces and undeclared fields make no difference, nor do the fields that are converted
/// where the event does not bring them (another rate is not another payment). `scratch` is only reused.
pub fn content_hash(row: &[Value], fields: &[Field], scratch: &mut Vec<u8>) -> Hash {
    scratch.clear();
    for (value, field) in row.iter().zip(fields) {
        match value {
            _ if field.convert.is_some() => {}
            Value::Null => scratch.push(0),
            Value::Bool(b) => scratch.extend_from_slice(&[1, u8::from(*b)]),
            Value::Int(i) => tagged(scratch, 2, &i.to_le_bytes()),
            Value::Decimal(d) => tagged(scratch, 3, &d.unscaled.to_le_bytes()),
            // Minus zero is zero.
            Value::Float(f) => tagged(scratch, 4, &(f + 0.0).to_le_bytes()),
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
