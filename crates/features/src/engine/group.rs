//! One group at work: takes its part of a batch in the order of the sequence, and answers its calls for the judged events.

use super::chunk::{Entry, Layout};
use super::codec;
use super::entity::{Entity, Header, Horizon, nothing};
use super::frames::{Frames, Shape};
use super::table::{Table, hash_of};
use super::{GroupStats, Input, aggregate};
use crate::plan::{Group, Source};
use crate::snapshot::{Cold, Snapshot, record_key};
use domain::{Decimal, Result, Type, Value};
use expr::{Context, NoLists};

#[derive(Debug)]
pub(crate) struct GroupState {
    shape: Shape,
    table: Table,
    /// Whether entities may stand on disk that memory does not hold.
    cold: bool,
    /// Slots changed since the last snapshot began.
    changed: Vec<u32>,
    /// Slots that the snapshot being taken still has to encode.
    pending: Vec<u32>,
    hand: u32,
    pub(crate) stats: GroupStats,
    entry: Entry,
    key: Vec<u8>,
    scratch: Frames,
}

/// What the groups of an engine share while a batch is applied.
pub(crate) struct Shared<'a> {
    pub(crate) cold: &'a mut dyn Cold,
    /// The generation that changes belong to now.
    pub(crate) generation: u32,
    /// The last generation that is durable.
    pub(crate) durable: u32,
    /// The snapshot being taken, of the generation before.
    pub(crate) taking: Option<&'a mut Snapshot>,
    /// Keys of records to delete, for the next snapshot.
    pub(crate) gone: &'a mut Gone,
    pub(crate) bytes: &'a mut usize,
    pub(crate) horizon: Horizon,
}

/// Keys one after the other.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
}

impl Gone {
    pub(crate) fn push(&mut self, group: &Group, entity: &[u8], rank: u64) {
        record_key(group.digest, entity, rank, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }
}

/// The judged rows of a batch, as groups fill them.
pub(crate) struct Asked<'a> {
    /// For each input its judged row, if it has one that wants features.
    pub(crate) rows: &'a [Option<u32>],
    pub(crate) slots: &'a mut [Value],
    pub(crate) stride: usize,
    /// (row, group): the key is null or the upsert row missing.
    pub(crate) absent: &'a mut [bool],
    pub(crate) groups: usize,
}

impl GroupState {
    pub(crate) fn new(group: &Group, cold: bool) -> Self {
        let layout = Layout::of(group);
        let plans: Vec<_> = group.aggregates.iter().map(|a| aggregate::Plan::of(a, &layout)).collect();
        let of_window = (0..group.windows.len())
            .map(|w| plans.partition_point(|p| p.window < w)..plans.partition_point(|p| p.window <= w))
            .collect();
        Self {
            shape: Shape { layout, windows: group.windows.clone(), plans, of_window },
            table: Table::new(),
            cold,
            changed: Vec::new(),
            pending: Vec::new(),
            hand: 0,
            stats: GroupStats::default(),
            entry: Entry::default(),
            key: Vec::new(),
            scratch: Frames::default(),
        }
    }

    /// Applies the inputs that `counted` marks, in order.
    pub(crate) fn apply(
        &mut self,
        group: &Group,
        index: usize,
        judged: usize,
        batch: &[Input<'_>],
        counted: &[bool],
        asked: &mut Asked<'_>,
        shared: &mut Shared<'_>,
    ) -> Result<()> {
        for (i, input) in batch.iter().enumerate() {
            let own = input.stream == group.stream;
            let row = asked.rows[i];
            if own && counted[i] && encode_key(&group.keys, &group.key_types, input.row, &mut self.key) {
                self.count(group, input, row.is_some(), shared)?;
            }
            let Some(row) = row.filter(|_| input.stream == judged) else { continue };
            let row = row as usize;
            let start = row * asked.stride + group.first_slot;
            let out = &mut asked.slots[start..start + group.calls.len()];
            let present = encode_key(&group.lookup, &group.key_types, input.row, &mut self.key)
                && self.ask(group, input.event_time, own, out, shared)?;
            if !present {
                out.fill(Value::Null);
            }
            asked.absent[row * asked.groups + index] = !present;
        }
        Ok(())
    }

    /// Puts an event of the entity in `self.key`.
    fn count(&mut self, group: &Group, input: &Input<'_>, asked_next: bool, shared: &mut Shared<'_>) -> Result<()> {
        self.entry.reset(&self.shape.layout, input.event_time);
        for (column, layout) in group.columns.iter().zip(&self.shape.layout.columns) {
            match &*column.source {
                Source::Slot(slot) => self.entry.put(layout, &input.row[*slot]),
                Source::Expr(program) => {
                    let context = Context { slots: input.row, lists: &NoLists, at: input.event_time };
                    self.entry.put(layout, &program.eval(&context));
                }
            }
        }
        let hash = hash_of(&self.key);
        let slot = match self.find(group, hash, shared)? {
            Some(slot) => slot,
            None => self.table.insert(hash, Entity::new(&self.key)),
        };
        self.before_change(group, slot, shared);
        let entity = self.table.get_mut(slot);
        let gone = &mut *shared.gone;
        let before = entity.log.chunks.len();
        entity.insert(group, &self.shape, &self.entry, asked_next, shared.horizon, &mut |key, rank| gone.push(group, key, rank));
        // Counting bytes walks the chunks, so a long log counts only when a chunk came or went.
        if entity.bytes == 0 || before < 4 || entity.log.chunks.len() != before {
            *shared.bytes = shared.bytes.saturating_add_signed(entity.count_bytes());
        }
        Ok(())
    }

    /// Answers the calls of the entity in `self.key`; false if it is an upsert key without a row.
    fn ask(&mut self, group: &Group, at: i64, own: bool, out: &mut [Value], shared: &mut Shared<'_>) -> Result<bool> {
        let hash = hash_of(&self.key);
        let Some(slot) = self.find(group, hash, shared)? else {
            nothing(group, out);
            return Ok(!group.latest);
        };
        let entity = self.table.get_mut(slot);
        entity.touched = true;
        if group.latest && !entity.has_row(&self.shape, at) {
            return Ok(false);
        }
        entity.ask(group, &self.shape, at, own, &mut self.scratch, out);
        Ok(true)
    }

    /// The slot of the entity in `self.key`, fetched from disk if it must be.
    fn find(&mut self, group: &Group, hash: u64, shared: &mut Shared<'_>) -> Result<Option<u32>> {
        if let Some(slot) = self.table.find(hash, &self.key) {
            self.stats.hits += 1;
            self.table.get_mut(slot).touched = true;
            return Ok(Some(slot));
        }
        if !self.cold {
            return Ok(None);
        }
        self.stats.misses += 1;
        let mut entity = Entity::new(&self.key);
        let (layout, expected) = (&self.shape.layout, self.shape.plans.len());
        let found = shared.cold.load(group.digest, &self.key, &mut |rank, value| {
            if rank == 0 {
                let (base, chunk) = codec::decode_header(layout, value, expected)?;
                entity.header = if chunk.is_some() { Header::Whole } else { Header::Apart };
                entity.base = base.map(Box::new);
                if let Some(chunk) = chunk {
                    entity.log.push_loaded(chunk);
                }
            } else {
                let mut chunk = codec::decode_chunk(layout, rank, value)?;
                chunk.stored = true;
                entity.log.push_loaded(chunk);
            }
            Ok(())
        })?;
        if !found {
            return Ok(None);
        }
        self.stats.loads += 1;
        entity.touched = true;
        *shared.bytes = shared.bytes.saturating_add_signed(entity.count_bytes());
        Ok(Some(self.table.insert(hash, entity)))
    }

    /// An entity that the snapshot being taken has not encoded yet is encoded before it changes.
    fn before_change(&mut self, group: &Group, slot: u32, shared: &mut Shared<'_>) {
        let entity = self.table.get_mut(slot);
        if let Some(snapshot) = shared.taking.as_deref_mut() {
            encode(group, &self.shape.layout, entity, snapshot);
        }
        if entity.changed_in != shared.generation {
            entity.changed_in = shared.generation;
            self.changed.push(slot);
        }
    }

    /// A snapshot begins: what changed up to now is what it must encode.
    pub(crate) fn begin_snapshot(&mut self) {
        self.pending = std::mem::take(&mut self.changed);
    }

    /// Encodes some of what is pending; returns how many entities it did.
    pub(crate) fn step_snapshot(&mut self, group: &Group, snapshot: &mut Snapshot, entities: usize) -> usize {
        let mut done = 0;
        while done < entities {
            let Some(slot) = self.pending.pop() else { break };
            encode(group, &self.shape.layout, self.table.get_mut(slot), snapshot);
            done += 1;
        }
        done
    }

    /// Moves the hand over up to `steps` entities: expired ones go for good, and, over the budget, ones that stand on disk as they
    /// are and were not looked at since the hand's last round leave memory. Returns whether any left.
    pub(crate) fn sweep(&mut self, group: &Group, steps: u32, over_budget: bool, shared: &mut Shared<'_>) -> bool {
        let slots = self.table.slots();
        let mut left = false;
        for _ in 0..steps.min(slots) {
            self.hand = if self.hand + 1 >= slots { 0 } else { self.hand + 1 };
            let slot = self.hand;
            if !self.table.is_taken(slot) {
                continue;
            }
            let waits = shared.taking.is_some();
            let entity = self.table.get_mut(slot);
            if waits && entity.changed_in + 1 == shared.generation && entity.encoded_in != entity.changed_in {
                continue;
            }
            if entity.is_expired(group, shared.horizon) {
                let entity = self.table.remove(slot);
                *shared.bytes = shared.bytes.saturating_sub(entity.bytes);
                if entity.header != Header::Nothing {
                    shared.gone.push(group, &entity.key, 0);
                }
                for chunk in entity.log.chunks.iter().filter(|c| c.stored) {
                    shared.gone.push(group, &entity.key, chunk.rank);
                }
                self.stats.expired += 1;
                left = true;
            } else if over_budget && entity.changed_in <= shared.durable {
                if entity.touched {
                    entity.touched = false;
                    continue;
                }
                let entity = self.table.remove(slot);
                *shared.bytes = shared.bytes.saturating_sub(entity.bytes);
                self.stats.evictions += 1;
                self.cold = true;
                left = true;
            }
        }
        left
    }

    pub(crate) fn entities(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn slots(&self) -> u32 {
        self.table.slots()
    }
}

/// Encodes what changed of an entity, if it belongs to this snapshot and was not encoded before.
fn encode(group: &Group, layout: &Layout, entity: &mut Entity, snapshot: &mut Snapshot) {
    if entity.changed_in != snapshot.id || entity.encoded_in == snapshot.id {
        return;
    }
    entity.encoded_in = snapshot.id;
    let stays = group.folds || group.kept_rows > 0;
    let expires = |last: i64| if stays { i64::MAX } else { last.saturating_add(group.reach).min(i64::MAX - 1) };
    let end = |snapshot: &mut Snapshot, key_end: usize| snapshot.puts.push((key_end, snapshot.bytes.len()));

    record_key(group.digest, &entity.key, 0, &mut snapshot.bytes);
    let key_end = snapshot.bytes.len();
    codec::encode_header(layout, entity, expires(entity.log.last_time()), &mut snapshot.bytes);
    end(snapshot, key_end);
    let whole = entity.log.chunks.len() == 1;
    entity.header = if whole { Header::Whole } else { Header::Apart };
    for chunk in &mut entity.log.chunks {
        if whole {
            if chunk.stored {
                record_key(group.digest, &entity.key, chunk.rank, &mut snapshot.gone);
                snapshot.deletes.push(snapshot.gone.len());
            }
            chunk.stored = false;
        } else if chunk.dirty || !chunk.stored {
            record_key(group.digest, &entity.key, chunk.rank, &mut snapshot.bytes);
            let key_end = snapshot.bytes.len();
            codec::encode_chunk(layout, chunk, expires(chunk.last), &mut snapshot.bytes);
            end(snapshot, key_end);
            chunk.stored = true;
        }
        chunk.dirty = false;
    }
}

/// Writes a row's key, self-delimiting: no key begins with another of the same columns. False if a part is null.
fn encode_key(columns: &[usize], types: &[Type], row: &[Value], out: &mut Vec<u8>) -> bool {
    out.clear();
    for (&column, ty) in columns.iter().zip(types) {
        match &row[column] {
            Value::Null => return false,
            Value::Text(t) => {
                codec::put_varint(t.len() as u64, out);
                out.extend_from_slice(t.as_bytes());
            }
            Value::Bool(b) => out.push(u8::from(*b)),
            Value::Int(i) | Value::Timestamp(i) | Value::Interval(i) if !matches!(ty, Type::Decimal(_)) => {
                out.extend_from_slice(&i.to_be_bytes());
            }
            Value::Float(f) => out.extend_from_slice(&(*f + 0.0).to_bits().to_be_bytes()),
            number => {
                let decimal = match number {
                    Value::Decimal(d) => *d,
                    Value::Int(i) => Decimal::from(*i),
                    _ => return false,
                };
                let Type::Decimal(scale) = ty else { return false };
                let Some(decimal) = decimal.rescale(*scale) else { return false };
                out.extend_from_slice(&decimal.unscaled.to_be_bytes());
            }
        }
    }
    true
}
