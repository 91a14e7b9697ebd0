//! Where people live and pay: a table of cities with coordinates, and of countries with currency, language and address range.

use crate::dice::mix;
use crate::money::Currency;

/// A city. Customers live in the first [`HOME`] of [`CITIES`]; payments may come from any.
pub(crate) struct City {
    pub(crate) name: &'static str,
    /// Index into [`COUNTRIES`].
    pub(crate) country: u8,
    /// State, province or region, as the country abbreviates it.
    pub(crate) state: &'static str,
    /// What postal codes of the city begin with.
    pub(crate) postal: &'static str,
    /// Ten-thousandths of a degree.
    pub(crate) latitude: i32,
    pub(crate) longitude: i32,
    /// Hours ahead of UTC; summer time is left out.
    pub(crate) utc_offset: i8,
}

pub(crate) struct Country {
    /// ISO 3166 alpha-2.
    pub(crate) code: &'static str,
    pub(crate) currency: Currency,
    /// The first byte of the IPv4 addresses seen from here.
    pub(crate) network: u8,
    /// Index into the lists of names.
    pub(crate) locale: u8,
    /// International dialling code.
    pub(crate) dial: &'static str,
    /// How many digits or letters of a postal code follow the city's own.
    pub(crate) postal: &'static str,
}

const fn country(code: &'static str, currency: u8, network: u8, locale: u8, dial: &'static str, postal: &'static str) -> Country {
    Country { code, currency: Currency(currency), network, locale, dial, postal }
}

/// The first [`HOME_COUNTRIES`] have customers and merchants of their own; fraud also comes from the rest, and so do travellers.
pub(crate) const COUNTRIES: [Country; 25] = [
    country("US", 0, 73, 0, "+1", "##"),
    country("GB", 2, 86, 0, "+44", "# #@@"),
    country("DE", 1, 91, 1, "+49", "###"),
    country("FR", 1, 90, 2, "+33", "##"),
    country("ES", 1, 83, 3, "+34", "##"),
    country("IT", 1, 79, 4, "+39", "##"),
    country("NL", 1, 84, 5, "+31", "# @@"),
    country("CA", 3, 99, 0, "+1", " #@#"),
    country("AU", 4, 101, 0, "+61", "#"),
    country("PL", 5, 31, 6, "+48", "###"),
    country("SE", 7, 78, 7, "+46", "##"),
    country("DK", 8, 80, 7, "+45", "##"),
    country("CH", 6, 85, 1, "+41", "#"),
    country("JP", 9, 126, 8, "+81", "###"),
    country("MX", 10, 187, 3, "+52", "##"),
    country("BR", 11, 177, 9, "+55", "-###"),
    country("IN", 12, 117, 10, "+91", "##"),
    country("NG", 0, 105, 0, "+234", "###"),
    country("RU", 0, 95, 6, "+7", "###"),
    country("RO", 1, 89, 4, "+40", "###"),
    country("VN", 0, 113, 8, "+84", "###"),
    country("ID", 0, 114, 10, "+62", "##"),
    country("VE", 0, 186, 3, "+58", "##"),
    country("MM", 0, 37, 10, "+95", "##"),
    country("IR", 1, 5, 10, "+98", "###"),
];

pub(crate) const HOME_COUNTRIES: u32 = 17;

const fn city(
    name: &'static str,
    country: u8,
    state: &'static str,
    postal: &'static str,
    latitude: i32,
    longitude: i32,
    utc_offset: i8,
) -> City {
    City { name, country, state, postal, latitude, longitude, utc_offset }
}

/// How many of [`CITIES`] customers live in.
pub(crate) const HOME: u64 = 60;

/// The first [`HOME`] are in home countries; the rest are where account thieves sit, and where some go on holiday.
pub(crate) const CITIES: [City; 68] = [
    city("New York", 0, "NY", "100", 407_128, -740_060, -5),
    city("Los Angeles", 0, "CA", "900", 340_522, -1_182_437, -8),
    city("Chicago", 0, "IL", "606", 418_781, -876_298, -6),
    city("Houston", 0, "TX", "770", 297_604, -953_698, -6),
    city("Austin", 0, "TX", "787", 302_672, -977_431, -6),
    city("Phoenix", 0, "AZ", "850", 334_484, -1_120_740, -7),
    city("Miami", 0, "FL", "331", 257_617, -801_918, -5),
    city("Seattle", 0, "WA", "981", 476_062, -1_223_321, -8),
    city("Denver", 0, "CO", "802", 397_392, -1_049_903, -7),
    city("Atlanta", 0, "GA", "303", 337_490, -843_880, -5),
    city("Boston", 0, "MA", "021", 423_601, -710_589, -5),
    city("Portland", 0, "OR", "972", 455_152, -1_226_784, -8),
    city("London", 1, "ENG", "SW", 515_074, -1278, 0),
    city("Manchester", 1, "ENG", "M", 534_808, -22_426, 0),
    city("Birmingham", 1, "ENG", "B", 524_862, -18_904, 0),
    city("Glasgow", 1, "SCT", "G", 558_642, -42_518, 0),
    city("Bristol", 1, "ENG", "BS", 514_545, -25_879, 0),
    city("Berlin", 2, "BE", "10", 525_200, 134_050, 1),
    city("Hamburg", 2, "HH", "20", 535_511, 99_937, 1),
    city("Munich", 2, "BY", "80", 481_351, 115_820, 1),
    city("Cologne", 2, "NW", "50", 509_375, 69_603, 1),
    city("Frankfurt", 2, "HE", "60", 501_109, 86_821, 1),
    city("Leipzig", 2, "SN", "04", 513_397, 123_731, 1),
    city("Paris", 3, "IDF", "750", 488_566, 23_522, 1),
    city("Lyon", 3, "ARA", "690", 457_640, 48_357, 1),
    city("Marseille", 3, "PAC", "130", 432_965, 53_698, 1),
    city("Toulouse", 3, "OCC", "310", 436_047, 14_442, 1),
    city("Madrid", 4, "MD", "280", 404_168, -37_038, 1),
    city("Barcelona", 4, "CT", "080", 413_851, 21_734, 1),
    city("Valencia", 4, "VC", "460", 394_699, -3763, 1),
    city("Palma", 4, "IB", "070", 395_696, 26_502, 1),
    city("Rome", 5, "RM", "001", 419_028, 124_964, 1),
    city("Milan", 5, "MI", "201", 454_642, 91_900, 1),
    city("Naples", 5, "NA", "801", 408_518, 142_681, 1),
    city("Amsterdam", 6, "NH", "101", 523_676, 49_041, 1),
    city("Rotterdam", 6, "ZH", "301", 519_244, 44_777, 1),
    city("Toronto", 7, "ON", "M5V", 436_532, -793_832, -5),
    city("Vancouver", 7, "BC", "V6B", 492_827, -1_231_207, -8),
    city("Montreal", 7, "QC", "H2Y", 455_017, -735_673, -5),
    city("Calgary", 7, "AB", "T2P", 510_447, -1_140_719, -7),
    city("Sydney", 8, "NSW", "200", -338_688, 1_512_093, 10),
    city("Melbourne", 8, "VIC", "300", -378_136, 1_449_631, 10),
    city("Brisbane", 8, "QLD", "400", -274_698, 1_530_251, 10),
    city("Warsaw", 9, "MZ", "00-", 522_297, 210_122, 1),
    city("Krakow", 9, "MA", "30-", 500_647, 199_450, 1),
    city("Gdansk", 9, "PM", "80-", 543_520, 186_466, 1),
    city("Stockholm", 10, "AB", "111 ", 593_293, 180_686, 1),
    city("Gothenburg", 10, "O", "411 ", 577_089, 119_746, 1),
    city("Copenhagen", 11, "84", "21", 556_761, 125_683, 1),
    city("Zurich", 12, "ZH", "800", 473_769, 85_417, 1),
    city("Geneva", 12, "GE", "120", 462_044, 61_432, 1),
    city("Tokyo", 13, "13", "100-0", 356_762, 1_396_503, 9),
    city("Osaka", 13, "27", "530-0", 346_937, 1_355_023, 9),
    city("Mexico City", 14, "CMX", "060", 194_326, -991_332, -6),
    city("Guadalajara", 14, "JAL", "441", 206_597, -1_033_496, -6),
    city("Cancun", 14, "ROO", "775", 211_619, -868_515, -5),
    city("Sao Paulo", 15, "SP", "01310", -235_505, -466_333, -3),
    city("Rio de Janeiro", 15, "RJ", "20040", -229_068, -431_729, -3),
    city("Mumbai", 16, "MH", "4000", 190_760, 728_777, 5),
    city("Bengaluru", 16, "KA", "5600", 129_716, 775_946, 5),
    city("Lagos", 17, "LA", "100", 65_244, 33_792, 1),
    city("Moscow", 18, "MOW", "101", 557_558, 376_173, 3),
    city("Bucharest", 19, "B", "010", 444_268, 261_025, 2),
    city("Hanoi", 20, "HN", "100", 210_278, 1_058_342, 7),
    city("Jakarta", 21, "JK", "101", -62_088, 1_068_456, 7),
    city("Caracas", 22, "A", "10", 104_806, -669_036, -4),
    city("Yangon", 23, "06", "110", 168_661, 961_951, 6),
    city("Tehran", 24, "23", "113", 356_892, 513_890, 3),
];

/// Where people go on holiday more than elsewhere: indices into [`CITIES`].
pub(crate) const HOLIDAY: [u8; 12] = [6, 25, 28, 30, 31, 50, 51, 55, 57, 62, 63, 64];

/// Index into [`CITIES`], for the country's own.
pub(crate) fn city_of_country(country: u8, bits: u64) -> u8 {
    let of = |c: &City| c.country == country;
    let first = CITIES.iter().position(of).unwrap_or(0);
    let count = CITIES[first..].iter().take_while(|c| of(c)).count().max(1);
    (first as u64 + crate::dice::below(bits, count as u64)) as u8
}

pub(crate) fn place(city: u8) -> &'static City {
    &CITIES[usize::from(city)]
}

impl City {
    pub(crate) fn country(&self) -> &'static Country {
        &COUNTRIES[usize::from(self.country)]
    }

    /// An address of the country's network: the upper half of the address space is the city's, `host` is which.
    pub(crate) fn ip(&self, host: u64) -> u32 {
        u32::from(self.country().network) << 24 | (mix(host, self.latitude as u64) as u32 & 0x00ff_ffff)
    }
}

/// Distance in kilometres, near enough: a flat map, corrected for the latitude between the two.
pub(crate) fn km(from: u8, to: u8) -> f64 {
    let (a, b) = (place(from), place(to));
    let degrees = |a: i32, b: i32| f64::from(a - b) / 10_000.0;
    let mut east = degrees(a.longitude, b.longitude).abs();
    if east > 180.0 {
        east = 360.0 - east;
    }
    let middle = f64::from(a.latitude + b.latitude) / 20_000.0;
    let east = east * libm::cos(middle.to_radians());
    libm::sqrt(east * east + degrees(a.latitude, b.latitude) * degrees(a.latitude, b.latitude)) * 111.2
}

#[cfg(test)]
mod tests;
