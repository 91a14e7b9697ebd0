use super::*;

#[test]
fn common_forms_are_read() {
    use DateOrder::{DayFirst, MonthFirst};
    for (text, order, expected) in [
        ("2010-12-01T08:26:00Z", MonthFirst, Some("2010-12-01T08:26:00.000000Z")),
        ("2010-12-01 08:26:00", MonthFirst, Some("2010-12-01T08:26:00.000000Z")),
        (" 2010-12-01 8:26 ", MonthFirst, Some("2010-12-01T08:26:00.000000Z")),
        ("2010-12-01T08:26:00.123456+01:00", MonthFirst, Some("2010-12-01T07:26:00.123456Z")),
        ("2010-12-01 08:26:00 UTC", MonthFirst, Some("2010-12-01T08:26:00.000000Z")),
        ("2010-12-01", MonthFirst, Some("2010-12-01T00:00:00.000000Z")),
        ("2010/12/1", MonthFirst, Some("2010-12-01T00:00:00.000000Z")),
        ("12/1/2010 8:26", MonthFirst, Some("2010-12-01T08:26:00.000000Z")),
        ("12/1/2010 8:26", DayFirst, Some("2010-01-12T08:26:00.000000Z")),
        ("12/1/2010 8:26:59.5", MonthFirst, Some("2010-12-01T08:26:59.500000Z")),
        ("12/1/2010 8:26 PM", MonthFirst, Some("2010-12-01T20:26:00.000000Z")),
        ("12/1/2010 12:05 am", MonthFirst, Some("2010-12-01T00:05:00.000000Z")),
        ("12/1/2010 12:05:10PM", MonthFirst, Some("2010-12-01T12:05:10.000000Z")),
        ("1.12.2010 08:26", MonthFirst, Some("2010-12-01T08:26:00.000000Z")),
        ("31/12/2010", DayFirst, Some("2010-12-31T00:00:00.000000Z")),
        // Never guessed, never bent.
        ("31/12/2010", MonthFirst, None),
        ("12/1/10 8:26", MonthFirst, None),
        ("2/30/2010", MonthFirst, None),
        ("12/1/2010 25:00", MonthFirst, None),
        ("12/1/2010 13:00 PM", MonthFirst, None),
        ("12/1/2010 8", MonthFirst, None),
        ("12/1/2010 8:26 CET", MonthFirst, None),
        ("12/1/2010/5", MonthFirst, None),
        ("1-12-2010", MonthFirst, None),
        ("2010-12-01T08:26:00.1234567", MonthFirst, None),
        ("yesterday", MonthFirst, None),
        ("", MonthFirst, None),
        ("é/1/2010", MonthFirst, None),
        ("12/1/2010 é", MonthFirst, None),
    ] {
        assert_eq!(parse(text, order).map(time::format).as_deref(), expected, "{text}");
    }
}
