//! Estimates where the truth is known: by hand, and simulated over many draws.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Traffic in which what is seen depends on what it is worth: easy requests (high score) are mostly kept local by
/// the logging policy and answered well there, hard ones mostly are not. Judged is: everything local.
fn traffic(rng: &mut ChaCha8Rng, n: usize) -> (Vec<Observation>, f64) {
    let mut scores = vec![];
    let mut seen = vec![];
    let mut probabilities = vec![];
    for _ in 0..n {
        let score: f64 = rng.random();
        let worth = f64::from(u8::from(rng.random::<f64>() < score));
        let probability = if score > 0.5 { 0.9 } else { 0.1 };
        scores.push(Some(score as f32));
        seen.push((rng.random::<f64>() < probability).then_some(worth));
        probabilities.push(probability);
    }
    let expected = expect(&scores, &seen, 20);
    let rows = (0..n).map(|at| Observation {
        seen: seen[at],
        probability: probabilities[at],
        expected: expected[at],
    });
    (rows.collect(), 0.5)
}

#[test]
fn estimates_are_unbiased_where_the_naive_mean_is_not_and_intervals_hold() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    const RUNS: usize = 400;
    let mut sums = [0.0; 4];
    let mut held = [0; 3];
    for _ in 0..RUNS {
        let (rows, truth) = traffic(&mut rng, 400);
        let judged = off_policy(&rows).unwrap();
        let all = [judged.inverse, judged.normalised.unwrap(), judged.doubly_robust];
        for (at, estimate) in all.iter().enumerate() {
            sums[at] += estimate.mean;
            held[at] += usize::from((estimate.lo..=estimate.hi).contains(&truth));
        }
        let seen: Vec<f64> = rows.iter().filter_map(|row| row.seen).collect();
        sums[3] += seen.iter().sum::<f64>() / seen.len() as f64;
        assert_eq!(judged.uncovered, 0);
    }
    let [inverse, normalised, robust, naive] = sums.map(|sum| sum / RUNS as f64);
    // The standard error of each mean over the runs is below 0.004.
    for (name, mean) in [("inverse", inverse), ("normalised", normalised), ("doubly robust", robust)] {
        assert!((mean - 0.5).abs() < 0.012, "{name}: {mean}");
    }
    assert!((naive - 0.7).abs() < 0.01, "the naive mean is {naive}, where 0.5 is true");
    for (at, held) in held.into_iter().enumerate() {
        let share = held as f64 / RUNS as f64;
        assert!((0.91..=0.985).contains(&share), "estimate {at}: intervals held in {share} of the runs");
    }
}

#[test]
fn knowing_something_narrows_the_interval_of_a_small_sample() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let seen: Vec<Option<f64>> = (0..4_000)
        .map(|_| (rng.random::<f64>() < 0.05).then(|| f64::from(u8::from(rng.random::<f64>() < 0.9))))
        .collect();
    let expected = expect(&vec![Some(0.9); seen.len()], &seen, 20);
    let rows = seen.iter().zip(expected);
    let rows: Vec<Observation> =
        rows.map(|(seen, expected)| Observation { seen: *seen, probability: 0.05, expected }).collect();
    let judged = off_policy(&rows).unwrap();
    let width = |estimate: Estimate| estimate.hi - estimate.lo;
    assert!(width(judged.doubly_robust) < width(judged.inverse) / 2.0, "{judged:?}");
    assert!((judged.doubly_robust.mean - 0.9).abs() < 0.06, "{judged:?}");
}

#[test]
fn a_wrong_model_does_not_bias_the_doubly_robust_estimate() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut sum = 0.0;
    for _ in 0..400 {
        let (mut rows, _) = traffic(&mut rng, 400);
        rows.iter_mut().for_each(|row| row.expected = 0.9);
        sum += off_policy(&rows).unwrap().doubly_robust.mean;
    }
    assert!((sum / 400.0 - 0.5).abs() < 0.015, "{}", sum / 400.0);
}

#[test]
fn by_hand() {
    let row = |seen, probability| Observation { seen, probability, expected: 0.5 };
    let rows = [row(Some(1.0), 0.5), row(None, 0.5), row(Some(0.0), 0.25), row(None, 0.25), row(None, 0.0)];
    let judged = off_policy(&rows).unwrap();
    assert_eq!((judged.seen, judged.uncovered), (2, 1));
    assert_eq!((judged.inverse.mean, judged.inverse.n), (0.5, 4));
    // Weights 2 and 4.
    assert!((judged.normalised.unwrap().mean - 2.0 / 6.0).abs() < 1e-12);
    // 0.5 everywhere, + 0.5 / 0.5 and - 0.5 / 0.25 over four rows.
    assert!((judged.doubly_robust.mean - (0.5 + (1.0 - 2.0) / 4.0)).abs() < 1e-12);
    assert_eq!(off_policy(&[row(None, 0.0)]), None);
    let unseen = off_policy(&[row(None, 0.5), row(None, 0.5)]).unwrap();
    assert_eq!((unseen.normalised, unseen.doubly_robust.mean), (None, 0.5));
    assert!(off_policy(&[row(Some(1.0), 1.0)]).unwrap().inverse.hi.is_infinite());
}

#[test]
fn a_row_does_not_vouch_for_itself() {
    let seen = [Some(1.0), Some(0.0), None, None];
    let expected = expect(&[Some(0.9); 4], &seen, 20);
    assert_eq!(expected[0], expected[2], "both are expected from the other half");
    assert!(expected[0] < 0.1 && expected[1] > 0.9, "{expected:?}");
}
