//! A Bloom filter over hashes that are already uniform: says for most new ids, without asking the disk, that they are new.
//!
//! Blocked (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007): all bits of a hash stand in one
//! cache line. It grows by layers, and a layer goes when the last of its ids has expired.

use crate::ids::IdHash;

const FIRST_CAPACITY: usize = 1 << 14;
const LAST_CAPACITY: usize = 1 << 22;
/// Bits an id; with eight of them set, about one absent id in a hundred is asked for on disk.
const BITS: usize = 12;
const WORDS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Bloom {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    blocks: Vec<[u64; WORDS]>,
    left: usize,
    capacity: usize,
    /// The latest time at which one of its ids expires.
    expires: i64,
}

/// The block of a hash, and the bits of it.
fn place(hash: &IdHash, blocks: usize) -> (usize, [(usize, u64); 8]) {
    let (a, b) = hash.split_at(8);
    let word = |bytes: &[u8]| bytes.iter().fold(0u64, |w, b| w << 8 | u64::from(*b));
    let (a, b) = (word(a), word(b));
    let block = ((u128::from(a) * blocks as u128) >> 64) as usize;
    // Nine bits of the second half for each of the first seven, and of the first half's low end for the last.
    let bits = std::array::from_fn(|i| {
        let nine = if i < 7 { b >> (9 * i) } else { a } & 511;
        ((nine >> 6) as usize, 1u64 << (nine & 63))
    });
    (block, bits)
}

impl Bloom {
    pub(crate) fn insert(&mut self, hash: &IdHash, expires: i64) {
        if self.layers.last().is_none_or(|layer| layer.left == 0) {
            let capacity = self.layers.last().map_or(FIRST_CAPACITY, |layer| (layer.capacity * 2).min(LAST_CAPACITY));
            let blocks = vec![[0; WORDS]; capacity * BITS / 512];
            self.layers.push(Layer { blocks, left: capacity, capacity, expires: i64::MIN });
        }
        let Some(layer) = self.layers.last_mut() else { return };
        layer.left -= 1;
        layer.expires = layer.expires.max(expires);
        let (block, bits) = place(hash, layer.blocks.len());
        for (word, bit) in bits {
            layer.blocks[block][word] |= bit;
        }
    }

    /// False only if the hash was never inserted (or has expired).
    pub(crate) fn may_hold(&self, hash: &IdHash) -> bool {
        self.layers.iter().rev().any(|layer| {
            let (block, bits) = place(hash, layer.blocks.len());
            let block = &layer.blocks[block];
            bits.iter().all(|&(word, bit)| block[word] & bit != 0)
        })
    }

    /// Lets go of layers in which everything expired before `now`.
    pub(crate) fn expire(&mut self, now: i64) {
        self.layers.retain(|layer| layer.left > 0 || layer.expires >= now);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.blocks.len() * WORDS * 8).sum()
    }
}
