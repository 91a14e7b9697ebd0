//! Fraud: the list of scenarios, and the thieves at work. A scenario is one file beside this one and one line in [`SCENARIOS`].
//!
//! Thieves come in episodes of several payments. How many is steered by a debt: every genuine payment adds the share of fraud
//! that is owed, every fraudulent one takes one away; a thief begins when a whole payment is owed. So the fraud rate holds to
//! within [`OVERDRAFT`] payments at any length, and the bursts keep their shape.

mod account_takeover;
mod card_testing;
mod friendly_fraud;
mod impossible_travel;
mod merchant_compromise;
mod refund_abuse;
mod stolen_card_spree;
mod synthetic_identity_ring;

use crate::counter::{Cast, Desk};
use crate::customers::{Account, Address};
use crate::dice::{Dice, mix};
use crate::places::{CITIES, HOME, place};
use crate::queue::Queue;
use crate::visits::Visit;
use domain::Micros;
use domain::time::DAY;
use serde::{Deserialize, Serialize};

/// A way to steal.
pub(crate) trait Scenario: Sync {
    /// As labels spell it.
    fn name(&self) -> &'static str;

    /// How many of the fraudulent payments are of this kind, against the others.
    fn share(&self) -> f64;

    /// Fraudulent payments in an episode, on average.
    fn length(&self) -> f64;

    /// How long it takes until somebody notices.
    fn report(&self) -> Report;

    /// A thief who begins at `at`; none if he finds no victim. The number of steps is at least 1.
    fn begin(&self, cast: &mut Cast, at: Micros) -> Option<Plot>;

    /// Step number `plot.step` (from 0): the payment, and the pause before the next.
    fn step(&self, plot: &mut Plot, cast: &mut Cast, at: Micros) -> Step;
}

pub(crate) const SCENARIO_COUNT: usize = 8;

/// Every scenario. Saved worlds and labels refer to one by its place: add new ones at the end.
pub(crate) static SCENARIOS: [&dyn Scenario; SCENARIO_COUNT] = [
    &card_testing::CardTesting,
    &account_takeover::AccountTakeover,
    &stolen_card_spree::StolenCardSpree,
    &merchant_compromise::MerchantCompromise,
    &synthetic_identity_ring::SyntheticIdentityRing,
    &refund_abuse::RefundAbuse,
    &impossible_travel::ImpossibleTravel,
    &friendly_fraud::FriendlyFraud,
];

/// The names of all scenarios, in their order.
pub fn scenario_names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|s| s.name()).collect()
}

/// When fraud of a kind becomes known: log-normal days behind the payment.
pub(crate) struct Report {
    pub(crate) median_days: f64,
    pub(crate) sigma: f64,
    /// Who says so: chargeback, customer, analyst.
    pub(crate) source: &'static str,
}

/// How many fraudulent payments may be made before they are owed, so that an episode need not wait in the middle.
pub(crate) const OVERDRAFT: f64 = 12.0;

/// One thief's work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plot {
    /// The accounts it goes against; in most plots one.
    pub(crate) accounts: Vec<u32>,
    pub(crate) desk: Desk,
    /// Where he has parcels sent.
    pub(crate) drop: Address,
    pub(crate) step: u16,
    pub(crate) steps: u16,
    /// What kind of the kind: a meaning of each scenario's own.
    pub(crate) style: u8,
    /// How hurried he is against others: 1 is usual, 2 takes twice as long.
    #[serde(with = "crate::exact")]
    pub(crate) pace: f64,
    /// Index into [`SCENARIOS`].
    scenario: u8,
}

/// One payment of a plot.
pub(crate) struct Step {
    pub(crate) visit: Visit,
    /// Until the thief's next payment.
    pub(crate) pause: Micros,
    /// Whether it is fraud: some payments only prepare it.
    pub(crate) fraud: bool,
}

impl Step {
    fn fraud(visit: Visit, pause: Micros) -> Self {
        Self { visit, pause, fraud: true }
    }

    fn preparing(visit: Visit, pause: Micros) -> Self {
        Self { visit, pause, fraud: false }
    }
}

impl Plot {
    pub(crate) fn new(accounts: Vec<u32>, desk: Desk, steps: i64, cast: &mut Cast) -> Self {
        let home = accounts.first().map_or(0, |a| {
            let customer = cast.account(*a).customer;
            cast.home(customer).city
        });
        // A flat in the victim's city, or a friend in another.
        let city = if cast.dice.chance(0.6) { home } else { cast.dice.below(HOME) as u8 };
        let drop = Address { city, spot: cast.dice.bits() as u32 };
        let pace = cast.dice.log_normal(1.0, 0.6);
        Self { accounts, desk, drop, step: 0, steps: steps as u16, style: 0, pace, scenario: 0 }
    }

    fn account(&self, cast: &Cast) -> Account {
        cast.account(self.accounts[usize::from(self.step) % self.accounts.len()])
    }

    fn first(&self) -> bool {
        self.step == 0
    }

    fn last(&self) -> bool {
        self.step + 1 == self.steps
    }

    /// A span between two, by the thief's pace.
    fn pause(&self, least: Micros, most: Micros, cast: &mut Cast) -> Micros {
        (cast.dice.between(least, most) as f64 * self.pace) as Micros
    }
}

impl Cast<'_> {
    /// Where a thief sits who wants to look like somebody of this city: mostly behind an address from there, or behind a service
    /// that hides his. A fifth of their devices are from farms that have been used before.
    pub(crate) fn lair(&mut self, pretends: u8, at: Micros) -> Desk {
        let device = if self.dice.chance(0.2) {
            mix(self.people.seed ^ 0x6661_726d, (at.div_euclid(30 * DAY) as u64) << 8 | self.dice.below(24))
        } else {
            self.dice.bits()
        };
        match self.dice.below(100) {
            0..48 => Desk { device, ip: place(pretends).ip(self.dice.bits()), city: pretends },
            48..72 => self.proxy_desk(device),
            72..86 => {
                let city = self.dice.below(HOME) as u8;
                Desk { device, ip: place(city).ip(self.dice.bits()), city }
            }
            _ => {
                let city = (HOME + self.dice.below(CITIES.len() as u64 - HOME)) as u8;
                Desk { device, ip: place(city).ip(self.dice.below(900)), city }
            }
        }
    }

    /// A victim's home city.
    pub(crate) fn home_city(&self, account: Account) -> u8 {
        self.home(account.customer).city
    }
}

/// All thieves at work, and how much fraud is owed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fraud {
    #[serde(with = "crate::exact")]
    rate: f64,
    /// Fraudulent payments owed.
    #[serde(with = "crate::exact")]
    debt: f64,
    plots: Queue<Plot>,
}

impl Fraud {
    pub(crate) fn new(rate: f64) -> Self {
        Self { rate, debt: 0.0, plots: Queue::new() }
    }

    /// Another share of fraud. `flow` is how many fraudulent payments a second there will be against now: where it becomes less,
    /// as many of the thieves give up, so that what they had planned does not come as a burst.
    pub(crate) fn set_rate(&mut self, rate: f64, flow: f64, dice: &mut Dice) {
        self.rate = rate;
        self.debt = self.debt.clamp(-OVERDRAFT, 1.0);
        if flow < 1.0 {
            self.plots.thin(|| dice.chance(flow));
        }
    }

    /// When the next thief wants to pay, if he may by now.
    pub(crate) fn first(&self) -> Option<Micros> {
        if self.debt > -OVERDRAFT { self.plots.first() } else { None }
    }

    /// A genuine payment adds to what is owed.
    pub(crate) fn genuine(&mut self) {
        self.debt += self.rate / (1.0 - self.rate);
    }

    /// A genuine payment that was planned will not be made.
    pub(crate) fn not_genuine(&mut self) {
        self.debt -= self.rate / (1.0 - self.rate);
    }

    /// A fraudulent payment takes away from it.
    pub(crate) fn paid(&mut self) {
        self.debt -= 1.0;
    }

    /// A fraudulent payment that was planned will not be made: it is owed again.
    pub(crate) fn abandoned(&mut self) {
        self.debt += 1.0;
    }

    /// Lets a thief begin, if one is owed and none is waiting.
    pub(crate) fn begin(&mut self, cast: &mut Cast, at: Micros) {
        if self.debt < 1.0 || self.first().is_some_and(|first| first <= at) {
            return;
        }
        let weight = |s: &&dyn Scenario| s.share() / s.length();
        let all: f64 = SCENARIOS.iter().map(weight).sum();
        let mut drawn = cast.dice.unit() * all;
        let mut scenario = 0;
        while scenario + 1 < SCENARIOS.len() && drawn >= weight(&SCENARIOS[scenario]) {
            drawn -= weight(&SCENARIOS[scenario]);
            scenario += 1;
        }
        if let Some(plot) = SCENARIOS[scenario].begin(cast, at) {
            self.plots.push(at, Plot { scenario: scenario as u8, ..plot });
        }
    }

    /// The payment of the thief who is first, not before `floor`.
    pub(crate) fn next(&mut self, cast: &mut Cast, floor: Micros) -> Option<Visit> {
        let (due, mut plot) = self.plots.pop()?;
        let at = due.max(floor);
        let step = SCENARIOS[usize::from(plot.scenario)].step(&mut plot, cast, at);
        let scenario = step.fraud.then_some(plot.scenario);
        plot.step += 1;
        if plot.step < plot.steps {
            self.plots.push(at + step.pause, plot);
        }
        Some(Visit { ends_at: at, thief: true, scenario, ..step.visit })
    }

    pub(crate) fn delay(&mut self, by: Micros) {
        self.plots.delay(by);
    }
}
