//! What is left of events that are too old to be kept, for frames without a beginning: one folded state per aggregate.

use super::aggregate::{Key, Moments, Plan, Total};
use super::chunk::{Chunk, Layout};
use crate::plan::Class;
use domain::Value;

/// One aggregate over everything that left the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Folded {
    /// Of a frame with a beginning: nothing to keep.
    Nothing,
    Count(u64),
    Moments(Moments),
    Extreme(Option<Key>),
    /// First or last: the entry's time and value.
    Entry(Option<(i64, Value)>),
}

/// One a group's aggregate.
#[derive(Clone, Debug)]
pub(crate) struct Base(pub(crate) Vec<Folded>);

impl Base {
    pub(crate) fn new(plans: &[Plan], unbounded: impl Fn(usize) -> bool) -> Self {
        Self(
            plans
                .iter()
                .map(|plan| match plan.class {
                    _ if !unbounded(plan.window) => Folded::Nothing,
                    Class::Count => Folded::Count(0),
                    Class::Sum | Class::Squares => Folded::Moments(Moments::default()),
                    Class::Min | Class::Max => Folded::Extreme(None),
                    Class::First | Class::Last => Folded::Entry(None),
                    // Refused at load: its base would be every value ever seen.
                    Class::Distinct => Folded::Nothing,
                })
                .collect(),
        )
    }

    /// Takes in an entry that leaves the log. Entries may come in any order: the outcome is the same.
    pub(crate) fn fold(&mut self, plans: &[Plan], layout: &Layout, chunk: &Chunk, i: usize) {
        let time = chunk.time(layout, i);
        for (folded, plan) in self.0.iter_mut().zip(plans) {
            if !plan.counts(chunk, i) {
                continue;
            }
            match folded {
                Folded::Nothing => {}
                Folded::Entry(kept) => {
                    // Among equal times the log's order is the sequence's, and later ones are folded later.
                    let takes = match (&*kept, plan.class) {
                        (None, _) => true,
                        (Some((t, _)), Class::First) => time < *t,
                        (Some((t, _)), _) => time >= *t,
                    };
                    if takes && let Some(column) = &plan.column {
                        *kept = Some((time, chunk.value(layout, column, i)));
                    }
                }
                Folded::Count(_) | Folded::Moments(_) | Folded::Extreme(_) => {
                    let mut total = folded.total();
                    total.add(plan, &Total::of(plan, layout, chunk, i, i + 1));
                    *folded = match total {
                        Total::Count(n) => Folded::Count(n),
                        Total::Moments(m) => Folded::Moments(m),
                        Total::Extreme(key) => Folded::Extreme(key),
                        Total::Distinct(_) | Total::Positional => Folded::Nothing,
                    };
                }
            }
        }
    }
}

impl Folded {
    /// As a total; of what is none, one that adds nothing to any.
    pub(crate) fn total(&self) -> Total {
        match self {
            Self::Count(n) => Total::Count(*n),
            Self::Moments(m) => Total::Moments(*m),
            Self::Extreme(key) => Total::Extreme(key.clone()),
            Self::Nothing | Self::Entry(_) => Total::Positional,
        }
    }
}
