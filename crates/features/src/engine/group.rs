//! One group at work: takes its part of a batch in the order of the sequence, and answers its calls for the judged events.

use super::changes::{Changes, Gone, encode_chunks, encode_header};
use super::chunk::Entry;
use super::codec;
use super::entity::{Entity, Header, Horizon, WALKED, nothing};
use super::frames::{Frames, Shape};
use super::table::{Table, hash_of};
use super::{GroupStats, Input};
use crate::plan::{Group, Source};
use crate::snapshot::{Cold, Snapshot};
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
    /// The one of them that is encoded in part, and the rank from which its chunks are still to be looked at.
    begun: Option<(u32, u64)>,
    hand: u32,
    pub(crate) stats: GroupStats,
    entry: Entry,
    /// The keys of a slice, one after the other, and where each leads.
    keys: Vec<u8>,
    found: Vec<Found>,
    scratch: Frames,
}

/// An input's entity.
#[derive(Clone, Copy, Debug)]
struct Found {
    start: u32,
    end: u32,
    hash: u64,
    /// Whether it has a key here that is not null.
    keyed: bool,
    /// Whether it is an event to count, not only to ask for.
    own: bool,
    slot: Option<u32>,
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
    /// Records to delete, for the next snapshot.
    pub(crate) gone: &'a mut Gone,
    pub(crate) bytes: &'a mut usize,
    pub(crate) horizon: Horizon,
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
        Self {
            shape: Shape::of(group),
            table: Table::new(),
            cold,
            changed: Vec::new(),
            pending: Vec::new(),
            begun: None,
            hand: 0,
            stats: GroupStats::default(),
            entry: Entry::default(),
            keys: Vec::new(),
            found: Vec::new(),
            scratch: Frames::default(),
        }
    }

    /// Applies the inputs that `counted` marks, in order. Before, all that finding an entity reads is touched, then all are looked up,
    /// then all that counting and asking read is touched: in short loops without a dependence from one turn to the next, so that
    /// cache misses overlap, where one after the other they would each be waited for.
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
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.keys.clear();
        for (i, input) in batch.iter().enumerate() {
            let own = counted[i] && input.stream == group.stream;
            let start = self.keys.len();
            let columns = if own { &group.keys } else { &group.lookup };
            let wanted = own || asked.rows[i].is_some();
            let keyed = wanted && encode_key(columns, &group.key_types, input.row, &mut self.keys);
            let hash = if keyed { hash_of(&self.keys[start..]) } else { 0 };
            found.push(Found { start: start as u32, end: self.keys.len() as u32, hash, keyed, own, slot: None });
        }
        for found in found.iter().filter(|f| f.keyed) {
            std::hint::black_box(self.table.touch(found.hash));
        }
        for found in found.iter_mut().filter(|f| f.keyed) {
            found.slot = self.table.find(found.hash, &self.keys[found.start as usize..found.end as usize]);
        }
        for slot in found.iter().filter_map(|f| f.slot) {
            std::hint::black_box(self.table.get(slot).touch());
        }
        let mut outcome = Ok(());
        for ((i, input), found) in batch.iter().enumerate().zip(&mut found) {
            if found.keyed {
                outcome = self.find(group, found, shared);
                if outcome.is_err() {
                    break;
                }
                if found.own {
                    self.count(group, input, found, asked.rows[i].is_some(), shared);
                }
            }
            let Some(row) = asked.rows[i].filter(|_| input.stream == judged) else { continue };
            let row = row as usize;
            let start = row * asked.stride + group.first_slot;
            let out = &mut asked.slots[start..start + group.calls.len()];
            let present = found.keyed && self.ask(group, found.slot, input.event_time, out, judged);
            if !present {
                out.fill(Value::Null);
            }
            asked.absent[row * asked.groups + index] = !present;
        }
        self.found = found;
        outcome
    }

    /// Puts an event; its entity is made where there is none.
    fn count(&mut self, group: &Group, input: &Input<'_>, found: &mut Found, asked_next: bool, shared: &mut Shared<'_>) {
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
        let slot = match found.slot {
            Some(slot) => slot,
            None => {
                let key = &self.keys[found.start as usize..found.end as usize];
                *found.slot.insert(self.table.insert(found.hash, Entity::new(key)))
            }
        };
        self.before_change(group, slot, shared);
        let entity = self.table.get_mut(slot);
        let mut changes = Changes {
            group,
            layout: &self.shape.layout,
            generation: shared.generation,
            taking: shared.taking.as_deref_mut(),
            gone: &mut *shared.gone,
            horizon: shared.horizon,
        };
        entity.insert(&self.shape, &mut self.entry, asked_next, &mut changes);
        // Aggregates grow and shrink with every event, but slowly: a long log is counted now and then.
        if entity.log.len() <= WALKED || entity.log.len().is_multiple_of(32) {
            *shared.bytes = shared.bytes.saturating_add_signed(entity.count_bytes());
        }
    }

    /// Answers the calls of an entity; false if it is an upsert key without a row.
    fn ask(&mut self, group: &Group, slot: Option<u32>, at: i64, out: &mut [Value], judged: usize) -> bool {
        let Some(slot) = slot else {
            nothing(group, out);
            return !group.latest;
        };
        let entity = self.table.get_mut(slot);
        if group.latest && !entity.has_row(&self.shape, at) {
            return false;
        }
        entity.ask(group, &self.shape, at, group.stream == judged, &mut self.scratch, out);
        true
    }

    /// Finds the slot of an entity, fetching it from disk if it must be.
    fn find(&mut self, group: &Group, found: &mut Found, shared: &mut Shared<'_>) -> Result<()> {
        let key = &self.keys[found.start as usize..found.end as usize];
        // An earlier event of the same slice may have made it.
        found.slot = found.slot.or_else(|| self.table.find(found.hash, key));
        if let Some(slot) = found.slot {
            self.stats.hits += 1;
            self.table.get_mut(slot).touched = true;
            return Ok(());
        }
        if !self.cold {
            return Ok(());
        }
        self.stats.misses += 1;
        let mut entity = Entity::new(key);
        let (layout, expected) = (&self.shape.layout, self.shape.plans.len());
        let any = shared.cold.load(group.digest, key, &mut |rank, value| {
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
        if any {
            self.stats.loads += 1;
            entity.touched = true;
            *shared.bytes = shared.bytes.saturating_add_signed(entity.count_bytes());
            found.slot = Some(self.table.insert(found.hash, entity));
        }
        Ok(())
    }

    /// An entity that the snapshot being taken has not encoded yet is encoded before it changes.
    fn before_change(&mut self, group: &Group, slot: u32, shared: &mut Shared<'_>) {
        let entity = self.table.get_mut(slot);
        if let Some(snapshot) = shared.taking.as_deref_mut() {
            encode_header(group, &self.shape.layout, entity, snapshot);
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

    /// Encodes some of what is pending; returns how many records it did. Once that is less than asked for, nothing is left.
    pub(crate) fn step_snapshot(&mut self, group: &Group, snapshot: &mut Snapshot, records: usize) -> usize {
        let mut done = 0;
        while done < records {
            let (slot, rank) = match self.begun.take() {
                Some(begun) => begun,
                None => match self.pending.pop() {
                    Some(slot) => (slot, 0),
                    None => break,
                },
            };
            let entity = self.table.get_mut(slot);
            encode_header(group, &self.shape.layout, entity, snapshot);
            done += 1;
            if entity.unfinished {
                let (did, more) = encode_chunks(group, &self.shape.layout, entity, rank, (records - done).max(1), snapshot);
                done += did;
                self.begun = more.map(|rank| (slot, rank));
            }
        }
        done.min(records)
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
            let due = entity.changed_in + 1 == shared.generation && entity.encoded_in != entity.changed_in;
            if waits && (due || entity.unfinished) {
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

/// Appends a row's key, self-delimiting: no key begins with another of the same columns. False if a part is null.
fn encode_key(columns: &[usize], types: &[Type], row: &[Value], out: &mut Vec<u8>) -> bool {
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
