use super::*;

#[test]
fn customers_differ_as_people_do() {
    let customers: Vec<Customer> = (0..4000).map(|n| Customer::new(9, n)).collect();
    let share = |of: &dyn Fn(&Customer) -> bool| customers.iter().filter(|c| of(c)).count() as f64 / 4000.0;
    assert!((0.02..0.06).contains(&share(&|c| c.business())));
    assert!((0.02..0.06).contains(&share(&|c| c.dormant())));
    assert!((0.04..0.08).contains(&share(&|c| c.vpn())));
    assert!((0.4..0.6).contains(&share(&|c| c.spending() > 1.0)));
    // Three in ten share an address with the others of their household.
    let shared = customers.chunks(4).filter(|h| h.iter().all(|c| c.first_home() == h[0].first_home())).count();
    assert!((250..350).contains(&shared), "{shared}");
}

#[test]
fn devices_are_few_and_a_new_phone_replaces_the_old() {
    let customer = Customer::new(9, 77);
    let devices = |phones: u8| (0..200u64).map(|n| customer.device(phones, mix(n, 1))).collect::<std::collections::BTreeSet<u64>>();
    let (before, after) = (devices(0), devices(1));
    assert!((2..=3).contains(&before.len()), "{before:?}");
    assert_eq!(before.symmetric_difference(&after).count(), 2);
}

#[test]
fn most_are_at_home_and_nobody_comes_back_at_once() {
    let start = 1_767_225_600_000_000;
    let mut away = 0;
    for number in 0..2000 {
        let customer = Customer::new(9, number);
        let home = customer.first_home().city;
        let here = customer.whereabouts(home, start + i64::from(number) * HOUR);
        away += u32::from(here.city != home);
    }
    assert!((20..120).contains(&away), "{away} of 2000");
}

#[test]
fn two_accounts_of_one_customer_share_the_name() {
    let pairs = (0..4000).step_by(2).filter(|n| {
        let (one, other) = (Account::new(9, *n), Account::new(9, n + 1));
        one.customer.number == other.customer.number && one.card(0) != other.card(0)
    });
    let count = pairs.count();
    assert!((200..300).contains(&count), "{count} of 2000");
}
