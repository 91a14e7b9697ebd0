//! Where money changes hands: the pieces that visits are made of, at the till, at the machine, in the shop and elsewhere online.
//! Customers and thieves use the same ones, so that what they leave behind looks alike.

use crate::customers::{Account, Address, Customer};
use crate::dice::Dice;
use crate::merchants::{DIGITAL_GOODS, ELECTRONICS, FUEL, GIFT_CARDS, Merchant, Merchants};
use crate::people::People;
use crate::places::{CITIES, place};
use crate::products::{Catalogue, Product, sold_in_shop};
use crate::recent::Recent;
use crate::rhythm;
use crate::visits::{Basket, Channel, End, Entry, Fate, Kind, Line, Method, Path, Visit};
use domain::Micros;
use serde::{Deserialize, Serialize};

/// Everyone and everything a visit can be about, and chance.
pub(crate) struct Cast<'w> {
    pub(crate) people: &'w mut People,
    pub(crate) merchants: Merchants,
    pub(crate) catalogue: &'w Catalogue,
    pub(crate) recent: &'w Recent,
    pub(crate) dice: &'w mut Dice,
}

/// From where somebody goes online: device, address of the internet, and the city that address seems to be in.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Desk {
    pub(crate) device: u64,
    pub(crate) ip: u32,
    pub(crate) city: u8,
}

/// How a basket is filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taste {
    /// See [`Catalogue::pick`].
    pub(crate) dear: i8,
    /// The chance of each further line.
    pub(crate) more: f64,
    /// The chance of each further piece.
    pub(crate) pieces: f64,
}

impl Cast<'_> {
    pub(crate) fn account(&self, number: u32) -> Account {
        self.people.account(number)
    }

    /// Someone who is awake and in the mood to pay.
    pub(crate) fn payer(&mut self, at: Micros) -> Account {
        // Two hundred refusals in a row are next to impossible: at every hour some city is awake.
        let all = u64::from(self.people.len());
        let mut account = self.people.at(0);
        for _ in 0..200 {
            account = self.people.at(self.dice.below(all) as u32);
            if self.dice.chance(self.people.activity(account) * account.home_city().awake(at)) {
                break;
            }
        }
        account
    }

    /// Any account with an honest customer behind it, asleep or not: thieves do not ask.
    pub(crate) fn anyone(&mut self) -> Account {
        let all = u64::from(self.people.len());
        let mut account = self.people.at(0);
        for _ in 0..50 {
            account = self.people.at(self.dice.below(all) as u32);
            if !self.people.synthetic(account.number) {
                break;
            }
        }
        account
    }

    pub(crate) fn home(&self, customer: Customer) -> Address {
        self.people.home(customer)
    }

    pub(crate) fn card(&self, account: Account) -> u64 {
        account.card(self.people.state(account.number).cards)
    }

    /// Where a customer sits who is in this city.
    pub(crate) fn desk(&mut self, account: Account, here: u8) -> Desk {
        let customer = account.customer;
        let phones = self.people.state(customer.number).phones;
        // Now and then somebody uses a device that is not his own: a friend's, a hotel's.
        let device = if self.dice.chance(0.012) { self.dice.bits() } else { customer.device(phones, self.dice.bits()) };
        if customer.vpn() && self.dice.chance(0.6) {
            return self.proxy_desk(device);
        }
        let home = self.home(customer);
        Desk { device, ip: customer.ip(home, here, self.dice.bits()), city: here }
    }

    /// The same device behind one of the services that hide addresses: few addresses, many users, anywhere.
    pub(crate) fn proxy_desk(&mut self, device: u64) -> Desk {
        // Mostly where such services have their machines.
        const EXITS: [u8; 10] = [34, 49, 0, 12, 17, 46, 36, 62, 1, 23];
        let city = if self.dice.chance(0.85) { EXITS[self.dice.below(10) as usize] } else { self.dice.below(CITIES.len() as u64) as u8 };
        Desk { device, ip: place(city).ip(5_000_000 + self.dice.below(60)), city }
    }

    fn plain(&self, account: Account, city: u8) -> Visit {
        Visit {
            account: account.number,
            merchant: None,
            device: None,
            ip: None,
            city,
            kind: Kind::Purchase,
            channel: Channel::Pos,
            method: Method::Card,
            entry: None,
            card: None,
            cents: 0,
            currency: place(city).country().currency,
            billing: None,
            basket: None,
            path: Path::Shopping,
            end: End::Pays,
            clicks: 0,
            done: 0,
            pace: 9.0,
            ends_at: 0,
            session: None,
            thief: false,
            scenario: None,
        }
    }

    /// At a till. `base` is the amount in hundredths of the base; paid in the currency of the place.
    pub(crate) fn till(&mut self, account: Account, city: u8, merchant: Merchant, base: i64) -> Visit {
        let plain = self.plain(account, city);
        let swiped = if place(city).country == 0 { 0.10 } else { 0.03 };
        let entry = if self.dice.chance(swiped) {
            Entry::Swipe
        } else if base < 12_000 && self.dice.chance(0.7) {
            Entry::Contactless
        } else {
            Entry::Chip
        };
        let wallet = entry == Entry::Contactless && self.dice.chance(0.4);
        Visit {
            merchant: Some(merchant),
            method: if wallet { Method::Wallet } else { Method::Card },
            entry: Some(entry),
            card: Some(self.card(account)),
            cents: plain.currency.below(base).max(1),
            ..plain
        }
    }

    /// Cash from a machine: whole notes.
    pub(crate) fn cash(&mut self, account: Account, city: u8, base: i64) -> Visit {
        let plain = self.plain(account, city);
        let local = plain.currency.below(base);
        let note = if local > 400_000 { 50_000 } else { 1_000 };
        Visit {
            kind: Kind::Withdrawal,
            channel: Channel::Atm,
            entry: Some(Entry::Chip),
            card: Some(self.card(account)),
            cents: (local / note).max(1) * note,
            ..plain
        }
    }

    /// To or from another account, in the account's currency.
    pub(crate) fn transfer(&mut self, account: Account, desk: Option<Desk>, kind: Kind, base: i64) -> Visit {
        let city = desk.map_or(self.home(account.customer).city, |d| d.city);
        let plain = self.plain(account, city);
        let currency = account.currency();
        Visit {
            kind,
            channel: if desk.is_some() { Channel::Online } else { Channel::Phone },
            method: Method::BankTransfer,
            device: desk.map(|d| d.device),
            ip: desk.map(|d| d.ip),
            cents: currency.below(base).max(1),
            currency,
            ..plain
        }
    }

    /// Online, but not by way of the shop: a subscription, a ticket, a donation. Prices like to end in 99.
    pub(crate) fn elsewhere(&mut self, account: Account, desk: Desk, merchant: Merchant, base: i64) -> Visit {
        let plain = self.plain(account, desk.city);
        let currency = account.currency();
        let cents = currency.below(base).max(1);
        let cents = if cents > 200 && self.dice.chance(0.4) { cents / 100 * 100 - 1 } else { cents };
        Visit { merchant: Some(merchant), cents, currency, ..self.online(plain, account, desk) }
    }

    fn online(&mut self, plain: Visit, account: Account, desk: Desk) -> Visit {
        Visit {
            channel: Channel::Online,
            method: if self.dice.chance(0.33) { Method::Wallet } else { Method::Card },
            entry: Some(Entry::Ecommerce),
            card: Some(self.card(account)),
            device: Some(desk.device),
            ip: Some(desk.ip),
            billing: Some(place(self.home(account.customer).city).country),
            ..plain
        }
    }

    /// By telephone: the card's number is typed in by the seller.
    pub(crate) fn phone(&mut self, account: Account, merchant: Merchant, base: i64) -> Visit {
        let home = self.home(account.customer).city;
        let plain = self.plain(account, home);
        let currency = account.currency();
        Visit {
            merchant: Some(merchant),
            channel: Channel::Phone,
            entry: Some(Entry::Manual),
            card: Some(self.card(account)),
            cents: currency.below(base).max(1),
            currency,
            billing: Some(place(home).country),
            ..plain
        }
    }

    /// An order in the shop, paid in the account's currency; where the shop does not sell what the merchant does, of electronics.
    pub(crate) fn order(&mut self, account: Account, desk: Desk, merchant: Merchant, taste: Taste, at: Micros) -> Visit {
        let mut lines: Vec<Line> = Vec::with_capacity(4);
        let sale = rhythm::black_friday(at);
        let kind = if sold_in_shop(merchant.kind()) { merchant.kind() } else { ELECTRONICS };
        while let Some(product) = self.catalogue.pick(kind, taste.dear, self.dice) {
            if lines.iter().all(|l| l.product != product) {
                let line = self.line(product, taste, sale);
                lines.push(line);
            }
            if lines.len() >= 6 || !self.dice.chance(taste.more) {
                break;
            }
        }
        let plain = self.plain(account, desk.city);
        let mut visit = self.online(plain, account, desk);
        if self.dice.chance(0.04) {
            // Some pay by transfer: no card is involved.
            visit = Visit { method: Method::BankTransfer, entry: None, card: None, ..visit };
        }
        let shipped = !matches!(kind, DIGITAL_GOODS | GIFT_CARDS);
        let ship_to = shipped.then(|| self.home(account.customer));
        let mut basket = Basket { lines, ship_to, fate: Fate::Usual, declines: 0, order: None, placed_at: 0, attempts: 0 };
        let currency = account.currency();
        // What is paid is worth as much as what is bought, to the cent: a cent that the exchange leaves is given away.
        let total = basket.total();
        let cents = currency.below(total);
        if let Some(last) = basket.lines.last_mut() {
            last.discount += (total - currency.to_base(cents)) as i32;
        }
        Visit { merchant: Some(merchant), currency, cents, basket: Some(basket), ..visit }
    }

    fn line(&mut self, product: Product, taste: Taste, sale: bool) -> Line {
        let mut quantity = 1;
        while quantity < 40 && self.dice.chance(taste.pieces) {
            quantity += 1;
        }
        let price = self.catalogue.price(product);
        let (often, most) = if sale { (0.5, 40) } else { (0.14, 20) };
        let per_cent = if self.dice.chance(often) { 5 * self.dice.between(1, most / 5) } else { 0 };
        let discount = (i64::from(price) * i64::from(quantity) * per_cent / 100) as i32;
        Line { product, quantity, price, discount }
    }

    /// An amount at a merchant, in hundredths of the base: log-normal about what its kind costs; at least 0.50, at most 60,000.00.
    pub(crate) fn amount(&mut self, merchant: Merchant, factor: f64) -> i64 {
        let category = merchant.category();
        let median = category.median * merchant.price_level() * factor;
        // Some tills are for a coffee only.
        let median = if merchant.kind() != FUEL && self.dice.chance(0.08) { (median * 0.1).min(4.0) } else { median };
        ((self.dice.log_normal(median, category.sigma) * 100.0) as i64).clamp(50, 6_000_000)
    }

    /// A merchant that the shop sells for: what thieves like, if `dear`.
    pub(crate) fn seller(&mut self, dear: bool) -> Merchant {
        if dear {
            const DEAR: [&[usize]; 4] = [&[ELECTRONICS], &[ELECTRONICS], &[GIFT_CARDS], &[crate::merchants::JEWELLERY]];
            let kinds = DEAR[self.dice.below(4) as usize];
            return self.merchants.selling(kinds, None, self.dice);
        }
        let mut merchant = self.merchants.any(self.dice.bits());
        for _ in 0..60 {
            if sold_in_shop(merchant.kind()) {
                break;
            }
            merchant = self.merchants.any(self.dice.bits());
        }
        merchant
    }
}
