//! What changes slowly: people join, move, get new phones, change passwords; products change price and are restocked. Each comes by
//! itself, so many a year for each person or product.

use super::{Soon, World};
use crate::customers::{Account, Address};
use crate::places::{city_of_country, place};
use crate::products::{PRODUCTS, Product};
use domain::Micros;
use domain::time::DAY;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Life {
    Newcomer,
    Move,
    Phone,
    Password,
    Price,
    Restock,
}

impl Life {
    pub(super) const ALL: [Self; 6] = [Self::Newcomer, Self::Move, Self::Phone, Self::Password, Self::Price, Self::Restock];

    /// How many a year, of so many people.
    fn yearly(self, people: f64) -> f64 {
        match self {
            Self::Newcomer => 0.30 * people,
            Self::Move => 0.12 * people,
            Self::Phone => 0.45 * people,
            Self::Password => 0.70 * people,
            Self::Price => 6.0 * f64::from(PRODUCTS),
            Self::Restock => 12.0 * f64::from(PRODUCTS),
        }
    }
}

impl World {
    /// Draws when it comes next.
    pub(super) fn expect(&mut self, life: Life, from: Micros) {
        let gap = self.dice.exponential(365.0 * DAY as f64 / life.yearly(f64::from(self.people.len())));
        self.soon.push(from + (gap as Micros).max(1), Soon::Life(life));
    }

    pub(super) fn live(&mut self, life: Life, at: Micros) {
        self.expect(life, at);
        match life {
            Life::Newcomer => {
                let number = self.people.open(at, false);
                self.know(number, at);
            }
            Life::Move => self.somebody_moves(at),
            Life::Phone => {
                if let Some(account) = self.somebody() {
                    let state = self.people.state_mut(account.customer.number);
                    state.phones = state.phones.wrapping_add(1);
                }
            }
            Life::Password => {
                if let Some(account) = self.somebody() {
                    self.password_changed(account, at);
                }
            }
            Life::Price => {
                let product = self.some_product();
                self.catalogue.reprice(product, &mut self.dice);
                self.send_product(product.0, at);
            }
            Life::Restock => {
                let product = self.some_product();
                self.catalogue.restock(product, &mut self.dice);
                self.send_product(product.0, at);
            }
        }
    }

    fn some_product(&mut self) -> Product {
        Product(self.dice.below(u64::from(PRODUCTS)) as u16)
    }

    /// Any customer whose rows were sent; none if few were yet.
    fn somebody(&mut self) -> Option<Account> {
        (0..30).find_map(|_| {
            let account = self.people.at(self.dice.below(u64::from(self.people.len())) as u32);
            let met = self.people.state(account.customer.number).met && !self.people.synthetic(account.number);
            met.then_some(account)
        })
    }

    fn somebody_moves(&mut self, at: Micros) {
        let Some(account) = self.somebody() else { return };
        let customer = account.customer;
        let now = self.people.home(customer);
        let bits = self.dice.bits();
        // One in four to another city of the country.
        let city = if bits.is_multiple_of(4) { city_of_country(place(now.city).country, bits.rotate_left(20)) } else { now.city };
        self.people.moved(customer, Address { city, spot: (bits >> 16) as u32 }, at);
        self.send_customer(customer, at);
        self.send_profile(customer, at);
    }

    pub(super) fn password_changed(&mut self, account: Account, at: Micros) {
        self.people.password_changed(account.customer, at);
        self.send_profile(account.customer, at);
    }
}
