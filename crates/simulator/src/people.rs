//! What changes about accounts and customers while the world runs: balances, new phones and cards, moves, passwords, and who
//! joined. Accounts that nothing has happened to cost a few bytes each.

use crate::customers::{Account, Address, Customer, TRANSIT, Whereabouts};
use domain::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Accounts that were opened after the world began have numbers from here on.
pub(crate) const NEWCOMERS: u32 = 100_000_000;

/// What is kept of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// In hundredths of the account's currency.
    pub(crate) balance: i64,
    /// Its row was sent, so `balance` holds.
    pub(crate) known: bool,
    /// The rows of the customer with this number were sent.
    pub(crate) met: bool,
    /// Money has moved.
    pub(crate) used: bool,
    /// New ones since the world began.
    pub(crate) cards: u8,
    pub(crate) phones: u8,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Newcomer {
    opened_at: Micros,
    /// Made up by thieves: nobody stands behind it, so it does nothing of itself.
    synthetic: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Moved {
    to: Address,
    at: Micros,
    /// To another city.
    far: bool,
}

/// All accounts of a world.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct People {
    pub(crate) seed: u64,
    start: Micros,
    #[serde(with = "sparse")]
    settled: Vec<State>,
    newcomers: Vec<Newcomer>,
    /// The last move of each customer who moved.
    moves: BTreeMap<u32, Moved>,
    /// When passwords were changed last, where they were.
    passwords: BTreeMap<u32, Micros>,
}

impl People {
    pub(crate) fn new(seed: u64, start: Micros, accounts: u32) -> Self {
        Self {
            seed,
            start,
            settled: vec![State::default(); accounts as usize],
            newcomers: Vec::new(),
            moves: BTreeMap::new(),
            passwords: BTreeMap::new(),
        }
    }

    /// Room for more accounts that are as old as the world.
    pub(crate) fn grow(&mut self, accounts: u32) {
        if accounts as usize > self.settled.len() {
            self.settled.resize(accounts as usize, State::default());
        }
    }

    pub(crate) fn len(&self) -> u32 {
        (self.settled.len() + self.newcomers.len()) as u32
    }

    pub(crate) fn account(&self, number: u32) -> Account {
        Account::new(self.seed, number)
    }

    /// The account at a place, 0 to [`People::len`].
    pub(crate) fn at(&self, place: u32) -> Account {
        let settled = self.settled.len() as u32;
        self.account(if place < settled { place } else { NEWCOMERS + (place - settled) })
    }

    fn newcomer(&self, number: u32) -> Option<&Newcomer> {
        self.newcomers.get(number.checked_sub(NEWCOMERS)? as usize)
    }

    /// How often an account pays; never, where no honest customer stands behind it.
    pub(crate) fn activity(&self, account: Account) -> f64 {
        if self.synthetic(account.number) { 0.0 } else { account.customer.activity() }
    }

    pub(crate) fn synthetic(&self, number: u32) -> bool {
        self.newcomer(number).is_some_and(|n| n.synthetic)
    }

    pub(crate) fn state(&self, number: u32) -> State {
        self.newcomer(number).map(|n| n.state).or_else(|| self.settled.get(number as usize).copied()).unwrap_or_default()
    }

    pub(crate) fn state_mut(&mut self, number: u32) -> &mut State {
        match number.checked_sub(NEWCOMERS) {
            Some(place) => &mut self.newcomers[place as usize].state,
            None => &mut self.settled[number as usize],
        }
    }

    pub(crate) fn opened_at(&self, account: Account) -> Micros {
        self.newcomer(account.number).map_or_else(|| account.opened_at(self.start), |n| n.opened_at)
    }

    /// When the customer signed up: with the first account.
    pub(crate) fn registered_at(&self, customer: Customer) -> Micros {
        self.opened_at(self.account(customer.number))
    }

    /// Opens an account; of an even number, so that no other account is its customer's.
    pub(crate) fn open(&mut self, at: Micros, synthetic: bool) -> u32 {
        if self.newcomers.len() % 2 == 1 {
            // The odd one between two never does anything.
            self.newcomers.push(Newcomer { opened_at: at, synthetic: true, state: State::default() });
        }
        self.newcomers.push(Newcomer { opened_at: at, synthetic, state: State::default() });
        NEWCOMERS + (self.newcomers.len() - 1) as u32
    }

    pub(crate) fn home(&self, customer: Customer) -> Address {
        self.moves.get(&customer.number).map_or_else(|| customer.first_home(), |m| m.to)
    }

    pub(crate) fn whereabouts(&self, customer: Customer, at: Micros) -> Whereabouts {
        let moved = self.moves.get(&customer.number);
        let home = moved.map_or_else(|| customer.first_home(), |m| m.to);
        let here = customer.whereabouts(home.city, at);
        let moving = moved.is_some_and(|m| m.far && at < m.at + 2 * TRANSIT);
        Whereabouts { under_way: here.under_way || moving, ..here }
    }

    pub(crate) fn moved(&mut self, customer: Customer, to: Address, at: Micros) {
        let far = to.city != self.home(customer).city;
        self.moves.insert(customer.number, Moved { to, at, far });
    }

    /// When the password was changed last: while the world ran, or before (two in three customers have).
    pub(crate) fn password_changed_at(&self, customer: Customer) -> Option<Micros> {
        self.passwords.get(&customer.number).copied().or_else(|| {
            let registered = self.registered_at(customer);
            let since = self.start - registered;
            let draw = customer.draw(25);
            (since > 0 && !draw.is_multiple_of(3)).then(|| registered + crate::dice::below(draw, since as u64) as Micros)
        })
    }

    pub(crate) fn password_changed(&mut self, customer: Customer, at: Micros) {
        self.passwords.insert(customer.number, at);
    }
}

/// States of the accounts that were seen, as (number, state): a young world is small on disk.
mod sparse {
    use super::State;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(states: &[State], serializer: S) -> Result<S::Ok, S::Error> {
        let seen = states.iter().enumerate().filter(|(_, s)| **s != State::default());
        let seen: Vec<_> = seen.map(|(n, s)| (n, s.balance, s.known, s.met, s.used, s.cards, s.phones)).collect();
        (states.len(), seen).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<State>, D::Error> {
        let (length, seen) = <(u32, Vec<(usize, i64, bool, bool, bool, u8, u8)>)>::deserialize(deserializer)?;
        let mut states = vec![State::default(); length as usize];
        for (number, balance, known, met, used, cards, phones) in seen {
            let state = states.get_mut(number).ok_or_else(|| serde::de::Error::custom("an account beyond the last"))?;
            *state = State { balance, known, met, used, cards, phones };
        }
        Ok(states)
    }
}
