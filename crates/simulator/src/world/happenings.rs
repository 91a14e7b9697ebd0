//! What happens when its time has come: clicks, orders, payments, parcels, labels. Each writes its records, keeps the books, and
//! plans what follows.

use super::{Later, Soon, World};
use crate::SimEvent;
use crate::customers::Customer;
use crate::labels::{self, Label};
use crate::merchants::Merchant;
use crate::orders::{Attempt, MOST_OPEN, Order, Stage, Status};
use crate::products::Product;
use crate::recent::Seen;
use crate::visits::{Basket, Channel, End, Fate, Kind, Method, Path, Step, Visit};
use domain::Micros;
use domain::time::{HOUR, MINUTE, SECOND};

/// Between two steps of a visit at least.
const LEAST_PAUSE: Micros = SECOND / 4;

impl World {
    fn emit(&mut self, event: SimEvent) {
        self.ready.push_back(event);
    }

    pub(super) fn send_merchant(&mut self, merchant: u32, at: Micros) {
        self.totals.merchant_rows += 1;
        self.emit(self.writer().merchant(Merchant(merchant), at));
    }

    pub(super) fn send_product(&mut self, product: u16, at: Micros) {
        self.totals.product_rows += 1;
        self.emit(self.writer().product(&self.catalogue, Product(product), at));
    }

    pub(super) fn send_customer(&mut self, customer: Customer, at: Micros) {
        self.totals.customer_rows += 1;
        self.emit(self.writer().customer(&self.people, customer, at));
    }

    pub(super) fn send_profile(&mut self, customer: Customer, at: Micros) {
        self.totals.profile_rows += 1;
        self.emit(self.writer().profile(&self.people, customer, at));
    }

    pub(super) fn send_balance(&mut self, account: u32, at: Micros) {
        self.totals.balance_rows += 1;
        self.emit(self.writer().balance(&self.people, account, at));
    }

    /// Sees to it that the rows of an account come a little before it does something at `begins`.
    pub(super) fn know(&mut self, number: u32, begins: Micros) {
        if self.people.state(number).known {
            return;
        }
        let account = self.people.account(number);
        let state = self.people.state_mut(number);
        state.known = true;
        state.balance = account.currency().below(account.opening_balance());
        let before = self.dice.between(2 * SECOND, 30 * SECOND);
        let now = self.clock.max(self.floor);
        self.soon.push((begins - before).max(now), Soon::Meet(number));
    }

    pub(super) fn meet(&mut self, number: u32, at: Micros) {
        let customer = self.people.account(number).customer;
        let state = self.people.state_mut(customer.number);
        if !state.met {
            state.met = true;
            self.totals.customers += 1;
            self.send_customer(customer, at);
            self.send_profile(customer, at);
        }
        self.send_balance(number, at);
    }

    /// The next step of a visit.
    pub(super) fn go_on(&mut self, place: u32, at: Micros) {
        let writer = self.writer();
        let Some(visit) = self.visits[place as usize].as_mut() else { return };
        match visit.next() {
            Step::Click => {
                self.totals.clicks += 1;
                let event = writer.click(visit, &self.people, self.totals.clicks, at, self.dice.bits());
                let account = self.people.account(visit.account);
                let new_password = visit.done == 1 && visit.clicks > 2 && matches!(visit.path, Path::Takeover { password: true, .. });
                visit.done += 1;
                self.emit(event);
                if new_password {
                    self.password_changed(account, at);
                }
            }
            Step::Order => self.place_order(place, at),
            Step::Decline => {
                if let Some(basket) = &mut visit.basket {
                    basket.declines -= 1;
                    basket.attempts += 1;
                }
                let order = order_of(visit);
                self.attempt(&order, order.total, Attempt::Declined, None, at);
            }
            Step::End => {
                let Some(visit) = self.visits[place as usize].take() else { return };
                self.free.push(place);
                match visit.end {
                    End::Pays => self.pay(visit, at),
                    End::Leaves => {}
                    End::GivesUp => self.wait(at + HOUR, Stage::Lapse, order_of(&visit)),
                }
                return;
            }
        }
        let Some(visit) = self.visits[place as usize].as_ref() else { return };
        let left = visit.steps();
        let share = if left == 0 { 1.0 } else { (0.5 + self.dice.unit()) / (f64::from(left) + 1.0) };
        let pause = ((visit.ends_at - at) as f64 * share) as Micros;
        self.soon.push(at + pause.max(LEAST_PAUSE), Soon::Visit(place));
    }

    fn place_order(&mut self, place: u32, at: Micros) {
        let Some(visit) = self.visits[place as usize].as_mut() else { return };
        let Some(basket) = &mut visit.basket else { return };
        self.totals.orders.add(basket.total());
        let number = self.totals.orders.count;
        basket.order = Some(number);
        basket.placed_at = at;
        let order = order_of(visit);
        self.order_row(&order, Status::Pending, at);
        for (index, line) in order.lines.iter().enumerate() {
            self.totals.lines.add(line.total());
            self.totals.pieces += u64::from(line.quantity);
            self.totals.discounts += i64::from(line.discount);
            self.catalogue.sold(line.product, line.quantity.into());
            self.emit(self.writer().item(&order, index, at));
        }
    }

    fn order_row(&mut self, order: &Order, status: Status, at: Micros) {
        self.totals.order_rows += 1;
        self.totals.orders_by_status[status as usize].add(order.total);
        self.emit(self.writer().order(&self.people, order, status, at));
    }

    fn attempt(&mut self, order: &Order, amount: i64, status: Attempt, transaction: Option<u64>, at: Micros) {
        self.totals.payment_rows += 1;
        self.totals.attempts[status as usize].add(amount);
        self.emit(self.writer().attempt(&self.people, order, amount, status, transaction, at));
    }

    /// The end of a visit that pays. An honest customer whose money does not reach gets some first; a thief is refused.
    fn pay(&mut self, mut visit: Visit, at: Micros) {
        let account = self.people.account(visit.account);
        let currency = account.currency();
        let cost = visit.currency.exchange(currency, visit.cents);
        let reach = self.people.state(visit.account).balance + currency.below(account.credit_limit());
        if !visit.kind.credits() && cost > reach {
            if visit.scenario.is_some() {
                self.fraud.abandoned();
                if let Some(basket) = &mut visit.basket {
                    basket.attempts += 1;
                    let order = order_of(&visit);
                    self.attempt(&order, order.total, Attempt::Declined, None, at);
                    self.wait(at + HOUR, Stage::Lapse, order);
                }
                return;
            }
            self.top_up(visit.account, cost - reach, at);
            visit.ends_at = at + self.dice.between(5 * SECOND, 90 * SECOND);
            let ends_at = visit.ends_at;
            self.seat(visit, ends_at);
            return;
        }
        let number = self.transact(&visit, None, at);
        let in_person = matches!(visit.channel, Channel::Pos | Channel::Atm) && visit.kind != Kind::Refund && visit.scenario.is_none();
        if let (true, Some(merchant)) = (in_person, visit.merchant) {
            self.recent.saw(Seen { account: visit.account, merchant, city: visit.city, at });
        }
        if let Some(basket) = &mut visit.basket {
            basket.attempts += 1;
            let order = Order { transaction: Some(number), ..order_of(&visit) };
            self.attempt(&order, order.total, Attempt::Authorised, Some(number), at);
            self.order_row(&order, Status::Paid, at);
            // With too many on their way, they are picked up.
            let (stage, after) = if self.open_orders < MOST_OPEN {
                order.after_payment(&mut self.dice)
            } else {
                (Stage::Deliver, self.dice.between(MINUTE, HOUR))
            };
            self.wait(at + after, stage, order);
        }
    }

    /// Moves money: the transaction, its label to come, the balance. Returns the transaction's number.
    fn transact(&mut self, visit: &Visit, original: Option<u64>, at: Micros) -> u64 {
        self.totals.payment(visit.kind, visit.currency, visit.cents, visit.scenario);
        let number = self.totals.payments;
        self.emit(self.writer().payment(visit, &self.people, number, original, at));
        let sampled = self.dice.chance(self.config.genuine_labels) && self.later.len() - self.open_orders < labels::MOST_WAITING;
        if visit.scenario.is_some() || sampled {
            let label = Label { payment: number, account: visit.account, scenario: visit.scenario };
            let known_at = at + label.delay(&mut self.dice);
            self.later.push(known_at, Later::Label(label));
        }
        let account = self.people.account(visit.account);
        let moved = visit.currency.exchange(account.currency(), visit.cents);
        let low = account.currency().below(account.credit_limit()) / -4;
        let state = self.people.state_mut(visit.account);
        state.used = true;
        state.balance += if visit.kind.credits() { moved } else { -moved };
        let low = state.balance < low && !visit.kind.credits();
        if low && !visit.thief && self.dice.chance(0.5) {
            self.soon.push(at + self.dice.between(MINUTE, 3 * HOUR), Soon::TopUp(visit.account));
        }
        if self.dice.chance(0.25) {
            self.soon.push(at + self.dice.between(SECOND, 20 * SECOND), Soon::Balance(visit.account));
        }
        number
    }

    /// Wages or savings come in: at least so much, in hundredths of the account's currency.
    pub(super) fn top_up(&mut self, number: u32, least: i64, at: Micros) {
        let account = self.people.account(number);
        let currency = account.currency();
        let wages = self.dice.log_normal(240_000.0 * account.customer.spending(), 0.25) as i64;
        let home = self.people.home(account.customer).city;
        let deposit = Visit {
            kind: Kind::Deposit,
            channel: Channel::Online,
            method: Method::BankTransfer,
            currency,
            cents: currency.below(wages) + least,
            ..nobody(number, home)
        };
        self.came_of_itself();
        self.transact(&deposit, None, at);
    }

    /// Puts an order's next stage into the queue.
    fn wait(&mut self, at: Micros, stage: Stage, order: Order) {
        self.open_orders += 1;
        self.later.push(at, Later::Order(stage, Box::new(order)));
    }

    pub(super) fn progress(&mut self, stage: Stage, order: Box<Order>, at: Micros) {
        self.open_orders -= 1;
        match stage {
            Stage::Lapse => self.order_row(&order, Status::Cancelled, at),
            Stage::Cancel => {
                self.give_back(&order, (order.cents, order.total), None, at);
                self.order_row(&order, Status::Cancelled, at);
            }
            Stage::Ship => {
                self.attempt(&order, order.total, Attempt::Captured, order.transaction, at);
                self.order_row(&order, Status::Shipped, at);
                let (stage, after) = Order::after_shipping(&mut self.dice);
                self.wait(at + after, stage, *order);
            }
            Stage::Deliver => {
                if order.ship_to.is_none() {
                    self.attempt(&order, order.total, Attempt::Captured, order.transaction, at);
                }
                self.order_row(&order, Status::Delivered, at);
                if let Some((stage, after)) = order.after_delivery(&mut self.dice)
                    && (self.open_orders < MOST_OPEN || order.fate != Fate::Usual)
                {
                    self.wait(at + after, stage, *order);
                }
            }
            Stage::Review => {
                let bits = self.dice.bits();
                let stars = [1, 2, 3, 4, 4, 4, 5, 5, 5, 5][(bits % 10) as usize];
                self.totals.reviews += 1;
                self.totals.stars += stars;
                self.emit(self.writer().review(&self.people, &order, self.totals.reviews, stars, bits >> 8, at));
            }
            Stage::Return(scenario) => {
                let amount = if scenario.is_some() { (order.cents, order.total) } else { order.refund(&mut self.dice) };
                self.give_back(&order, amount, scenario, at);
                self.order_row(&order, Status::Returned, at);
            }
        }
    }

    /// A refund of (hundredths of the order's currency, the same in the base).
    fn give_back(&mut self, order: &Order, (cents, base): (i64, i64), scenario: Option<u8>, at: Micros) {
        let home = self.people.home(self.people.account(order.account).customer).city;
        let empty = Basket {
            lines: Vec::new(),
            ship_to: None,
            fate: Fate::Usual,
            declines: 0,
            order: Some(order.number),
            placed_at: order.placed_at,
            attempts: 0,
        };
        let refund = Visit {
            merchant: order.merchant,
            kind: Kind::Refund,
            channel: Channel::Online,
            method: order.method,
            card: order.card,
            cents,
            currency: order.currency,
            billing: order.billing,
            basket: Some(empty),
            scenario,
            ..nobody(order.account, home)
        };
        match scenario {
            Some(_) => self.fraud.paid(),
            None => self.came_of_itself(),
        }
        let number = self.transact(&refund, order.transaction, at);
        self.attempt(order, base, Attempt::Refunded, Some(number), at);
    }

    /// A label becomes known; after fraud the customer gets a new card.
    pub(super) fn told(&mut self, label: &Label, at: Micros) {
        self.totals.labels += 1;
        self.emit(self.writer().label(label, at));
        if label.scenario.is_some() {
            let state = self.people.state_mut(label.account);
            state.cards = state.cards.wrapping_add(1);
        }
    }
}

/// A movement of money that nobody stands at a till for.
fn nobody(account: u32, city: u8) -> Visit {
    Visit {
        account,
        merchant: None,
        device: None,
        ip: None,
        city,
        kind: Kind::Deposit,
        channel: Channel::Online,
        method: Method::BankTransfer,
        entry: None,
        card: None,
        cents: 0,
        currency: crate::places::place(city).country().currency,
        billing: None,
        basket: None,
        path: Path::Shopping,
        end: End::Pays,
        clicks: 0,
        done: 0,
        pace: 0.0,
        ends_at: 0,
        session: None,
        thief: false,
        scenario: None,
    }
}

/// The order of a visit as it stands.
fn order_of(visit: &Visit) -> Order {
    let basket = visit.basket.as_ref();
    Order {
        number: basket.and_then(|b| b.order).unwrap_or_default(),
        account: visit.account,
        merchant: visit.merchant,
        lines: basket.map(|b| b.lines.clone()).unwrap_or_default(),
        ship_to: basket.and_then(|b| b.ship_to),
        billing: visit.billing,
        method: visit.method,
        card: visit.card,
        placed_at: basket.map_or(0, |b| b.placed_at),
        total: basket.map_or(0, Basket::total),
        cents: visit.cents,
        currency: visit.currency,
        transaction: None,
        attempts: basket.map_or(0, |b| b.attempts),
        fate: basket.map_or(Fate::Usual, |b| b.fate),
    }
}
