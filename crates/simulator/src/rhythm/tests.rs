use super::*;
use domain::time::parse;

fn at(text: &str) -> Micros {
    parse(text).unwrap()
}

#[test]
fn a_year_is_as_busy_as_it_should_be() {
    for year in [2024, 2026] {
        let start = at(&format!("{year}-01-01T00:00:00Z"));
        let mean = (0..365 * 24).map(|hour| world(start + hour * HOUR)).sum::<f64>() / (365.0 * 24.0);
        assert!((mean - 1.0).abs() < 0.02, "{mean} in {year}");
    }
}

#[test]
fn the_calendar_is_right() {
    assert_eq!(weekday(at("2026-01-01T00:00:00Z") / DAY), 3);
    for (text, expected) in [
        ("2026-11-26T23:00:00Z", false),
        ("2026-11-27T00:00:00Z", true),
        ("2026-11-30T23:00:00Z", true),
        ("2026-12-01T00:00:00Z", false),
        ("2024-11-29T10:00:00Z", true),
        ("2024-12-02T10:00:00Z", true),
        ("2024-11-22T10:00:00Z", false),
    ] {
        assert_eq!(black_friday(at(text)), expected, "{text}");
    }
    assert!(gift_season(at("2026-12-20T00:00:00Z")) && !gift_season(at("2026-12-27T00:00:00Z")));
    assert!(holiday_season(at("2026-08-01T00:00:00Z")) && !holiday_season(at("2026-09-01T00:00:00Z")));
}

#[test]
fn people_sleep_at_their_own_night() {
    let places = &CITIES;
    let (new_york, tokyo) = (&places[0], &places[51]);
    let noon = at("2026-03-03T12:00:00Z");
    assert_eq!((new_york.hour(noon), tokyo.hour(noon)), (7, 21));
    assert!(tokyo.awake(noon + 6 * HOUR) < 0.1 && new_york.awake(noon + 6 * HOUR) > 0.8);
}
