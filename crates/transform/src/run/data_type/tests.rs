use super::*;

#[test]
fn names_of_the_same_type_are_the_same() {
    for (a, b, alike) in [
        ("varchar(50)", "text", true),
        ("INT", "integer", true),
        ("numeric(12, 2)", "decimal(12,2)", true),
        ("numeric", "numeric(38,2)", true),
        ("numeric(10,2)", "numeric(12,2)", false),
        ("timestamp(6) with time zone", "timestamptz", true),
        ("timestamp", "timestamptz", false),
        ("bigint", "integer", false),
        ("float", "double", true),
    ] {
        assert_eq!(same(a, b), alike, "{a} and {b}");
    }
}
