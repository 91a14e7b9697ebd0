//! When people pay: the hours of the day where they are, the days of the week, and the seasons with Black Friday, December and
//! paydays. Each factor is 1 on average, so that a world keeps its rate over a year.

use crate::places::{CITIES, City, HOME};
use domain::Micros;
use domain::time::{DAY, HOUR, civil};
use std::sync::LazyLock;

/// How awake a city is at each local hour, 1 at its busiest.
const HOURS: [f64; 24] = [
    0.14, 0.08, 0.05, 0.04, 0.04, 0.07, 0.16, 0.34, 0.52, 0.66, 0.76, 0.84, 0.92, 0.88, 0.82, 0.82, 0.86, 0.94, 1.0, 0.98, 0.88, 0.70,
    0.46, 0.26,
];

/// Monday first.
const WEEKDAYS: [f64; 7] = [0.93, 0.92, 0.95, 1.00, 1.12, 1.15, 0.93];

/// January first.
const MONTHS: [f64; 12] = [0.85, 0.87, 0.93, 0.94, 0.97, 0.97, 0.96, 0.94, 0.96, 1.00, 1.06, 1.36];

/// By hour of UTC, how much busier than on average all home cities together are.
static WORLD: LazyLock<[f64; 24]> = LazyLock::new(|| {
    let homes = &CITIES[..HOME as usize];
    let mean = HOURS.iter().sum::<f64>() / 24.0;
    std::array::from_fn(|hour| {
        let all: f64 = homes.iter().map(|c| HOURS[(hour as i64 + i64::from(c.utc_offset)).rem_euclid(24) as usize]).sum();
        all / (homes.len() as f64 * mean)
    })
});

impl City {
    /// The hour of the day here, 0 to 23.
    pub(crate) fn hour(&self, at: Micros) -> usize {
        (at.div_euclid(HOUR) + i64::from(self.utc_offset)).rem_euclid(24) as usize
    }

    /// How awake the city is at a moment, 0 to 1.
    pub(crate) fn awake(&self, at: Micros) -> f64 {
        HOURS[self.hour(at)]
    }
}

/// How much busier than on average the world is at a moment: 1 over a whole year.
pub(crate) fn world(at: Micros) -> f64 {
    WORLD[at.div_euclid(HOUR).rem_euclid(24) as usize] * day(at)
}

fn day(at: Micros) -> f64 {
    let days = at.div_euclid(DAY);
    let (_, month, day) = civil(days);
    let payday = if day <= 2 || (25..=28).contains(&day) { 1.16 } else { 0.96 };
    let sale = if black_friday(at) { 1.8 } else { 1.0 };
    WEEKDAYS[weekday(days)] * MONTHS[(month - 1) as usize] * payday * sale
}

/// 0 is Monday. The first day of 1970 was a Thursday.
pub(crate) fn weekday(days: i64) -> usize {
    (days + 3).rem_euclid(7) as usize
}

/// From Black Friday, the day after the fourth Thursday of November, to the Monday behind it.
pub(crate) fn black_friday(at: Micros) -> bool {
    let days = at.div_euclid(DAY);
    let since_friday = (weekday(days) as i64 + 3) % 7;
    let (_, month, friday) = civil(days - since_friday);
    since_friday <= 3 && month == 11 && (23..=29).contains(&friday)
}

/// Weeks before Christmas, when people buy for others.
pub(crate) fn gift_season(at: Micros) -> bool {
    let (_, month, day) = civil(at.div_euclid(DAY));
    (month == 12 && day <= 24) || black_friday(at)
}

/// Months in which more people are away than in others.
pub(crate) fn holiday_season(at: Micros) -> bool {
    let (_, month, day) = civil(at.div_euclid(DAY));
    matches!(month, 7 | 8) || (month == 12 && day > 20) || (month == 1 && day < 4)
}

#[cfg(test)]
mod tests;
