use super::*;

#[test]
fn a_saved_generator_goes_on_where_it_was() {
    let mut dice = Dice::new(7);
    for _ in 0..37 {
        dice.bits();
    }
    let saved = serde_json::to_vec(&dice).unwrap();
    let mut again: Dice = serde_json::from_slice(&saved).unwrap();
    let (a, b): (Vec<u64>, Vec<u64>) = (0..100).map(|_| (dice.bits(), again.bits())).unzip();
    assert_eq!(a, b);
}

#[test]
fn distributions_have_their_moments() {
    let mut dice = Dice::new(3);
    let n = 200_000;
    let mean = |f: &mut dyn FnMut() -> f64| (0..n).map(|_| f()).sum::<f64>() / f64::from(n);
    assert!((mean(&mut || dice.unit()) - 0.5).abs() < 0.005);
    assert!((mean(&mut || dice.exponential(4.0)) - 4.0).abs() < 0.06);
    assert!((mean(&mut || libm::log(dice.log_normal(10.0, 0.5))) - libm::log(10.0)).abs() < 0.006);
    assert!((mean(&mut || dice.between(-3, 3) as f64)).abs() < 0.03);
    assert!((mean(&mut || unit(mix(1, dice.below(1 << 40)))) - 0.5).abs() < 0.005);
}

#[test]
fn other_seeds_give_other_numbers() {
    let first: Vec<u64> = (0..64).map(|seed| Dice::new(seed).bits()).collect();
    let mut unique = first.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), first.len());
}
