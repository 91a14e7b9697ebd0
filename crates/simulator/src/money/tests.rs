use super::*;

#[test]
fn an_exchange_is_rounded_half_up() {
    let (usd, eur, jpy) = (Currency(0), Currency(1), Currency(9));
    assert_eq!((usd.code(), eur.code(), jpy.code()), ("USD", "EUR", "JPY"));
    assert_eq!(eur.to_base(10_000), 10_835);
    // 0.50 x 1.0835 = 0.54175, 0.30 x 1.0835 = 0.32505.
    assert_eq!((eur.to_base(50), eur.to_base(30)), (54, 33));
    assert_eq!(usd.exchange(eur, 10_835), 10_000);
    // 1.00 / 1.0835 = 0.92294.
    assert_eq!(usd.exchange(eur, 100), 92);
    assert_eq!(eur.exchange(eur, 77), 77);
    assert_eq!(jpy.exchange(usd, 100_000), 670);
}

#[test]
fn what_is_paid_for_a_price_is_never_more_than_it_and_hardly_less() {
    for currency in (0..CURRENCIES as u8).map(Currency) {
        for base in [1, 99, 100, 12_345, 999_999, 100_000_007] {
            let paid = currency.to_base(currency.below(base));
            assert!((0..=1).contains(&(base - paid)), "{base} by {}: {paid}", currency.code());
        }
    }
}
