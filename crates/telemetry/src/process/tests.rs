use super::*;

#[test]
fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
    let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 500 0 0 0 150 50 0 0 20 0 7 0 1000 1000000 300 18446744073709551615";
    let status = "Name:\ta\nVmPeak:\t  900 kB\nVmRSS:\t     123 kB\nThreads:\t7\n";
    assert_eq!(usage(stat, status), Some(Usage { cpu_seconds: 2.0, resident_bytes: 123 * 1024, threads: 7 }));
    assert_eq!(usage("garbage", status), None);
    assert_eq!(usage(stat, "Name:\ta\n"), None);
}
