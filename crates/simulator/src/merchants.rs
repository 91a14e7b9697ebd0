//! Merchants: who is paid. A merchant follows from its number alone, so lists of merchant ids hold in every world.

use crate::dice::{Dice, mix, unit};
use crate::places::{COUNTRIES, Country, HOME_COUNTRIES};

/// What a merchant sells, what that costs, and where it is bought.
pub(crate) struct Category {
    pub(crate) name: &'static str,
    /// Of what is paid there, in the merchant's currency.
    pub(crate) median: f64,
    /// Standard deviation of the logarithm of what is paid.
    pub(crate) sigma: f64,
    /// Share of its sales that are online.
    pub(crate) online: f64,
    /// How many of a hundred merchants are of this kind.
    share: u64,
}

const fn category(name: &'static str, median: f64, sigma: f64, online: f64, share: u64) -> Category {
    Category { name, median, sigma, online, share }
}

const CATEGORIES: [Category; 12] = [
    category("groceries", 38.0, 0.60, 0.10, 18),
    category("restaurants", 27.0, 0.55, 0.15, 16),
    category("fuel", 48.0, 0.35, 0.0, 8),
    category("fashion", 62.0, 0.65, 0.55, 12),
    category("electronics", 190.0, 0.85, 0.65, 10),
    category("books", 19.0, 0.50, 0.70, 6),
    category("home", 85.0, 0.75, 0.45, 8),
    category("pharmacy", 18.0, 0.50, 0.15, 6),
    category("digital_goods", 12.0, 0.60, 1.0, 5),
    category("gift_cards", 50.0, 0.60, 0.85, 3),
    category("travel", 320.0, 0.85, 0.90, 5),
    category("jewellery", 380.0, 0.90, 0.40, 3),
];

const FIRST: [&str; 16] = [
    "Corner", "Harbour", "Northern", "Golden", "Urban", "Green", "Central", "Blue", "Royal", "Prime", "Sunny", "Old Town", "Metro",
    "Silver", "Grand", "River",
];

const TRADE: [&str; 12] =
    ["Market", "Kitchen", "Fuel", "Outfitters", "Electronics", "Books", "Home", "Pharmacy", "Games", "Gifts", "Travel", "Jewellers"];

/// The numbers of merchants that exist for fraud alone, and their ids: those of the shipped project's list of suspicious merchants.
const FRAUDULENT: [(u32, &str); 3] = [(7, "m-fraud-001"), (57, "m-fraud-002"), (107, "m-fraud-003")];

/// The fewest merchants a world has, so that the fraudulent ones are among them.
pub(crate) const LEAST_MERCHANTS: u32 = 120;

/// A merchant's number. [`Merchant::id`] makes the id of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Merchant(pub(crate) u32);

impl Merchant {
    fn hash(self, what: u64) -> u64 {
        mix(u64::from(self.0), 0x6d65_7263 + what)
    }

    /// What stands before the number in the id, and the number; fraudulent merchants have ids of their own.
    pub(crate) fn id(self) -> (&'static str, Option<u32>) {
        match FRAUDULENT.iter().find(|(number, _)| *number == self.0) {
            Some((_, id)) => (id, None),
            None => ("m-", Some(self.0)),
        }
    }

    /// Honest customers hardly find a fraudulent merchant: they go to the next of its country instead.
    fn honest(self, bits: u64) -> Self {
        let fraudulent = FRAUDULENT.iter().any(|(number, _)| *number == self.0);
        if fraudulent && !bits.is_multiple_of(64) { Self(self.0 + HOME_COUNTRIES) } else { self }
    }

    fn category_index(self) -> usize {
        let mut at = crate::dice::below(self.hash(1), 100);
        CATEGORIES
            .iter()
            .position(|c| {
                let found = at < c.share;
                at = at.wrapping_sub(c.share);
                found
            })
            .unwrap_or(0)
    }

    pub(crate) fn category(self) -> &'static Category {
        &CATEGORIES[self.category_index()]
    }

    pub(crate) fn country(self) -> &'static Country {
        &COUNTRIES[(self.0 % HOME_COUNTRIES) as usize]
    }

    pub(crate) fn name(self) -> (&'static str, &'static str) {
        (FIRST[(self.hash(2) % 16) as usize], TRADE[self.category_index()])
    }

    /// Every fiftieth merchant, from number 7 on, checks its payers badly; card testers like them.
    pub(crate) fn risk_level(self) -> &'static str {
        match self.0 % 50 {
            7 => "high",
            r if r % 10 == 3 => "medium",
            _ => "low",
        }
    }
}

/// All merchants of a world.
#[derive(Clone, Copy)]
pub(crate) struct Merchants {
    pub(crate) count: u32,
}

impl Merchants {
    /// Any merchant; small numbers are visited more.
    pub(crate) fn any(self, bits: u64) -> Merchant {
        let u = unit(bits);
        Merchant((u * u * f64::from(self.count)) as u32).honest(bits)
    }

    /// A merchant of the country with this index (any, if the country has none).
    pub(crate) fn of_country(self, country: u8, bits: u64) -> Merchant {
        if u32::from(country) >= HOME_COUNTRIES {
            return self.any(bits);
        }
        let u = unit(bits);
        let each = self.count / HOME_COUNTRIES;
        Merchant(u32::from(country) + HOME_COUNTRIES * ((u * u * f64::from(each)) as u32)).honest(bits)
    }

    pub(crate) fn high_risk(self, dice: &mut Dice) -> Merchant {
        let each = u64::from((self.count - 8) / 50 + 1);
        Merchant(7 + 50 * dice.below(each) as u32)
    }

    /// A merchant that sells what can be turned into money: of a few picked, the dearest.
    pub(crate) fn dear(self, dice: &mut Dice) -> Merchant {
        let mut best = self.any(dice.bits());
        for _ in 0..4 {
            let other = Merchant(dice.below(u64::from(self.count)) as u32);
            let worth = |m: Merchant| m.category().median * m.category().online;
            if worth(other) > worth(best) {
                best = other;
            }
        }
        best
    }
}
