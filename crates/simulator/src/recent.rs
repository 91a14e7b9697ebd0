//! Who paid where in person of late: what a thief who copies cards has seen.

use crate::dice::Dice;
use crate::merchants::Merchant;
use domain::Micros;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many payments are remembered.
const KEPT: usize = 2048;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) account: u32,
    pub(crate) merchant: Merchant,
    /// Index into the list of cities.
    pub(crate) city: u8,
    pub(crate) at: Micros,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recent(VecDeque<Seen>);

impl Recent {
    pub(crate) fn saw(&mut self, seen: Seen) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(seen);
    }

    /// Any of them; none while nobody has paid yet.
    pub(crate) fn any(&self, dice: &mut Dice) -> Option<Seen> {
        let count = self.0.len() as u64;
        if count == 0 { None } else { self.0.get(dice.below(count) as usize).copied() }
    }

    /// One of the latest few.
    pub(crate) fn latest(&self, dice: &mut Dice) -> Option<Seen> {
        let count = self.0.len();
        let back = dice.below(24.min(count.max(1)) as u64) as usize;
        self.0.get(count.checked_sub(1 + back)?).copied()
    }

    /// The accounts that were at a merchant, each once, in the order they came; at most `most`.
    pub(crate) fn at(&self, merchant: Merchant, most: usize) -> Vec<u32> {
        let mut found = Vec::new();
        for seen in self.0.iter().filter(|s| s.merchant == merchant) {
            if found.len() < most && !found.contains(&seen.account) {
                found.push(seen.account);
            }
        }
        found
    }
}
