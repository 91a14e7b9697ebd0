use super::*;

#[test]
fn the_table_is_in_order() {
    assert!(CITIES.windows(2).all(|w| w[0].country <= w[1].country), "the cities of a country stand together");
    for (place, city) in CITIES.iter().enumerate() {
        let home = u32::from(city.country) < HOME_COUNTRIES;
        assert_eq!(home, (place as u64) < HOME, "{}", city.name);
        assert!(city.latitude.abs() < 900_000 && city.longitude.abs() < 1_800_000);
    }
    let networks: std::collections::BTreeSet<u8> = COUNTRIES.iter().map(|c| c.network).collect();
    assert_eq!(networks.len(), COUNTRIES.len(), "each country has its own network");
}

#[test]
fn every_country_has_a_city() {
    for country in 0..COUNTRIES.len() as u8 {
        for bits in [0, u64::MAX / 2, u64::MAX] {
            assert_eq!(place(city_of_country(country, bits)).country, country);
        }
    }
}

#[test]
fn distances_are_near_enough() {
    let find = |name: &str| CITIES.iter().position(|c| c.name == name).unwrap() as u8;
    for (from, to, expected) in [("Berlin", "Munich", 504.0), ("New York", "London", 5570.0), ("Tokyo", "Seattle", 7700.0)] {
        let found = km(find(from), find(to));
        assert!((found / expected - 1.0).abs() < 0.35, "{from} {to}: {found}");
    }
}
