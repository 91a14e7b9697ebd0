//! The sorted events of one entity, in chunks. Finding a time is a binary search over the chunks' last times and then in one.

use super::aggregate::{Plan, Total};
use super::chunk::{CHUNK, Chunk, Entry, Layout};
use super::chunks::Chunks;
use super::derived::Derived;

/// A place between entries: before entry `index` of a chunk, or (index = its length) after its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pos {
    pub(crate) chunk: usize,
    pub(crate) index: usize,
}

/// Rank of an entity's first chunk; rank 0 is its header.
pub(crate) const FIRST_RANK: u64 = 1 << 40;
const RANK_STEP: u64 = 1 << 20;

#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) chunks: Chunks,
    len: usize,
    /// Bytes its chunks point to.
    heap: usize,
}

/// What an insertion did to places that were known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// At the end: every place is still right.
    Appended,
    /// Elsewhere: places must be found again.
    Moved,
    /// Chunks got new ranks: those stored before must be taken from disk. (Places too.)
    Ranked,
}

impl Log {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn start(&self) -> Pos {
        Pos::default()
    }

    pub(crate) fn end(&self) -> Pos {
        self.chunks.back().map_or(Pos::default(), |last| Pos { chunk: self.chunks.len() - 1, index: last.len() })
    }

    /// Before the first entry later than `time`.
    pub(crate) fn after(&self, layout: &Layout, time: i64) -> Pos {
        match self.chunks.back() {
            None => return Pos::default(),
            Some(last) if last.last <= time => return self.end(),
            Some(_) => {}
        }
        let chunk = self.chunks.partition_point(|c| c.last <= time);
        Pos { chunk, index: self.chunks[chunk].times(layout).partition_point(|t| *t <= time) }
    }

    /// Before the first entry at `time` or later.
    pub(crate) fn from(&self, layout: &Layout, time: i64) -> Pos {
        match self.chunks.back() {
            None => return Pos::default(),
            Some(last) if last.last < time => return self.end(),
            Some(_) => {}
        }
        let chunk = self.chunks.partition_point(|c| c.last < time);
        Pos { chunk, index: self.chunks[chunk].times(layout).partition_point(|t| *t < time) }
    }

    /// The same place with an index below its chunk's length, where an entry follows.
    #[inline]
    pub(crate) fn forward(&self, at: Pos) -> Option<Pos> {
        let chunk = self.chunks.get(at.chunk)?;
        if at.index < chunk.len() { Some(at) } else { (at.chunk + 1 < self.chunks.len()).then_some(Pos { chunk: at.chunk + 1, index: 0 }) }
    }

    /// The entry `rows` before a place.
    pub(crate) fn back(&self, at: Pos, mut rows: usize) -> Option<Pos> {
        let (mut chunk, mut index) = (at.chunk, at.index);
        loop {
            if rows <= index {
                return (rows > 0).then(|| Pos { chunk, index: index - rows });
            }
            rows -= index;
            chunk = chunk.checked_sub(1)?;
            index = self.chunks[chunk].len();
        }
    }

    /// Entries before `time`, counted up to about `enough`.
    pub(crate) fn count_before(&self, layout: &Layout, time: i64, enough: usize) -> usize {
        let mut count = 0;
        for chunk in self.chunks.iter() {
            if chunk.last < time {
                count += chunk.len();
            } else {
                return count + chunk.times(layout).partition_point(|t| *t < time);
            }
            if count >= enough {
                return count;
            }
        }
        count
    }

    /// Puts an entry after all of its time or earlier. `before` is told of every chunk that is about to change.
    pub(crate) fn insert(&mut self, layout: &Layout, entry: &Entry, before: &mut dyn FnMut(&mut Chunk)) -> Inserted {
        let time = entry.words[0];
        self.len += 1;
        let Some(last) = self.chunks.back_mut() else {
            let mut chunk = Chunk::new(layout, FIRST_RANK, 1);
            before(&mut chunk);
            chunk.insert(layout, 0, entry);
            self.heap += chunk.heap_bytes();
            self.chunks.push_back(chunk);
            return Inserted::Appended;
        };
        if time >= last.last {
            if last.is_full() {
                let rank = last.rank + RANK_STEP;
                if self.chunks.len() == 1 {
                    // Until now it stood with the entity; from now on it has a record of its own.
                    before(&mut self.chunks[0]);
                }
                let mut chunk = Chunk::new(layout, rank, CHUNK);
                before(&mut chunk);
                chunk.insert(layout, 0, entry);
                self.heap += chunk.heap_bytes();
                self.chunks.push_back(chunk);
            } else {
                before(last);
                let (at, bytes) = (last.len(), last.heap_bytes());
                last.insert(layout, at, entry);
                self.heap = self.heap + last.heap_bytes() - bytes;
            }
            return Inserted::Appended;
        }
        let mut at = self.after(layout, time);
        let mut ranked = false;
        before(&mut self.chunks[at.chunk]);
        if self.chunks[at.chunk].is_full() {
            let rank = match self.chunks.get(at.chunk + 1) {
                Some(next) => self.chunks[at.chunk].rank.midpoint(next.rank),
                None => self.chunks[at.chunk].rank + RANK_STEP,
            };
            ranked = rank == self.chunks[at.chunk].rank;
            self.heap -= self.chunks[at.chunk].heap_bytes();
            let tail = self.chunks[at.chunk].split(layout, CHUNK / 2, rank);
            self.heap += self.chunks[at.chunk].heap_bytes() + tail.heap_bytes();
            self.chunks.insert(at.chunk + 1, tail);
            if at.index > CHUNK / 2 {
                at = Pos { chunk: at.chunk + 1, index: at.index - CHUNK / 2 };
            }
        }
        let chunk = &mut self.chunks[at.chunk];
        let bytes = chunk.heap_bytes();
        chunk.insert(layout, at.index, entry);
        self.heap = self.heap + chunk.heap_bytes() - bytes;
        if ranked { Inserted::Ranked } else { Inserted::Moved }
    }

    /// The totals over a whole chunk, made if it has none.
    pub(crate) fn totals(&mut self, chunk: usize, layout: &Layout, measures: &[Plan]) -> &[Total] {
        let chunk = &mut self.chunks[chunk];
        if !chunk.has_totals() {
            let bytes = chunk.heap_bytes();
            chunk.make_totals(layout, measures);
            self.heap = self.heap + chunk.heap_bytes() - bytes;
        }
        chunk.totals()
    }

    /// Gives every chunk what is derived of it, or takes it away.
    pub(crate) fn derive(&mut self, mut of: impl FnMut(&Chunk) -> Option<Box<Derived>>) {
        for chunk in self.chunks.iter_mut() {
            let bytes = chunk.heap_bytes();
            chunk.derived = of(chunk);
            self.heap = self.heap + chunk.heap_bytes() - bytes;
        }
    }

    /// Gives all chunks ranks with room between again.
    pub(crate) fn rank_anew(&mut self) {
        for (i, chunk) in self.chunks.iter_mut().enumerate() {
            chunk.rank = FIRST_RANK + RANK_STEP * i as u64;
            chunk.stored = false;
        }
    }

    pub(crate) fn push_loaded(&mut self, chunk: Chunk) {
        self.len += chunk.len();
        self.heap += chunk.heap_bytes();
        self.chunks.push_back(chunk);
    }

    pub(crate) fn pop_front(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.len -= chunk.len();
        self.heap -= chunk.heap_bytes();
        Some(chunk)
    }

    pub(crate) fn drop_front_entries(&mut self, layout: &Layout, n: usize) {
        if let Some(front) = self.chunks.front_mut() {
            let before = front.heap_bytes();
            front.drop_front(layout, n);
            self.heap = self.heap + front.heap_bytes() - before;
            self.len -= n;
        }
    }

    /// Bytes beside its own struct.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.heap + self.chunks.heap_bytes()
    }

    pub(crate) fn last_time(&self) -> i64 {
        self.chunks.back().map_or(i64::MIN, |c| c.last)
    }
}
