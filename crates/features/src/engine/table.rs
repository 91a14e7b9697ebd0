//! The entities of one group in memory: found by key, walked by a hand that lets go of expired and spare ones.

use super::entity::Entity;
use hashbrown::HashTable;
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
    /// (hash, slot), by the hash's low bits.
    tables: Vec<HashTable<(u64, u32)>>,
    len: usize,
}

pub(crate) fn hash_of(key: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key);
    hasher.finish()
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { pages: Vec::new(), free: Vec::new(), tables: (0..TABLES).map(|_| HashTable::new()).collect(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Slots, free ones included.
    pub(crate) fn slots(&self) -> u32 {
        self.pages.last().map_or(0, |last| ((self.pages.len() - 1) * PAGE + last.len()) as u32)
    }

    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let table = &self.tables[hash as usize % TABLES];
        table.find(hash, |&(h, slot)| h == hash && *self.get(slot).key == *key).map(|&(_, slot)| slot)
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
        self.tables[hash as usize % TABLES].insert_unique(hash, (hash, slot), |&(h, _)| h);
        self.len += 1;
        slot
    }

    /// Takes an entity out; its slot is used again.
    pub(crate) fn remove(&mut self, slot: u32) -> Entity {
        let entity = std::mem::take(self.get_mut(slot));
        let hash = hash_of(&entity.key);
        if let Ok(found) = self.tables[hash as usize % TABLES].find_entry(hash, |&(_, s)| s == slot) {
            found.remove();
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
