//! The chunks of a log: nearly all entities have one, which then stands in the entity itself.

use super::chunk::Chunk;
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

#[derive(Clone, Debug)]
pub(crate) enum Chunks {
    Few(Option<Chunk>),
    Many(VecDeque<Chunk>),
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Few(None)
    }
}

impl Chunks {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(one) => usize::from(one.is_some()),
            Self::Many(many) => many.len(),
        }
    }

    #[inline]
    pub(crate) fn get(&self, i: usize) -> Option<&Chunk> {
        match self {
            Self::Few(one) => one.as_ref().filter(|_| i == 0),
            Self::Many(many) => many.get(i),
        }
    }

    #[inline]
    fn get_mut(&mut self, i: usize) -> Option<&mut Chunk> {
        match self {
            Self::Few(one) => one.as_mut().filter(|_| i == 0),
            Self::Many(many) => many.get_mut(i),
        }
    }

    /// The chunk, if there is one and no more.
    #[inline]
    pub(crate) fn only(&self) -> Option<&Chunk> {
        match self {
            Self::Few(one) => one.as_ref(),
            Self::Many(_) => None,
        }
    }

    pub(crate) fn front(&self) -> Option<&Chunk> {
        self.get(0)
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut Chunk> {
        self.get_mut(0)
    }

    #[inline]
    pub(crate) fn back(&self) -> Option<&Chunk> {
        match self {
            Self::Few(one) => one.as_ref(),
            Self::Many(many) => many.back(),
        }
    }

    #[inline]
    pub(crate) fn back_mut(&mut self) -> Option<&mut Chunk> {
        match self {
            Self::Few(one) => one.as_mut(),
            Self::Many(many) => many.back_mut(),
        }
    }

    pub(crate) fn insert(&mut self, i: usize, chunk: Chunk) {
        match self {
            Self::Many(many) => many.insert(i, chunk),
            Self::Few(one @ None) => *one = Some(chunk),
            Self::Few(Some(_)) => {
                let Self::Few(Some(first)) = std::mem::take(self) else { return };
                let mut many = VecDeque::from([first]);
                many.insert(i, chunk);
                *self = Self::Many(many);
            }
        }
    }

    pub(crate) fn push_back(&mut self, chunk: Chunk) {
        self.insert(self.len(), chunk);
    }

    pub(crate) fn pop_front(&mut self) -> Option<Chunk> {
        match self {
            Self::Few(one) => one.take(),
            Self::Many(many) => {
                let front = many.pop_front();
                if many.len() == 1 {
                    *self = Self::Few(many.pop_front());
                }
                front
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Chunk> {
        let (one, many) = match self {
            Self::Few(one) => (one.as_mut(), None),
            Self::Many(many) => (None, Some(many.iter_mut())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub(crate) fn partition_point(&self, before: impl Fn(&Chunk) -> bool) -> usize {
        match self {
            Self::Few(one) => usize::from(one.as_ref().is_some_and(before)),
            Self::Many(many) => many.partition_point(before),
        }
    }

    /// Bytes of chunk structs that do not stand in the entity.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Few(_) => 0,
            Self::Many(many) => many.capacity() * size_of::<Chunk>(),
        }
    }
}

impl Index<usize> for Chunks {
    type Output = Chunk;

    #[inline]
    fn index(&self, i: usize) -> &Chunk {
        self.get(i).expect("a place in a log names one of its chunks")
    }
}

impl IndexMut<usize> for Chunks {
    #[inline]
    fn index_mut(&mut self, i: usize) -> &mut Chunk {
        self.get_mut(i).expect("a place in a log names one of its chunks")
    }
}
