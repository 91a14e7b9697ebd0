//! Where people live and pay: a table of cities with coordinates, and of countries with currency and address range.

/// A city. Customers live in those of [`HOME`]; payments may come from any.
pub(crate) struct City {
    pub(crate) name: &'static str,
    /// Index into [`COUNTRIES`].
    pub(crate) country: u8,
    /// Ten-thousandths of a degree.
    pub(crate) latitude: i32,
    pub(crate) longitude: i32,
    /// Hours ahead of UTC; summer time is left out.
    pub(crate) utc_offset: i8,
}

pub(crate) struct Country {
    /// ISO 3166 alpha-2.
    pub(crate) code: &'static str,
    /// ISO 4217.
    pub(crate) currency: &'static str,
    /// The first byte of the IPv4 addresses seen from here.
    pub(crate) network: u8,
}

const fn country(code: &'static str, currency: &'static str, network: u8) -> Country {
    Country { code, currency, network }
}

/// The first [`HOME_COUNTRIES`] have customers and merchants of their own; fraud also comes from the rest.
pub(crate) const COUNTRIES: [Country; 18] = [
    country("US", "USD", 73),
    country("GB", "GBP", 86),
    country("DE", "EUR", 91),
    country("FR", "EUR", 90),
    country("ES", "EUR", 83),
    country("IT", "EUR", 79),
    country("NL", "EUR", 84),
    country("CA", "CAD", 99),
    country("AU", "AUD", 101),
    country("PL", "PLN", 31),
    country("NG", "USD", 105),
    country("RU", "USD", 95),
    country("RO", "EUR", 89),
    country("VN", "USD", 113),
    country("ID", "USD", 114),
    country("VE", "USD", 186),
    country("MM", "USD", 37),
    country("IR", "EUR", 5),
];

pub(crate) const HOME_COUNTRIES: u32 = 10;

const fn city(name: &'static str, country: u8, latitude: i32, longitude: i32, utc_offset: i8) -> City {
    City { name, country, latitude, longitude, utc_offset }
}

/// The first [`HOME`] are in home countries; the rest are where account thieves sit.
pub(crate) const CITIES: [City; 44] = [
    city("New York", 0, 407_128, -740_060, -5),
    city("Los Angeles", 0, 340_522, -1_182_437, -8),
    city("Chicago", 0, 418_781, -876_298, -6),
    city("Houston", 0, 297_604, -953_698, -6),
    city("Phoenix", 0, 334_484, -1_120_740, -7),
    city("Miami", 0, 257_617, -801_918, -5),
    city("Seattle", 0, 476_062, -1_223_321, -8),
    city("Denver", 0, 397_392, -1_049_903, -7),
    city("London", 1, 515_074, -1278, 0),
    city("Manchester", 1, 534_808, -22_426, 0),
    city("Birmingham", 1, 524_862, -18_904, 0),
    city("Glasgow", 1, 558_642, -42_518, 0),
    city("Berlin", 2, 525_200, 134_050, 1),
    city("Hamburg", 2, 535_511, 99_937, 1),
    city("Munich", 2, 481_351, 115_820, 1),
    city("Cologne", 2, 509_375, 69_603, 1),
    city("Frankfurt", 2, 501_109, 86_821, 1),
    city("Paris", 3, 488_566, 23_522, 1),
    city("Lyon", 3, 457_640, 48_357, 1),
    city("Marseille", 3, 432_965, 53_698, 1),
    city("Madrid", 4, 404_168, -37_038, 1),
    city("Barcelona", 4, 413_851, 21_734, 1),
    city("Valencia", 4, 394_699, -3763, 1),
    city("Rome", 5, 419_028, 124_964, 1),
    city("Milan", 5, 454_642, 91_900, 1),
    city("Naples", 5, 408_518, 142_681, 1),
    city("Amsterdam", 6, 523_676, 49_041, 1),
    city("Rotterdam", 6, 519_244, 44_777, 1),
    city("Toronto", 7, 436_532, -793_832, -5),
    city("Vancouver", 7, 492_827, -1_231_207, -8),
    city("Montreal", 7, 455_017, -735_673, -5),
    city("Sydney", 8, -338_688, 1_512_093, 10),
    city("Melbourne", 8, -378_136, 1_449_631, 10),
    city("Warsaw", 9, 522_297, 210_122, 1),
    city("Krakow", 9, 500_647, 199_450, 1),
    city("Gdansk", 9, 543_520, 186_466, 1),
    city("Lagos", 10, 65_244, 33_792, 1),
    city("Moscow", 11, 557_558, 376_173, 3),
    city("Bucharest", 12, 444_268, 261_025, 2),
    city("Hanoi", 13, 210_278, 1_058_342, 7),
    city("Jakarta", 14, -62_088, 1_068_456, 7),
    city("Caracas", 15, 104_806, -669_036, -4),
    city("Yangon", 16, 168_661, 961_951, 6),
    city("Tehran", 17, 356_892, 513_890, 3),
];

/// How many of [`CITIES`] customers live in.
pub(crate) const HOME: u64 = 36;

/// How awake a city is at each local hour, 1 at its busiest.
pub(crate) const RHYTHM: [f64; 24] = [
    0.14, 0.08, 0.05, 0.04, 0.04, 0.07, 0.16, 0.34, 0.52, 0.66, 0.76, 0.84, 0.92, 0.88, 0.82, 0.82, 0.86, 0.94, 1.0, 0.98, 0.88, 0.70,
    0.46, 0.26,
];

impl City {
    pub(crate) fn country(&self) -> &'static Country {
        &COUNTRIES[usize::from(self.country)]
    }

    /// How awake the city is at a moment, 0 to 1.
    pub(crate) fn awake(&self, at: domain::Micros) -> f64 {
        let hour = at.div_euclid(domain::time::HOUR) + i64::from(self.utc_offset);
        RHYTHM[hour.rem_euclid(24) as usize]
    }
}

/// How much busier than on average the world is at a moment: 1 over a whole day.
pub(crate) fn world_awake(at: domain::Micros) -> f64 {
    let homes = &CITIES[..HOME as usize];
    let mean = RHYTHM.iter().sum::<f64>() / 24.0;
    homes.iter().map(|c| c.awake(at)).sum::<f64>() / (homes.len() as f64 * mean)
}
