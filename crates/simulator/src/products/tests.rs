use super::*;

#[test]
fn shelves_of_a_kind_stand_together() {
    assert!(SHELVES.windows(2).all(|w| w[0].kind <= w[1].kind));
    assert!(SHELVES.iter().all(|s| CATEGORIES[s.kind].name != "fuel"));
}

#[test]
fn taste_moves_the_price_and_stays_on_the_merchants_shelves() {
    let catalogue = Catalogue::new();
    let mut dice = Dice::new(1);
    let mut mean = |taste: i8| {
        let prices = (0..2000).map(|_| {
            let product = catalogue.pick(4, taste, &mut dice).unwrap();
            assert_eq!(product.category(), "electronics");
            f64::from(catalogue.price(product))
        });
        prices.sum::<f64>() / 2000.0
    };
    let (cheap, usual, dear) = (mean(-2), mean(0), mean(2));
    assert!(cheap * 2.0 < usual && usual * 1.5 < dear, "{cheap} {usual} {dear}");
    assert!(catalogue.pick(2, 0, &mut dice).is_none(), "the shop sells no fuel");
}

#[test]
fn prices_change_but_do_not_run_away() {
    let mut catalogue = Catalogue::new();
    let mut dice = Dice::new(2);
    for product in [0, 17, 600, 1199].map(Product) {
        let first = catalogue.price(product);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..300 {
            catalogue.reprice(product, &mut dice);
            let price = catalogue.price(product);
            assert!(price > 0 && price < first * 2 + 200 && price > first / 3, "{price} for {first}");
            seen.insert(price);
        }
        assert!(seen.len() > 1, "{first}");
    }
}

#[test]
fn an_empty_shelf_is_filled() {
    let mut catalogue = Catalogue::new();
    for _ in 0..500 {
        catalogue.sold(Product(3), 7);
        assert!(catalogue.stock(Product(3)) >= 0);
    }
}
