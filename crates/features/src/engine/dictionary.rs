//! Values of one column of one entity as small numbers: a distinct count over them is an array, and every frame over the column
//! shares the one look-up that an event costs.

use super::aggregate::Key;
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionary {
    ids: HashTable<u32>,
    /// By id.
    words: Vec<Word>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Word {
    key: Key,
    hash: u64,
    /// Entries of the log that have it.
    uses: u32,
}

fn hash_of(key: &Key) -> u64 {
    let mut hasher = FxHasher::default();
    key.hash(&mut hasher);
    hasher.finish()
}

impl Dictionary {
    /// The id of a value that one more entry has.
    pub(crate) fn put(&mut self, key: Key) -> u32 {
        let hash = hash_of(&key);
        if let Some(&id) = self.ids.find(hash, |&id| self.words[id as usize].key == key) {
            self.words[id as usize].uses += 1;
            return id;
        }
        let word = Word { key, hash, uses: 1 };
        let id = match self.free.pop() {
            Some(id) => {
                self.words[id as usize] = word;
                id
            }
            None => {
                self.words.push(word);
                (self.words.len() - 1) as u32
            }
        };
        let words = &self.words;
        self.ids.insert_unique(hash, id, |&id| words[id as usize].hash);
        id
    }

    /// One entry less has it. An id that none has is given to another value.
    pub(crate) fn release(&mut self, id: u32) {
        let Some(word) = self.words.get_mut(id as usize) else { return };
        word.uses -= 1;
        if word.uses == 0 {
            if let Ok(found) = self.ids.find_entry(word.hash, |&other| other == id) {
                found.remove();
            }
            word.key = Key::Word(0);
            self.free.push(id);
        }
    }

    /// Bytes on the heap, about.
    pub(crate) fn heap(&self) -> usize {
        self.words.capacity() * size_of::<Word>() + self.ids.capacity() * 5 + self.free.capacity() * 4
    }
}

/// How often each id stands in a frame, and how many do at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    by_id: Vec<u32>,
    distinct: u64,
}

impl Counts {
    #[inline]
    pub(crate) fn add(&mut self, id: u32) {
        let at = id as usize;
        if at >= self.by_id.len() {
            self.by_id.resize(at + 1, 0);
        }
        self.distinct += u64::from(self.by_id[at] == 0);
        self.by_id[at] += 1;
    }

    #[inline]
    pub(crate) fn sub(&mut self, id: u32) {
        let count = &mut self.by_id[id as usize];
        *count -= 1;
        self.distinct -= u64::from(*count == 0);
    }

    pub(crate) fn distinct(&self) -> u64 {
        self.distinct
    }

    pub(crate) fn heap(&self) -> usize {
        self.by_id.capacity() * 4
    }
}
