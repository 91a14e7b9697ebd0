use super::*;

#[test]
fn types_are_told_from_values() {
    for (values, of) in [
        (&["1", "-2"][..], "bigint"),
        (&["007"], "text"),
        (&["1.5", "2", "1e3"], "double precision"),
        (&["nan", "inf"], "text"),
        (&["true", "False"], "boolean"),
        (&["2026-01-02"], "date"),
        (&["2026-01-02 03:04:05", "2026-01-02T03:04:05.5"], "timestamp"),
        (&["2026-13-02"], "text"),
        (&["a", "1"], "text"),
        (&[], "text"),
        (&["0", "0.5"], "double precision"),
        (&["0"], "bigint"),
    ] {
        assert_eq!(told(values.iter().copied()), of, "{values:?}");
    }
}
