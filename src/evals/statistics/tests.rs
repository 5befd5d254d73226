//! Intervals, quantiles and APGR against values worked out by hand; coverage by simulation.

use super::*;

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
}

#[test]
fn wilson_agrees_with_hand_computed_values() {
    // p = 0.8, n = 10: centre 0.8 + 1.96^2/20 over 1 + 1.96^2/10.
    let it = wilson(8, 10).unwrap();
    close(it.lo, 0.490_162_47);
    close(it.hi, 0.943_317_81);
    // No failure in n: the lower end is n / (n + z^2).
    let it = wilson(60, 60).unwrap();
    close(it.lo, 60.0 / (60.0 + Z * Z));
    close(it.hi, 1.0);
    close(wilson(0, 60).unwrap().hi, Z * Z / (60.0 + Z * Z));
    assert_eq!(wilson(0, 0), None);
}

#[test]
fn quantiles_interpolate() {
    close(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5).unwrap(), 2.5);
    close(quantile(&[1.0, 2.0, 3.0, 4.0], 0.95).unwrap(), 3.85);
    close(quantile(&[7.0], 0.95).unwrap(), 7.0);
    assert_eq!(quantile(&[], 0.5), None);
}

#[test]
fn the_bootstrap_is_near_the_normal_interval_and_repeatable() {
    let values: Vec<f64> = (0..100).map(|row| f64::from(row % 11) / 10.0).collect();
    let it = mean_estimate(&values).unwrap();
    assert_eq!(it, mean_estimate(&values).unwrap());
    let mean = values.iter().sum::<f64>() / 100.0;
    let spread = (values.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 100.0).sqrt();
    close(it.mean, mean);
    assert!((it.lo - (mean - Z * spread / 10.0)).abs() < 0.006, "{it:?}");
    assert!((it.hi - (mean + Z * spread / 10.0)).abs() < 0.006, "{it:?}");
}

#[test]
fn a_paired_difference_is_narrower_than_two_means() {
    let a: Vec<f64> = (0..80).map(|row| f64::from(u8::from(row % 2 == 0))).collect();
    let mut b = a.clone();
    b[0] = 0.0;
    b[2] = 0.0;
    let it = paired_difference(&a, &b).unwrap();
    close(it.mean, 2.0 / 80.0);
    assert!(it.lo >= 0.0 && it.hi < 0.08, "{it:?}");
    assert_eq!(paired_difference(&a, &b[1..]), None);
}

#[test]
fn apgr_agrees_with_hand_computed_values() {
    let (local, remote) = ([0.0, 1.0], [1.0, 1.0]);
    // The row that gains goes out first: 0, 1, 1 at shares 0, 1/2, 1.
    close(apgr(&local, &remote, &[0.1, 0.9]).unwrap(), 0.75);
    close(apgr(&local, &remote, &[0.9, 0.1]).unwrap(), 0.25);
    close(apgr(&local, &remote, &[0.5, 0.5]).unwrap(), 0.5);
    // A row that the remote spoils lifts the curve above 1 before it ends there.
    close(apgr(&[0.0, 1.0, 0.0], &[1.0, 0.0, 1.0], &[0.1, 0.9, 0.2]).unwrap(), 0.5 / 3.0 + 1.5 / 3.0 * 2.0);
}

#[test]
fn apgr_of_a_perfect_and_of_a_random_ranking() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let local: Vec<f64> = (0..1_000).map(|_| f64::from(u8::from(rng.random_bool(0.6)))).collect();
    let remote = vec![1.0; 1_000];
    let share_wrong = 1.0 - local.iter().sum::<f64>() / 1_000.0;
    // Perfect: rises to 1 over the wrong rows, then stays.
    close(apgr(&local, &remote, &local).unwrap(), 1.0 - share_wrong / 2.0);
    let random: Vec<f64> = (0..1_000).map(|_| rng.random_range(0.0..1.0)).collect();
    assert!((apgr(&local, &remote, &random).unwrap() - 0.5).abs() < 0.04);
}

#[test]
fn apgr_is_unknown_without_a_gap_or_with_broken_ranks() {
    assert_eq!(apgr(&[1.0], &[1.0], &[0.5]), None);
    assert_eq!(apgr(&[1.0, 0.0], &[0.0, 0.0], &[0.5, 0.4]), None);
    assert_eq!(apgr(&[0.0], &[1.0], &[f64::NAN]), None);
    assert_eq!(apgr(&[], &[], &[]), None);
}

/// Intervals must hold the truth as often as they say, within what 400 trials can show
/// (0.95 +- 3 * sqrt(0.95 * 0.05 / 400) is 0.917 to 0.983).
#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut wilson_holds, mut bootstrap_holds) = (0, 0);
    for trial in 0..400 {
        let successes = (0..60).filter(|_| rng.random_bool(0.85)).count();
        let it = wilson(successes, 60).unwrap();
        wilson_holds += usize::from(it.lo <= 0.85 && 0.85 <= it.hi);
        // Squares of uniform draws: skewed, with mean 1/3.
        let values: Vec<f64> = (0..80).map(|_| rng.random_range(0.0..1.0_f64).powi(2)).collect();
        let it = resampled(80, 300, trial, |_, row| values[row]).unwrap();
        bootstrap_holds += usize::from(it.lo <= 1.0 / 3.0 && 1.0 / 3.0 <= it.hi);
    }
    assert!((367..=393).contains(&wilson_holds), "{wilson_holds} of 400");
    // The percentile bootstrap is known to be a little narrow on small skewed samples.
    assert!((363..=393).contains(&bootstrap_holds), "{bootstrap_holds} of 400");
}
