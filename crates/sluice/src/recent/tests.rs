use super::*;

#[test]
fn quantiles_are_right_within_a_bucket_and_forget() {
    let latency = Latency::default();
    let start = latency.began;
    assert_eq!(latency.quantiles_at(start).count, 0);
    for n in 1..=1000u64 {
        latency.observe_at(start + Duration::from_secs(n % 30), Duration::from_micros(n * 10));
    }
    let found = latency.quantiles_at(start + Duration::from_secs(30));
    assert_eq!(found.count, 1000);
    assert!((found.p50_ms / 5.0 - 1.0).abs() < 0.09, "{found:?}");
    assert!((found.p99_ms / 9.9 - 1.0).abs() < 0.09, "{found:?}");
    // Half of it lies more than a minute back, then all.
    let later = latency.quantiles_at(start + Duration::from_secs(75));
    assert!(later.count < 1000 && later.count > 300, "{later:?}");
    assert_eq!(latency.quantiles_at(start + Duration::from_secs(200)).count, 0);
    // Nothing falls out of the scale.
    latency.observe_at(start + Duration::from_secs(300), Duration::ZERO);
    latency.observe_at(start + Duration::from_secs(300), Duration::from_secs(100_000));
    assert_eq!(latency.quantiles_at(start + Duration::from_secs(300)).count, 2);
}
