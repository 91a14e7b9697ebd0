//! Merchants: who is paid. A merchant follows from its number alone, so lists of merchant ids hold in every world.

use crate::dice::{Dice, below, mix, unit};
use crate::places::{COUNTRIES, City, Country, HOME_COUNTRIES, city_of_country, place};
use domain::Micros;
use domain::time::{DAY, SECOND};

/// What a merchant sells, what that costs, and where it is bought.
pub(crate) struct Category {
    pub(crate) name: &'static str,
    /// Merchant category code, ISO 18245.
    pub(crate) mcc: &'static str,
    /// Of what is paid there, in the base currency.
    pub(crate) median: f64,
    /// Standard deviation of the logarithm of what is paid.
    pub(crate) sigma: f64,
    /// Share of its sales that are online.
    pub(crate) online: f64,
    /// How many of a hundred merchants are of this kind.
    share: u64,
}

const fn category(name: &'static str, mcc: &'static str, median: f64, sigma: f64, online: f64, share: u64) -> Category {
    Category { name, mcc, median, sigma, online, share }
}

pub(crate) const CATEGORIES: [Category; 15] = [
    category("groceries", "5411", 38.0, 0.65, 0.12, 17),
    category("restaurants", "5812", 27.0, 0.60, 0.15, 15),
    category("fuel", "5541", 48.0, 0.40, 0.0, 8),
    category("fashion", "5651", 62.0, 0.75, 0.55, 11),
    category("electronics", "5732", 190.0, 0.95, 0.62, 9),
    category("books", "5942", 19.0, 0.60, 0.70, 5),
    category("home", "5712", 85.0, 0.90, 0.45, 7),
    category("pharmacy", "5912", 18.0, 0.60, 0.18, 6),
    category("digital_goods", "5816", 9.0, 0.90, 1.0, 5),
    category("gift_cards", "5947", 50.0, 0.70, 0.85, 3),
    category("travel", "4722", 320.0, 0.95, 0.90, 5),
    category("jewellery", "5944", 320.0, 1.10, 0.45, 2),
    category("sports", "5941", 55.0, 0.80, 0.50, 3),
    category("toys", "5945", 34.0, 0.60, 0.60, 2),
    category("beauty", "5977", 29.0, 0.60, 0.50, 2),
];

pub(crate) const RESTAURANTS: usize = 1;
pub(crate) const FUEL: usize = 2;
pub(crate) const ELECTRONICS: usize = 4;
pub(crate) const DIGITAL_GOODS: usize = 8;
pub(crate) const GIFT_CARDS: usize = 9;
pub(crate) const JEWELLERY: usize = 11;

const FIRST: [&str; 24] = [
    "Corner",
    "Harbour",
    "Northern",
    "Golden",
    "Urban",
    "Green",
    "Central",
    "Blue",
    "Royal",
    "Prime",
    "Sunny",
    "Old Town",
    "Metro",
    "Silver",
    "Grand",
    "River",
    "Maple",
    "Lighthouse",
    "Summit",
    "Orchard",
    "Union",
    "Falcon",
    "Meadow",
    "Atlas",
];

const TRADE: [&str; 15] = [
    "Market",
    "Kitchen",
    "Fuel",
    "Outfitters",
    "Electronics",
    "Books",
    "Living",
    "Pharmacy",
    "Games",
    "Gifts",
    "Travel",
    "Jewellers",
    "Sports",
    "Toys",
    "Cosmetics",
];

/// The numbers of merchants that exist for fraud alone, and their ids: those of the shipped project's list of suspicious merchants.
const FRAUDULENT: [(u32, &str); 3] = [(7, "m-fraud-001"), (57, "m-fraud-002"), (107, "m-fraud-003")];

/// The fewest merchants a world has, so that the fraudulent ones are among them.
pub(crate) const LEAST_MERCHANTS: u32 = 130;

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

    /// Index into [`CATEGORIES`].
    pub(crate) fn kind(self) -> usize {
        let mut at = below(self.hash(1), 100);
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
        &CATEGORIES[self.kind()]
    }

    /// Index into [`COUNTRIES`].
    pub(crate) fn country_index(self) -> u8 {
        (self.0 % HOME_COUNTRIES) as u8
    }

    pub(crate) fn country(self) -> &'static Country {
        &COUNTRIES[usize::from(self.country_index())]
    }

    pub(crate) fn city(self) -> &'static City {
        place(city_of_country(self.country_index(), self.hash(3)))
    }

    /// How far from the city's centre, in ten-thousandths of a degree: a few kilometres, north and east.
    pub(crate) fn spot(self) -> (i64, i64) {
        let off = |bits: u64| (bits % 801) as i64 - 400;
        (off(self.hash(4)), off(self.hash(5)))
    }

    pub(crate) fn name(self) -> (&'static str, &'static str) {
        (FIRST[(self.hash(2) % 24) as usize], TRADE[self.kind()])
    }

    /// What its prices are against others of its kind: 0.6 to 1.6.
    pub(crate) fn price_level(self) -> f64 {
        libm::exp(unit(self.hash(6)) - 0.5)
    }

    /// Up to six years before the world began, to the day; a few only weeks before.
    pub(crate) fn onboarded_at(self, start: Micros) -> Micros {
        let u = unit(self.hash(7));
        let age = DAY + (u * u * (6 * 365 * DAY) as f64) as i64;
        (start - age).div_euclid(DAY) * DAY + (self.hash(8) % 86_400) as i64 * SECOND
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

    /// A merchant of one of the kinds, sooner or later; the last one drawn if there seems to be none. In the country, if one is given.
    pub(crate) fn selling(self, kinds: &[usize], country: Option<u8>, dice: &mut Dice) -> Merchant {
        let mut drawn = self.any(dice.bits());
        for _ in 0..60 {
            if kinds.contains(&drawn.kind()) && country.is_none_or(|c| c == drawn.country_index()) {
                break;
            }
            drawn = match country {
                Some(country) => self.of_country(country, dice.bits()),
                None => self.any(dice.bits()),
            };
        }
        drawn
    }
}
