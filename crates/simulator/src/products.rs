//! Products: what the shop sells. A product's name and first price follow from its number alone; prices and stock change while
//! the world runs.

use crate::dice::{Dice, below, mix, normal, unit};
use crate::merchants::CATEGORIES;
use domain::Micros;
use domain::time::DAY;
use serde::{Deserialize, Serialize};

/// A shelf of the shop: what lies on it costs about the same.
pub(crate) struct Shelf {
    /// Index into [`CATEGORIES`].
    pub(crate) kind: usize,
    pub(crate) name: &'static str,
    /// Of the prices, in hundredths.
    median: f64,
    sigma: f64,
    /// What is on it.
    things: [&'static str; 6],
}

const fn shelf(kind: usize, name: &'static str, median: f64, sigma: f64, things: [&'static str; 6]) -> Shelf {
    Shelf { kind, name, median: median * 100.0, sigma, things }
}

/// In the order of their kinds.
pub(crate) const SHELVES: [Shelf; 40] = [
    shelf(0, "pantry", 6.0, 0.6, ["Basmati Rice", "Olive Oil", "Tomato Passata", "Wildflower Honey", "Oat Granola", "Penne"]),
    shelf(0, "beverages", 11.0, 0.7, ["Ground Coffee", "Green Tea", "Orange Juice", "Sparkling Water", "Craft Lemonade", "Cocoa"]),
    shelf(0, "household", 9.0, 0.5, ["Laundry Liquid", "Dish Soap", "Kitchen Roll", "Bin Liners", "Sponge Set", "Glass Cleaner"]),
    shelf(3, "shoes", 79.0, 0.5, ["Running Shoes", "Leather Boots", "Canvas Sneakers", "Sandals", "Loafers", "Hiking Boots"]),
    shelf(3, "tops", 29.0, 0.5, ["Cotton T-Shirt", "Linen Shirt", "Hooded Sweater", "Wool Jumper", "Polo Shirt", "Cardigan"]),
    shelf(3, "trousers", 54.0, 0.4, ["Slim Jeans", "Chinos", "Cargo Trousers", "Yoga Leggings", "Corduroys", "Denim Shorts"]),
    shelf(3, "coats", 129.0, 0.6, ["Rain Jacket", "Down Coat", "Trench Coat", "Softshell Jacket", "Parka", "Blazer"]),
    shelf(3, "bags", 89.0, 0.9, ["Backpack", "Leather Handbag", "Weekender", "Belt Bag", "Tote", "Laptop Sleeve"]),
    shelf(
        4,
        "phones",
        499.0,
        0.5,
        ["Smartphone 128 GB", "Smartphone 256 GB", "Phone Mini", "Phone Ultra", "Foldable Phone", "Rugged Phone"],
    ),
    shelf(4, "computers", 899.0, 0.6, ["Laptop 14", "Gaming Laptop", "Desktop Workstation", "Tablet 11", "Mini PC", "Rack Server"]),
    shelf(4, "audio", 109.0, 0.7, ["Wireless Headphones", "Earbuds", "Soundbar", "Turntable", "Smart Speaker", "Studio Monitors"]),
    shelf(4, "cameras", 420.0, 0.8, ["Mirrorless Camera", "Action Camera", "Zoom Lens 70-200", "Drone", "Tripod", "Instant Camera"]),
    shelf(4, "accessories", 19.0, 0.6, ["USB-C Cable", "Power Bank", "Phone Case", "Wall Charger", "Memory Card", "Screen Protector"]),
    shelf(4, "gaming", 59.0, 0.9, ["Game Console", "Controller", "Headset", "Racing Wheel", "Game Card", "Gaming Mouse"]),
    shelf(5, "fiction", 14.0, 0.3, ["Novel", "Crime Novel", "Short Stories", "Science Fiction Novel", "Fantasy Novel", "Classic Novel"]),
    shelf(5, "non_fiction", 21.0, 0.4, ["Biography", "Travel Guide", "Cookbook", "History of Trade", "Field Guide", "Essay Collection"]),
    shelf(
        5,
        "textbooks",
        62.0,
        0.4,
        ["Statistics Textbook", "Physics Textbook", "Medical Atlas", "Law Commentary", "Algebra Primer", "Grammar"],
    ),
    shelf(6, "furniture", 219.0, 0.8, ["Oak Desk", "Office Chair", "Bookcase", "Sofa", "Bed Frame", "Bedside Table"]),
    shelf(6, "kitchen", 49.0, 0.8, ["Chef's Knife", "Stand Mixer", "Espresso Machine", "Cast Iron Pan", "Kettle", "Pan Set"]),
    shelf(6, "bedding", 44.0, 0.5, ["Duvet", "Pillow", "Linen Sheets", "Blanket", "Mattress Topper", "Towel Set"]),
    shelf(6, "lighting", 39.0, 0.6, ["Desk Lamp", "Floor Lamp", "LED Strip", "Pendant Light", "Night Light", "Bulb Pack"]),
    shelf(6, "garden", 69.0, 0.9, ["Lawn Mower", "Garden Hose", "Parasol", "Grill", "Planter", "Pruning Shears"]),
    shelf(7, "vitamins", 16.0, 0.4, ["Vitamin D", "Multivitamin", "Magnesium", "Omega 3", "Zinc", "Iron"]),
    shelf(7, "care", 11.0, 0.5, ["Sun Cream", "Hand Cream", "Plasters", "Toothbrush Heads", "Thermometer", "Nasal Spray"]),
    shelf(8, "games", 19.0, 0.9, ["Coin Pack", "Season Pass", "Game Download", "Skin Bundle", "Expansion", "Indie Game"]),
    shelf(8, "software", 39.0, 0.9, ["Photo Editor Licence", "Office Suite", "Antivirus", "Backup Plan", "Font Pack", "Music Plugin"]),
    shelf(8, "media", 6.0, 0.5, ["Film Rental", "Music Album", "Audiobook", "E-Book", "Podcast Pass", "Ringtone"]),
    shelf(
        9,
        "gift_cards",
        50.0,
        0.6,
        ["Gift Card", "Streaming Card", "Game Store Card", "Travel Voucher", "Dining Voucher", "Prepaid Card"],
    ),
    shelf(11, "rings", 290.0, 1.0, ["Silver Ring", "Gold Ring", "Diamond Ring", "Signet Ring", "Pearl Ring", "Wedding Band"]),
    shelf(11, "watches", 480.0, 1.4, ["Steel Watch", "Diver Watch", "Chronograph", "Dress Watch", "Field Watch", "Gold Watch"]),
    shelf(11, "necklaces", 210.0, 0.9, ["Chain", "Pendant", "Choker", "Locket", "Pearl Necklace", "Bracelet"]),
    shelf(12, "fitness", 49.0, 0.8, ["Dumbbell Set", "Yoga Mat", "Kettlebell", "Rowing Machine", "Foam Roller", "Jump Rope"]),
    shelf(12, "outdoor", 95.0, 0.8, ["Tent", "Sleeping Bag", "Climbing Rope", "Camping Stove", "Head Torch", "Kayak"]),
    shelf(12, "cycling", 75.0, 1.1, ["Helmet", "Road Bike", "Bike Light", "Floor Pump", "Panniers", "Cycling Jersey"]),
    shelf(13, "building", 39.0, 0.7, ["Brick Set", "Train Set", "Marble Run", "Model Kit", "Robot Kit", "Wooden Blocks"]),
    shelf(13, "games_and_puzzles", 24.0, 0.4, ["Board Game", "Puzzle 1000", "Card Game", "Chess Set", "Dice Game", "Quiz Game"]),
    shelf(13, "dolls", 27.0, 0.5, ["Doll", "Plush Bear", "Doll's House", "Figure Set", "Hand Puppet", "Costume"]),
    shelf(14, "make_up", 19.0, 0.5, ["Lipstick", "Mascara", "Foundation", "Eye Shadow", "Nail Polish", "Brush Set"]),
    shelf(14, "skin", 27.0, 0.6, ["Face Cream", "Serum", "Cleansing Gel", "Face Mask", "Body Lotion", "Lip Balm"]),
    shelf(14, "fragrance", 68.0, 0.5, ["Eau de Parfum", "Cologne", "Body Mist", "Candle", "Room Spray", "Solid Perfume"]),
];

const BRANDS: [&str; 20] = [
    "Norvik",
    "Halden",
    "Lumo",
    "Castor",
    "Arvo",
    "Brightwell",
    "Kestrel",
    "Solano",
    "Tamsin",
    "Orlo",
    "Veldt",
    "Pinecroft",
    "Marlow",
    "Zephyr",
    "Ardent",
    "Koru",
    "Fjell",
    "Tindra",
    "Quill",
    "Oasis",
];

const STYLES: [&str; 10] = ["Classic", "Pro", "Lite", "Plus", "Essential", "Studio", "Heritage", "Nova", "Urban", "Select"];

const COLOURS: [&str; 8] = ["black", "white", "blue", "red", "green", "grey", "natural", "sand"];

/// How many products lie on each shelf.
const EACH: u32 = 30;

/// Products are numbered so that number modulo [`SHELVES`] is the shelf.
pub(crate) const PRODUCTS: u32 = SHELVES.len() as u32 * EACH;

/// A product's number; its id is `prod-<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Product(pub(crate) u16);

impl Product {
    fn hash(self, what: u64) -> u64 {
        mix(u64::from(self.0), 0x7072_6f64 + what)
    }

    pub(crate) fn shelf(self) -> &'static Shelf {
        &SHELVES[usize::from(self.0) % SHELVES.len()]
    }

    pub(crate) fn category(self) -> &'static str {
        CATEGORIES[self.shelf().kind].name
    }

    /// Brand, style, thing.
    pub(crate) fn name(self) -> [&'static str; 3] {
        [BRANDS[(self.hash(1) % 20) as usize], STYLES[(self.hash(2) % 10) as usize], self.shelf().things[(self.hash(3) % 6) as usize]]
    }

    pub(crate) fn colour(self) -> &'static str {
        COLOURS[(self.hash(4) % 8) as usize]
    }

    fn first_price(self) -> i32 {
        let shelf = self.shelf();
        pretty(shelf.median * libm::exp(shelf.sigma * normal(self.hash(5), self.hash(6))))
    }

    /// What one costs the shop, in hundredths.
    pub(crate) fn cost(self) -> i64 {
        (f64::from(self.first_price()) * (0.45 + 0.3 * unit(self.hash(7)))) as i64
    }

    pub(crate) fn created_at(self, start: Micros) -> Micros {
        let age = DAY + (unit(self.hash(8)) * (3 * 365 * DAY) as f64) as i64;
        (start - age).div_euclid(DAY) * DAY
    }
}

/// The nearest price that a shop would write: 4.99, 120.00, 2,490.00.
fn pretty(cents: f64) -> i32 {
    let cents = cents.clamp(99.0, 6_900_000.0);
    if cents < 20_000.0 {
        (cents / 100.0) as i32 * 100 + 99
    } else if cents < 200_000.0 {
        (cents / 500.0) as i32 * 500 - 100
    } else {
        (cents / 1_000.0) as i32 * 1_000
    }
}

/// Prices and stock as they are now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Catalogue {
    /// By product, in hundredths of the base.
    prices: Vec<i32>,
    stock: Vec<i32>,
}

impl Catalogue {
    pub(crate) fn new() -> Self {
        let all = || (0..PRODUCTS as u16).map(Product);
        Self { prices: all().map(Product::first_price).collect(), stock: all().map(|p| 40 + (p.hash(9) % 900) as i32).collect() }
    }

    pub(crate) fn price(&self, product: Product) -> i32 {
        self.prices[usize::from(product.0)]
    }

    pub(crate) fn stock(&self, product: Product) -> i32 {
        self.stock[usize::from(product.0)]
    }

    /// Takes from the shelf; an empty one is filled again at once.
    pub(crate) fn sold(&mut self, product: Product, quantity: i32) {
        let stock = &mut self.stock[usize::from(product.0)];
        *stock -= quantity;
        if *stock < 0 {
            *stock += 500 + quantity;
        }
    }

    /// A new price, up to a sixth from the old; a price that has wandered far comes back to the first.
    pub(crate) fn reprice(&mut self, product: Product, dice: &mut Dice) {
        let (now, first) = (self.price(product), product.first_price());
        let far = now > first * 3 / 2 || now < first * 2 / 3;
        let by = libm::exp((dice.unit() - 0.5) / 3.0);
        self.prices[usize::from(product.0)] = if far { first } else { pretty(f64::from(now) * by) };
    }

    pub(crate) fn restock(&mut self, product: Product, dice: &mut Dice) {
        self.stock[usize::from(product.0)] += dice.between(50, 500) as i32;
    }

    /// A product of one of the merchant's shelves: `taste` of several drawn, the dearest if positive, the cheapest if negative.
    pub(crate) fn pick(&self, kind: usize, taste: i8, dice: &mut Dice) -> Option<Product> {
        let first = SHELVES.iter().position(|s| s.kind == kind)?;
        let shelves = SHELVES[first..].iter().take_while(|s| s.kind == kind).count();
        let mut draw = || {
            let bits = dice.bits();
            let shelf = first as u64 + below(bits, shelves as u64);
            let u = unit(bits.rotate_left(29));
            Product((shelf + SHELVES.len() as u64 * (u * u * f64::from(EACH)) as u64) as u16)
        };
        let mut best = draw();
        for _ in 0..taste.unsigned_abs() {
            let other = draw();
            if (self.price(other) > self.price(best)) == (taste > 0) {
                best = other;
            }
        }
        Some(best)
    }
}

/// Whether the shop sells what such a merchant does.
pub(crate) fn sold_in_shop(kind: usize) -> bool {
    SHELVES.iter().any(|s| s.kind == kind)
}

#[cfg(test)]
mod tests;
