//! The world: a clock, queues of what is planned, and the iterator that lets it happen in the order of event time.
//!
//! Payments are planned one visit's length ahead of the clock, so that clicks come before the purchase they lead to and the
//! payment rate holds from the first second on. What follows from them (parcels, refunds, labels) waits in a queue of its own.

mod happenings;
mod life;
mod saved;

use crate::config::WorldConfig;
use crate::counter::Cast;
use crate::dice::Dice;
use crate::fraud::Fraud;
use crate::genuine::{self, Outing};
use crate::json::Writer;
use crate::labels::Label;
use crate::merchants::Merchants;
use crate::orders::{Order, Stage};
use crate::people::People;
use crate::products::{Catalogue, PRODUCTS};
use crate::queue::Queue;
use crate::recent::Recent;
use crate::rhythm;
use crate::totals::Totals;
use crate::visits::{End, LONGEST_VISIT, Visit};
use crate::{SimEvent, TRANSACTIONS};
use domain::time::{MINUTE, SECOND};
use domain::{Error, Micros, Result};
use life::Life;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The form of saved worlds; one of another form cannot go on.
const SAVED_FORMAT: u32 = 2;

/// Looks at the shop without a payment, for each payment.
const BROWSING_SHARE: f64 = 0.3;

/// The longest pause after which visits go on as if there had been none.
const LONGEST_PAUSE: Micros = 5 * MINUTE;

/// An endless iterator over a world's events, in the order of event time.
#[derive(Debug, Serialize, Deserialize)]
pub struct World {
    format: u32,
    config: WorldConfig,
    dice: Dice,
    /// Event time of the last event.
    clock: Micros,
    /// No payment happens before this moment: the start, or where the world was last resumed.
    floor: Micros,
    /// When the next genuine payment is made.
    next_payment: Micros,
    /// Up to here payments are planned.
    planned: Micros,
    fraud: Fraud,
    outings: Queue<Outing>,
    soon: Queue<Soon>,
    /// Apart from the rest, because there is much of it and it waits for days.
    later: Queue<Later>,
    /// Orders in `later`.
    open_orders: usize,
    /// Visits under way; a free place is none.
    visits: Vec<Option<Visit>>,
    free: Vec<u32>,
    people: People,
    catalogue: Catalogue,
    recent: Recent,
    sessions: u64,
    /// Genuine payments that came of themselves (refunds, deposits): as many fewer are planned.
    spare: u32,
    /// What has happened and was not taken yet.
    #[serde(with = "saved")]
    ready: VecDeque<SimEvent>,
    totals: Totals,
}

#[derive(Debug, Serialize, Deserialize)]
enum Soon {
    Merchant(u32),
    Product(u16),
    /// Sends an account's first row, and its customer's.
    Meet(u32),
    Balance(u32),
    /// Wages, or savings: the account is low.
    TopUp(u32),
    /// The visit at this place goes on.
    Visit(u32),
    Life(Life),
}

#[derive(Debug, Serialize, Deserialize)]
enum Later {
    Label(Label),
    Order(Stage, Box<Order>),
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
        for product in 0..PRODUCTS as u16 {
            soon.push(config.start, Soon::Product(product));
        }
        let mut world = Self {
            format: SAVED_FORMAT,
            dice: Dice::new(config.seed),
            clock: config.start,
            floor: config.start,
            next_payment: config.start,
            planned: config.start,
            fraud: Fraud::new(config.fraud_rate),
            outings: Queue::new(),
            soon,
            later: Queue::new(),
            open_orders: 0,
            visits: Vec::new(),
            free: Vec::new(),
            people: People::new(config.seed, config.start, config.accounts),
            catalogue: Catalogue::new(),
            recent: Recent::default(),
            sessions: 0,
            spare: 0,
            ready: VecDeque::new(),
            totals: Totals::default(),
            config,
        };
        for life in Life::ALL {
            world.expect(life, world.clock);
        }
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
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let hint = "remove the saved world to begin a new one";
        let unreadable = |e| Error::stop("the saved world cannot be read", hint).because(e);
        let form: Form = serde_json::from_slice(bytes).map_err(unreadable)?;
        if form.format != SAVED_FORMAT {
            return Err(Error::stop(format!("the saved world has format {}, not {SAVED_FORMAT}", form.format), hint));
        }
        let world: Self = serde_json::from_slice(bytes).map_err(unreadable)?;
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

    /// Lets time pass without payments: what is planned happens as much later. Labels and parcels keep their time, so those that
    /// arrived in between come first. After more than a few minutes the visits under way have ended without a payment. A moment
    /// that the world has passed already changes nothing.
    pub fn resume_at(&mut self, now: Micros) {
        let by = now - self.clock.max(self.floor);
        if by <= 0 {
            return;
        }
        self.soon.delay(by);
        self.fraud.delay(by);
        self.outings.delay(by);
        let pays = |later: &Later| matches!(later, Later::Order(Stage::Cancel | Stage::Return(_), _));
        self.later.delay_some(by, pays);
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

    /// Changes payments per second and the share of fraud from here on, without a burst of what was planned at the old rates. Where
    /// something changes, visits under way end without a payment. More payments bring more accounts.
    ///
    /// # Errors
    /// Stop, if either is out of its bounds.
    pub fn set_rates(&mut self, rate: f64, fraud_rate: f64) -> Result<()> {
        let accounts = self.config.accounts.max(if rate > self.config.rate { WorldConfig::accounts_for(rate) } else { 0 });
        let config = WorldConfig { rate, fraud_rate, accounts, ..self.config.clone() };
        config.check()?;
        let old = std::mem::replace(&mut self.config, config);
        self.people.grow(accounts);
        if (rate, fraud_rate) == (old.rate, old.fraud_rate) {
            return Ok(());
        }
        self.abandon_visits();
        if rate < old.rate {
            self.outings.thin(|| self.dice.chance(rate / old.rate));
        }
        let flow = (rate * fraud_rate) / (old.rate * old.fraud_rate).max(f64::MIN_POSITIVE);
        self.fraud.set_rate(fraud_rate, flow, &mut self.dice);
        Ok(())
    }

    /// Ends all visits, and plans anew from here.
    fn abandon_visits(&mut self) {
        self.soon.retain(|soon| !matches!(soon, Soon::Visit(_)));
        self.free.clear();
        for visit in self.visits.drain(..).flatten() {
            match visit.scenario {
                Some(_) => self.fraud.abandoned(),
                None if visit.end == End::Pays => self.fraud.not_genuine(),
                None => {}
            }
        }
        self.planned = self.clock.max(self.floor);
        self.next_payment = self.planned;
        self.draw_next_payment();
    }

    /// Events until this many further payments have been made, with what happens at the same moment as the last.
    pub fn payments(&mut self, count: u64) -> impl Iterator<Item = SimEvent> {
        let last = self.totals.payments + count;
        std::iter::from_fn(move || if self.totals.payments < last || !self.ready.is_empty() { self.next() } else { None })
    }

    /// Events up to and including a moment. With the wall clock as the moment, this is a live run.
    pub fn until(&mut self, moment: Micros) -> impl Iterator<Item = SimEvent> {
        std::iter::from_fn(move || {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Some(event);
                }
                self.plan();
                if self.first()? > moment {
                    return None;
                }
                self.step();
            }
        })
    }

    /// The labels that are not known yet, each at its own later time: for files that should hold the whole truth. The world ends
    /// with that: orders on their way never arrive.
    pub fn outstanding_labels(&mut self) -> impl Iterator<Item = SimEvent> {
        std::iter::from_fn(move || {
            loop {
                if let (at, Later::Label(label)) = self.later.pop()? {
                    self.totals.labels += 1;
                    return Some(self.writer().label(&label, at));
                }
            }
        })
    }

    fn writer(&self) -> Writer {
        Writer::new(self.config.seed, self.config.start)
    }

    /// Everything that plans are made of; and the thieves, who are no part of it.
    fn cast(&mut self) -> (Cast<'_>, &mut Fraud) {
        let cast = Cast {
            people: &mut self.people,
            merchants: Merchants { count: self.config.merchants },
            catalogue: &self.catalogue,
            recent: &self.recent,
            dice: &mut self.dice,
        };
        (cast, &mut self.fraud)
    }

    fn draw_next_payment(&mut self) {
        let mut rate = self.config.rate * (1.0 - self.config.fraud_rate);
        if self.config.daily_rhythm {
            rate *= rhythm::world(self.next_payment);
        }
        let gap = self.dice.exponential(SECOND as f64 / rate);
        self.next_payment += (gap as Micros).max(1);
    }

    /// The time of the next event that is planned.
    fn first(&self) -> Option<Micros> {
        match (self.soon.first(), self.later.first()) {
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
        if self.fraud.first().is_some_and(|due| due <= self.next_payment) {
            let floor = self.planned;
            let (mut cast, fraud) = self.cast();
            let Some(visit) = fraud.next(&mut cast, floor) else { return };
            if visit.scenario.is_some() {
                self.fraud.paid();
            } else {
                self.came_of_itself();
            }
            self.planned = visit.ends_at;
            self.begin(visit);
            return;
        }
        let at = self.next_payment;
        self.planned = at;
        self.draw_next_payment();
        if self.spare > 0 {
            self.spare -= 1;
            return;
        }
        let outing = if self.outings.first().is_some_and(|due| due <= at) { self.outings.pop() } else { None };
        let (mut cast, fraud) = self.cast();
        let (visit, then) = match outing {
            Some((_, outing)) => genuine::next(&mut cast, outing, at),
            None => genuine::visit(&mut cast, at),
        };
        fraud.genuine();
        fraud.begin(&mut cast, at);
        if let Some((at, outing)) = then {
            self.outings.push(at, outing);
        }
        self.begin(visit);
        if self.config.clicks && self.dice.chance(BROWSING_SHARE) {
            let (mut cast, _) = self.cast();
            let look = genuine::browsing(&mut cast, at);
            self.begin(look);
        }
    }

    /// A genuine payment that was not planned as one.
    fn came_of_itself(&mut self) {
        self.fraud.genuine();
        self.spare += 1;
    }

    /// Puts a visit into the queue, and the rows of account and customer before it if they were not seen yet.
    fn begin(&mut self, mut visit: Visit) {
        let now = self.clock.max(self.floor);
        visit.ends_at = visit.ends_at.max(now);
        if !self.config.clicks {
            visit.clicks = 0;
        }
        let steps = visit.steps();
        let lasts = if steps == 0 { 0.0 } else { f64::from(visit.pace) * f64::from(steps) * (0.6 + 0.8 * self.dice.unit()) };
        let lasts = ((lasts * SECOND as f64) as Micros).min(LONGEST_VISIT);
        let begins = (visit.ends_at - lasts).max(now);
        self.know(visit.account, begins);
        if visit.clicks > 0 {
            self.sessions += 1;
            visit.session = Some(self.sessions);
        }
        self.seat(visit, begins);
    }

    /// Lets a visit go on at a moment.
    fn seat(&mut self, visit: Visit, at: Micros) {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.visits.push(None);
                (self.visits.len() - 1) as u32
            }
        };
        self.visits[place as usize] = Some(visit);
        self.soon.push(at, Soon::Visit(place));
    }

    /// Lets the next planned thing happen.
    fn step(&mut self) {
        let later = match (self.later.first(), self.soon.first()) {
            (Some(later), Some(soon)) => later <= soon,
            (later, _) => later.is_some(),
        };
        if later {
            let Some((at, what)) = self.later.pop() else { return };
            self.clock = at;
            match what {
                Later::Label(label) => self.told(&label, at),
                Later::Order(stage, order) => self.progress(stage, order, at),
            }
            return;
        }
        let Some((at, what)) = self.soon.pop() else { return };
        self.clock = at;
        match what {
            Soon::Merchant(merchant) => self.send_merchant(merchant, at),
            Soon::Product(product) => self.send_product(product, at),
            Soon::Meet(account) => self.meet(account, at),
            Soon::Balance(account) => self.send_balance(account, at),
            Soon::TopUp(account) => self.top_up(account, 0, at),
            Soon::Visit(place) => self.go_on(place, at),
            Soon::Life(life) => self.live(life, at),
        }
    }
}

impl Iterator for World {
    type Item = SimEvent;

    fn next(&mut self) -> Option<SimEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.plan();
            self.step();
        }
    }
}

impl SimEvent {
    /// Whether it is a record of the judged stream.
    pub fn is_payment(&self) -> bool {
        self.stream == TRANSACTIONS
    }
}

#[cfg(test)]
mod tests;
