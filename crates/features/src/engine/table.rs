//! The entities of one group in memory: found by key, walked by a hand that lets go of expired and spare ones.

use super::entity::Entity;
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// Entities of a page: pages never move, so growing by one entity never copies the others.
const PAGE: usize = 256;
/// Growing one of these tables moves one entry in 64, so no single event waits for all.
const TABLES: usize = 64;

/// An entity's encoded key: short ones stand inline, so that finding an entity touches no other memory.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

const SHORT: usize = 22;

impl Key {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..key.len()) {
            Some(start) => {
                start.copy_from_slice(key);
                Self::Short(key.len() as u8, bytes)
            }
            None => Self::Long(key.into()),
        }
    }

    /// Reads what comparing will read.
    #[inline]
    fn touch(&self) -> u8 {
        match self {
            Self::Short(len, _) => *len,
            Self::Long(key) => key[0],
        }
    }

    /// Bytes beside its own struct.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Short(..) => 0,
            Self::Long(key) => key.len() + 16,
        }
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::Short(0, [0; SHORT])
    }
}

impl std::ops::Deref for Key {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(len, bytes) => &bytes[..usize::from(*len)],
            Self::Long(key) => key,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    pages: Vec<Vec<Entity>>,
    free: Vec<u32>,
    /// By the hash's lowest bits.
    indexes: Vec<Index>,
    len: usize,
}

pub(crate) fn hash_of(key: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key);
    hasher.finish()
}

/// The part of a hash that an index keeps, and looks from.
fn tag_of(hash: u64) -> u32 {
    (hash / TABLES as u64) as u32
}

/// Slots by hash: open addressing with linear probing (Knuth, TAOCP 3, 6.4, algorithms L and R). Eight bytes a bucket, so that a
/// look-up mostly reads one cache line, and where that is can be told from the hash alone, before it is wanted.
#[derive(Debug, Default)]
struct Index {
    /// (tag, slot + 1); 0 where nothing is. A power of two of them, at most three quarters full.
    buckets: Vec<(u32, u32)>,
    len: usize,
}

impl Index {
    /// Where to look first.
    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag as usize & self.buckets.len().wrapping_sub(1)
    }

    #[inline]
    fn first(&self, tag: u32) -> Option<u32> {
        self.buckets.get(self.home(tag)).and_then(|bucket| bucket.1.checked_sub(1))
    }

    #[inline]
    fn find(&self, tag: u32, is: impl Fn(u32) -> bool) -> Option<usize> {
        let mut at = self.home(tag);
        while let Some(&(other, slot)) = self.buckets.get(at) {
            if slot == 0 {
                return None;
            }
            if other == tag && is(slot - 1) {
                return Some(at);
            }
            at = self.home(at as u32 + 1);
        }
        None
    }

    fn insert(&mut self, tag: u32, slot: u32) {
        if (self.len + 1) * 4 > self.buckets.len() * 3 {
            let larger = vec![(0, 0); (self.buckets.len() * 2).max(4)];
            for (tag, slot) in std::mem::replace(&mut self.buckets, larger) {
                if slot != 0 {
                    self.put(tag, slot);
                }
            }
        }
        self.put(tag, slot + 1);
        self.len += 1;
    }

    fn put(&mut self, tag: u32, slot: u32) {
        let mut at = self.home(tag);
        while self.buckets[at].1 != 0 {
            at = self.home(at as u32 + 1);
        }
        self.buckets[at] = (tag, slot);
    }

    /// Empties a bucket, and moves later ones up that were only there because it was taken.
    fn remove(&mut self, mut hole: usize) {
        let mut at = hole;
        loop {
            at = self.home(at as u32 + 1);
            let (tag, slot) = self.buckets[at];
            if slot == 0 {
                break;
            }
            // How far it stands from where it would like to, against how far the hole is.
            let mask = self.buckets.len() - 1;
            if (at.wrapping_sub(self.home(tag)) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.buckets[hole] = (tag, slot);
                hole = at;
            }
        }
        self.buckets[hole] = (0, 0);
        self.len -= 1;
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), free: Vec::new(), indexes: (0..TABLES).map(|_| Index::default()).collect(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Slots, free ones included.
    pub(crate) fn slots(&self) -> u32 {
        self.pages.last().map_or(0, |last| ((self.pages.len() - 1) * PAGE + last.len()) as u32)
    }

    #[inline]
    fn index(&self, hash: u64) -> &Index {
        &self.indexes[hash as usize % TABLES]
    }

    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let index = self.index(hash);
        index.find(tag_of(hash), |slot| *self.get(slot).key == *key).and_then(|at| index.buckets[at].1.checked_sub(1))
    }

    /// Reads what finding an entity will read first.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) -> u8 {
        self.index(hash).first(tag_of(hash)).map_or(0, |slot| self.get(slot).key.touch())
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> &Entity {
        &self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Entity {
        &mut self.pages[slot as usize / PAGE][slot as usize % PAGE]
    }

    pub(crate) fn insert(&mut self, hash: u64, entity: Entity) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.get_mut(slot) = entity;
                slot
            }
            None => {
                if self.pages.last().is_none_or(|page| page.len() == PAGE) {
                    self.pages.push(Vec::with_capacity(PAGE));
                }
                let slot = self.slots();
                if let Some(page) = self.pages.last_mut() {
                    page.push(entity);
                }
                slot
            }
        };
        self.indexes[hash as usize % TABLES].insert(tag_of(hash), slot);
        self.len += 1;
        slot
    }

    /// Takes an entity out; its slot is used again.
    pub(crate) fn remove(&mut self, slot: u32) -> Entity {
        let entity = std::mem::take(self.get_mut(slot));
        let hash = hash_of(&entity.key);
        let index = &mut self.indexes[hash as usize % TABLES];
        if let Some(at) = index.find(tag_of(hash), |other| other == slot) {
            index.remove(at);
            self.free.push(slot);
            self.len -= 1;
        }
        entity
    }

    /// Whether an entity stands in this slot.
    pub(crate) fn is_taken(&self, slot: u32) -> bool {
        self.get(slot).bytes > 0
    }
}
