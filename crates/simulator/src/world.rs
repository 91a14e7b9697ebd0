//! The world: a clock, a queue of what is planned, and the iterator that lets it happen in the order of event time.
//!
//! Payments are planned one visit's length ahead of the clock, so that clicks come before the purchase they lead to and the
//! payment rate holds from the first second on.

use crate::accounts::Account;
use crate::config::WorldConfig;
use crate::dice::Dice;
use crate::fraud::{Fraud, SCENARIOS};
use crate::json::{Writer, currency};
use crate::labels::{self, Label};
use crate::merchants::{Merchant, Merchants};
use crate::places;
use crate::queue::Queue;
use crate::totals::Totals;
use crate::visits::{self, Cast, LONGEST_VISIT, Visit};
use crate::{SimEvent, TRANSACTIONS};
use domain::time::{MINUTE, SECOND};
use domain::{Error, Micros, Result};
use serde::{Deserialize, Serialize};

/// The form of saved worlds; one of another form cannot go on.
const SAVED_FORMAT: u32 = 1;

/// Looks at the shop without a payment, for each payment.
const BROWSING_SHARE: f64 = 0.3;

/// The longest pause after which visits go on as if there had been none.
const LONGEST_PAUSE: Micros = 5 * MINUTE;

/// Below this balance (in hundredths) an account gets its wages.
const WAGES_BELOW: i64 = 20_000;

/// The balance of an account that has not been seen yet.
const UNSEEN: i64 = i64::MIN;

/// An endless iterator over a world's events, in the order of event time.
#[derive(Debug, Serialize, Deserialize)]
pub struct World {
    format: u32,
    config: WorldConfig,
    dice: Dice,
    /// Event time of the last event.
    clock: Micros,
    /// Nothing but labels happens before this moment: the start, or where the world was last resumed.
    floor: Micros,
    /// When the next genuine payment is made.
    next_payment: Micros,
    /// Up to here payments are planned.
    planned: Micros,
    fraud: Fraud,
    soon: Queue<Soon>,
    /// Apart from the rest, because there are many and they wait for days.
    labels: Queue<Label>,
    /// Visits under way; a free place is none.
    visits: Vec<Option<Visit>>,
    free: Vec<u32>,
    /// By account, in hundredths; [`UNSEEN`] until its first payment.
    #[serde(with = "sparse")]
    balances: Vec<i64>,
    sessions: u64,
    totals: Totals,
}

#[derive(Debug, Serialize, Deserialize)]
enum Soon {
    Merchant(u32),
    Balance(u32),
    /// The visit at this place goes on.
    Visit(u32),
}

impl World {
    /// # Errors
    /// Stop, if the configuration is out of its bounds.
    pub fn new(config: WorldConfig) -> Result<Self> {
        config.check()?;
        let mut soon = Queue::new();
        for merchant in 0..config.merchants {
            soon.push(config.start, Soon::Merchant(merchant));
        }
        let mut world = Self {
            format: SAVED_FORMAT,
            dice: Dice::new(config.seed),
            clock: config.start,
            floor: config.start,
            next_payment: config.start,
            planned: config.start,
            fraud: Fraud::new(config.fraud_rate),
            soon,
            labels: Queue::new(),
            visits: Vec::new(),
            free: Vec::new(),
            balances: vec![UNSEEN; config.accounts as usize],
            sessions: 0,
            totals: Totals::default(),
            config,
        };
        world.draw_next_payment();
        Ok(world)
    }

    /// Everything that the world needs to go on later, as bytes for [`World::restore`].
    pub fn save(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// # Errors
    /// Stop, if the bytes are not a saved world of this form.
    pub fn restore(bytes: &[u8]) -> Result<Self> {
        let hint = "remove the saved world to begin a new one";
        let world: Self = serde_json::from_slice(bytes).map_err(|e| Error::stop("the saved world cannot be read", hint).because(e))?;
        if world.format != SAVED_FORMAT {
            return Err(Error::stop(format!("the saved world has format {}, not {SAVED_FORMAT}", world.format), hint));
        }
        world.config.check()?;
        Ok(world)
    }

    pub fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// Event time of the last event that came out.
    pub fn clock(&self) -> Micros {
        self.clock
    }

    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Lets time pass without payments: what is planned happens as much later. Labels keep their time, so those that became known
    /// in between come first. After more than a few minutes the visits under way have ended without a payment. A moment that the
    /// world has passed already changes nothing.
    pub fn resume_at(&mut self, now: Micros) {
        let by = now - self.clock.max(self.floor);
        if by <= 0 {
            return;
        }
        self.soon.delay(by);
        self.fraud.delay(by);
        for visit in self.visits.iter_mut().flatten() {
            visit.ends_at += by;
        }
        self.next_payment += by;
        self.planned += by;
        self.floor = now;
        if by > LONGEST_PAUSE {
            self.abandon_visits();
        }
    }

    /// Changes payments per second and the share of fraud from here on. Where the first changes, visits under way end without a
    /// payment, because they were planned at the old rate.
    ///
    /// # Errors
    /// Stop, if either is out of its bounds.
    pub fn set_rates(&mut self, rate: f64, fraud_rate: f64) -> Result<()> {
        let config = WorldConfig { rate, fraud_rate, ..self.config.clone() };
        config.check()?;
        let replan = rate != self.config.rate;
        self.config = config;
        self.fraud.set_rate(fraud_rate);
        if replan {
            self.abandon_visits();
        }
        Ok(())
    }

    /// Ends all visits, and plans anew from here.
    fn abandon_visits(&mut self) {
        self.soon.retain(|soon| !matches!(soon, Soon::Visit(_)));
        self.free.clear();
        for visit in self.visits.drain(..).flatten() {
            if visit.scenario.is_some() {
                self.fraud.abandoned();
            }
        }
        self.planned = self.clock.max(self.floor);
        self.next_payment = self.planned;
        self.draw_next_payment();
    }

    /// Events until this many further payments have been made.
    pub fn payments(&mut self, count: u64) -> impl Iterator<Item = SimEvent> {
        let last = self.totals.payments + count;
        std::iter::from_fn(move || if self.totals.payments < last { self.next() } else { None })
    }

    /// Events up to and including a moment. With the wall clock as the moment, this is a live run.
    pub fn until(&mut self, moment: Micros) -> impl Iterator<Item = SimEvent> {
        std::iter::from_fn(move || {
            self.plan();
            if self.first()? <= moment { self.next() } else { None }
        })
    }

    /// The labels that are not known yet, each at its own later time: for files that should hold the whole truth.
    pub fn outstanding_labels(&mut self) -> impl Iterator<Item = SimEvent> {
        let writer = self.writer();
        std::iter::from_fn(move || {
            let (at, label) = self.labels.pop()?;
            self.totals.labels += 1;
            Some(writer.label(&label, at))
        })
    }

    fn writer(&self) -> Writer {
        Writer { seed: self.config.seed, start: self.config.start }
    }

    fn cast(&self) -> Cast {
        Cast { seed: self.config.seed, accounts: self.config.accounts, merchants: Merchants { count: self.config.merchants } }
    }

    fn draw_next_payment(&mut self) {
        let mut rate = self.config.rate * (1.0 - self.config.fraud_rate);
        if self.config.daily_rhythm {
            rate *= places::world_awake(self.next_payment);
        }
        let gap = self.dice.exponential(SECOND as f64 / rate);
        self.next_payment += (gap as Micros).max(1);
    }

    /// The time of the next event that is planned.
    fn first(&self) -> Option<Micros> {
        match (self.soon.first(), self.labels.first()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Plans every visit that may begin before the next event.
    fn plan(&mut self) {
        loop {
            let next = self.fraud.first().map_or(self.next_payment, |f| f.min(self.next_payment));
            if self.first().is_some_and(|first| next > first + LONGEST_VISIT) {
                return;
            }
            self.plan_one();
        }
    }

    fn plan_one(&mut self) {
        let cast = self.cast();
        if self.fraud.first().is_some_and(|due| due <= self.next_payment) {
            if let Some(visit) = self.fraud.next(cast, self.planned, &mut self.dice) {
                self.planned = visit.ends_at;
                self.begin(visit);
            }
            return;
        }
        let at = self.next_payment;
        self.planned = at;
        let visit = visits::genuine(cast, at, &mut self.dice);
        self.begin(visit);
        if self.config.clicks && self.dice.chance(BROWSING_SHARE) {
            let look = visits::browsing(cast, at, &mut self.dice);
            self.begin(look);
        }
        self.fraud.genuine_planned(cast, at, &mut self.dice);
        self.draw_next_payment();
    }

    /// Puts a visit into the queue, and the account's row before it if the account was not seen yet.
    fn begin(&mut self, mut visit: Visit) {
        let now = self.clock.max(self.floor);
        visit.ends_at = visit.ends_at.max(now);
        if !self.config.clicks {
            visit.clicks = 0;
        }
        let begins = (visit.ends_at - visit.lasts(&mut self.dice)).max(now);
        let balance = &mut self.balances[visit.account as usize];
        if *balance == UNSEEN {
            *balance = Account::new(self.config.seed, visit.account).opening_balance();
            self.soon.push((visit.ends_at - LONGEST_VISIT).max(now), Soon::Balance(visit.account));
        }
        if visit.clicks > 0 {
            self.sessions += 1;
            visit.session = Some(self.sessions);
        }
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.visits.push(None);
                (self.visits.len() - 1) as u32
            }
        };
        self.visits[place as usize] = Some(visit);
        self.soon.push(begins, Soon::Visit(place));
    }

    /// The next click of a visit, or its payment; none where it ends without one.
    fn go_on(&mut self, place: u32, at: Micros) -> Option<SimEvent> {
        let writer = self.writer();
        let visit = self.visits[place as usize].as_mut()?;
        if visit.done < visit.clicks {
            let bits = self.dice.bits();
            self.totals.clicks += 1;
            let event = writer.click(visit, self.totals.clicks, at, bits);
            visit.done += 1;
            let left = f64::from(visit.clicks - visit.done);
            let ends = visit.done == visit.clicks;
            if ends && !visit.pays() {
                self.visits[place as usize] = None;
                self.free.push(place);
                return Some(event);
            }
            let share = if ends { 1.0 } else { (0.5 + self.dice.unit()) / (left + 1.0) };
            let pause = ((visit.ends_at - at) as f64 * share) as Micros;
            self.soon.push(if ends { visit.ends_at.max(at) } else { at + pause }, Soon::Visit(place));
            return Some(event);
        }
        let visit = self.visits[place as usize].take()?;
        self.free.push(place);
        visit.pays().then(|| self.pay(&visit, at))
    }

    fn pay(&mut self, visit: &Visit, at: Micros) -> SimEvent {
        let scenario = visit.scenario.map(|s| SCENARIOS[usize::from(s)].name());
        self.totals.payment(currency(visit), visit.cents, scenario);
        let number = self.totals.payments;
        let sampled = scenario.is_some() || (self.dice.chance(self.config.genuine_labels) && self.labels.len() < labels::MOST_WAITING);
        if sampled {
            let known_at = at + labels::delay(scenario.is_some(), &mut self.dice);
            self.labels.push(known_at, Label { payment: number, scenario: visit.scenario });
        }
        self.book(visit, at);
        self.writer().payment(visit, number, at)
    }

    /// Moves the account's balance; its row is sent after every fourth payment or so, and with the wages.
    fn book(&mut self, visit: &Visit, at: Micros) {
        let balance = &mut self.balances[visit.account as usize];
        *balance += if visit.kind.credits() { visit.cents } else { -visit.cents };
        let wages = *balance < WAGES_BELOW && self.dice.chance(0.5);
        if wages {
            *balance += (250_000.0 * Account::new(self.config.seed, visit.account).spending()) as i64;
        }
        if self.dice.chance(0.25) || wages {
            self.soon.push(at + self.dice.between(SECOND, 20 * SECOND), Soon::Balance(visit.account));
        }
    }
}

impl Iterator for World {
    type Item = SimEvent;

    fn next(&mut self) -> Option<SimEvent> {
        loop {
            self.plan();
            let label_first = match (self.labels.first(), self.soon.first()) {
                (Some(label), Some(soon)) => label <= soon,
                (label, _) => label.is_some(),
            };
            if label_first {
                let (at, label) = self.labels.pop()?;
                self.clock = at;
                self.totals.labels += 1;
                return Some(self.writer().label(&label, at));
            }
            let (at, what) = self.soon.pop()?;
            self.clock = at;
            let event = match what {
                Soon::Merchant(merchant) => {
                    self.totals.merchants += 1;
                    Some(self.writer().merchant(Merchant(merchant), at))
                }
                Soon::Balance(account) => {
                    self.totals.balances += 1;
                    Some(self.writer().balance(account, self.balances[account as usize], at))
                }
                Soon::Visit(place) => self.go_on(place, at),
            };
            if event.is_some() {
                return event;
            }
        }
    }
}

impl SimEvent {
    /// Whether it is a record of the judged stream.
    pub fn is_payment(&self) -> bool {
        self.stream == TRANSACTIONS
    }
}

/// Balances of the accounts that were seen, as (account, balance): a young world is small on disk.
mod sparse {
    use super::UNSEEN;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(balances: &[i64], serializer: S) -> Result<S::Ok, S::Error> {
        let seen: Vec<(usize, i64)> = balances.iter().copied().enumerate().filter(|(_, b)| *b != UNSEEN).collect();
        (balances.len(), seen).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
        let (length, seen) = <(u32, Vec<(usize, i64)>)>::deserialize(deserializer)?;
        let mut balances = vec![UNSEEN; length as usize];
        for (account, balance) in seen {
            *balances.get_mut(account).ok_or_else(|| serde::de::Error::custom("an account beyond the last"))? = balance;
        }
        Ok(balances)
    }
}

#[cfg(test)]
mod tests;
