//! Fraud: the list of scenarios, and the thieves at work. A scenario is one file beside this one and one line in [`SCENARIOS`].
//!
//! Thieves come in episodes of several payments. How many is steered by a debt: every genuine payment adds the share of fraud
//! that is owed, every fraudulent one takes one away; a thief begins when a whole payment is owed. So the fraud rate holds to
//! within [`OVERDRAFT`] payments at any length, and the bursts keep their shape.

mod account_takeover;
mod card_testing;

use crate::dice::Dice;
use crate::merchants::Merchant;
use crate::queue::Queue;
use crate::visits::{Cast, Channel, Kind, Method, Path, Visit};
use domain::Micros;
use serde::{Deserialize, Serialize};

/// A way to steal.
pub(crate) trait Scenario: Sync {
    /// As labels spell it.
    fn name(&self) -> &'static str;

    /// How often it comes, against the others, in episodes.
    fn weight(&self) -> u64;

    /// A thief who begins at `at`. The number of steps is at least 1.
    fn begin(&self, cast: Cast, at: Micros, dice: &mut Dice) -> Plot;

    /// Step number `plot.step` (from 0): the payment, and the pause before the next.
    fn step(&self, plot: &mut Plot, cast: Cast, dice: &mut Dice) -> Step;
}

/// Every scenario. Saved worlds and labels refer to one by its place: add new ones at the end.
pub(crate) static SCENARIOS: [&dyn Scenario; 2] = [&card_testing::CardTesting, &account_takeover::AccountTakeover];

/// The names of all scenarios, in their order.
pub fn scenario_names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|s| s.name()).collect()
}

/// How many fraudulent payments may be made before they are owed, so that an episode need not wait in the middle.
const OVERDRAFT: f64 = 20.0;

/// One thief's work on one account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plot {
    pub(crate) victim: u32,
    /// Where the thief is.
    pub(crate) city: u8,
    pub(crate) device: u64,
    pub(crate) ip: u32,
    pub(crate) step: u16,
    pub(crate) steps: u16,
    /// Index into [`SCENARIOS`].
    scenario: u8,
}

impl Plot {
    pub(crate) fn new(victim: u32, city: u8, steps: u16, dice: &mut Dice) -> Self {
        let network = crate::places::CITIES[usize::from(city)].country().network;
        let ip = u32::from(network) << 24 | (dice.bits() as u32 & 0x00ff_ffff);
        Self { victim, city, device: dice.bits(), ip, step: 0, steps, scenario: 0 }
    }
}

/// One payment of a plot.
pub(crate) struct Step {
    pub(crate) merchant: Merchant,
    /// In hundredths.
    pub(crate) cents: i64,
    pub(crate) path: Path,
    pub(crate) clicks: u8,
    /// Until the thief's next payment; microseconds.
    pub(crate) pause: Micros,
}

/// All thieves at work, and how much fraud is owed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fraud {
    rate: f64,
    /// Fraudulent payments owed.
    debt: f64,
    plots: Queue<Plot>,
}

impl Fraud {
    pub(crate) fn new(rate: f64) -> Self {
        Self { rate, debt: 0.0, plots: Queue::new() }
    }

    pub(crate) fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// When the next thief wants to pay, if he may by now.
    pub(crate) fn first(&self) -> Option<Micros> {
        if self.debt > -OVERDRAFT { self.plots.first() } else { None }
    }

    /// A genuine payment was planned: more fraud is owed, and a thief may begin.
    pub(crate) fn genuine_planned(&mut self, cast: Cast, at: Micros, dice: &mut Dice) {
        self.debt += self.rate / (1.0 - self.rate);
        if self.debt < 1.0 || self.first().is_some_and(|first| first <= at) {
            return;
        }
        let all: u64 = SCENARIOS.iter().map(|s| s.weight()).sum();
        let mut drawn = dice.below(all);
        let mut scenario = 0;
        while drawn >= SCENARIOS[scenario].weight() {
            drawn -= SCENARIOS[scenario].weight();
            scenario += 1;
        }
        let plot = SCENARIOS[scenario].begin(cast, at, dice);
        self.plots.push(at, Plot { scenario: scenario as u8, ..plot });
    }

    /// The payment of the thief who is first, not before `floor`.
    pub(crate) fn next(&mut self, cast: Cast, floor: Micros, dice: &mut Dice) -> Option<Visit> {
        let (due, mut plot) = self.plots.pop()?;
        let at = due.max(floor);
        self.debt -= 1.0;
        let step = SCENARIOS[usize::from(plot.scenario)].step(&mut plot, cast, dice);
        let visit = Visit {
            account: plot.victim,
            merchant: Some(step.merchant),
            device: Some(plot.device),
            ip: Some(plot.ip),
            city: plot.city,
            kind: Kind::Purchase,
            channel: Channel::Online,
            method: Method::Card,
            cents: step.cents,
            path: step.path,
            clicks: step.clicks,
            done: 0,
            ends_at: at,
            session: None,
            scenario: Some(plot.scenario),
        };
        plot.step += 1;
        if plot.step < plot.steps {
            self.plots.push(at + step.pause, plot);
        }
        Some(visit)
    }

    /// A planned payment will not be made: it is owed again.
    pub(crate) fn abandoned(&mut self) {
        self.debt += 1.0;
    }

    pub(crate) fn delay(&mut self, by: Micros) {
        self.plots.delay(by);
    }
}
