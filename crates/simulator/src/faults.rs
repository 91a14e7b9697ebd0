//! What goes wrong between a shop and us: records that come late, twice, or broken. An adapter over any iterator of events, so
//! that the world itself stays orderly and its totals stay true.

use crate::SimEvent;
use crate::dice::Dice;
use domain::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// Delivered after records with a later event time; its content is unchanged.
    Late,
    /// A second delivery of the same bytes.
    Duplicate,
    /// No stream can take it.
    Malformed,
}

/// Shares of records, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultRates {
    pub late: f64,
    pub duplicate: f64,
    pub malformed: f64,
}

impl FaultRates {
    /// # Errors
    /// Stop, naming the rate that is not a share.
    pub fn check(&self) -> Result<()> {
        for (name, rate) in [("late", self.late), ("duplicate", self.duplicate), ("malformed", self.malformed)] {
            if !(0.0..=1.0).contains(&rate) {
                return Err(Error::stop(format!("the {name} rate is {rate}"), "give a share from 0 to 1"));
            }
        }
        Ok(())
    }
}

/// A late or repeated record comes this many records later at most.
const LONGEST_HOLD: u64 = 2000;

/// Events with faults among them; the same events, rates and seed give the same bytes. At the end, what is held back comes out.
#[derive(Debug)]
pub struct Faulty<I> {
    events: I,
    rates: FaultRates,
    dice: Dice,
    count: u64,
    /// By the count at which they come out, then in the order they were held.
    held: BTreeMap<(u64, u64), SimEvent>,
    ready: VecDeque<SimEvent>,
}

impl<I: Iterator<Item = SimEvent>> Faulty<I> {
    /// # Errors
    /// Stop, if a rate is not a share.
    pub fn new(events: I, rates: FaultRates, seed: u64) -> Result<Self> {
        rates.check()?;
        let dice = Dice::new(seed ^ 0x6661_756c_7473);
        Ok(Self { events, rates, dice, count: 0, held: BTreeMap::new(), ready: VecDeque::new() })
    }

    fn hold(&mut self, event: SimEvent) {
        let until = self.count + 1 + self.dice.below(LONGEST_HOLD);
        self.held.insert((until, self.count), event);
    }

    fn pass(&mut self, mut event: SimEvent) {
        self.count += 1;
        if self.dice.chance(self.rates.duplicate) {
            self.hold(SimEvent { fault: Some(Fault::Duplicate), ..event.clone() });
        }
        if self.dice.chance(self.rates.malformed) {
            damage(&mut event.json, self.dice.bits());
            event.fault = Some(Fault::Malformed);
        }
        if self.dice.chance(self.rates.late) {
            event.fault = event.fault.or(Some(Fault::Late));
            // One more place in the order, so that it never displaces its own duplicate.
            self.count += 1;
            self.hold(event);
        } else {
            self.ready.push_back(event);
        }
        while let Some(entry) = self.held.first_entry().filter(|e| e.key().0 <= self.count) {
            self.ready.push_back(entry.remove());
        }
    }
}

impl<I: Iterator<Item = SimEvent>> Iterator for Faulty<I> {
    type Item = SimEvent;

    fn next(&mut self) -> Option<SimEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.events.next() {
                Some(event) => self.pass(event),
                None => return self.held.pop_first().map(|(_, event)| event),
            }
        }
    }
}

/// Breaks a JSON object so that no decoder may take it.
fn damage(json: &mut Vec<u8>, bits: u64) {
    match bits % 5 {
        // Cut short, at least by the closing brace.
        0 => json.truncate(1 + (bits >> 8) as usize % (json.len() - 1)),
        // A byte that UTF-8 never has.
        1 => {
            let at = 1 + (bits >> 8) as usize % (json.len() - 1);
            json[at] = 0xff;
        }
        // Something behind the end.
        2 => json.extend_from_slice(b"}}"),
        // Another kind of JSON.
        3 => {
            json.insert(0, b'[');
            json.push(b']');
        }
        // A bare word where a value should be.
        _ => {
            if let Some(colon) = json.iter().position(|b| *b == b':') {
                json.splice(colon + 1..colon + 1, *b"NaN");
            }
        }
    }
}

#[cfg(test)]
mod tests;
