use super::*;

#[test]
fn times_are_read_however_an_engine_writes_them() {
    let at: Timestamp = "2026-01-15T12:00:00.5Z".parse().unwrap();
    for text in ["2026-01-15T12:00:00.5Z", "2026-01-15T12:00:00.500", "2026-01-15 12:00:00.5", "2026-01-15 13:00:00.5+01:00"] {
        assert_eq!(parse(text), Some(at), "{text}");
    }
    assert_eq!(parse("yesterday"), None);
}
