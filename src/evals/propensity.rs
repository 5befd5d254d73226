//! What a policy would have reached, from traffic that another one steered: every observation is weighed by the known
//! probability with which it came to be seen. Pure; knows neither ledger nor policies. A row that could not have been
//! seen at all (probability 0) is left out and counted, since nothing can be said of it.

use super::statistics::Estimate;

/// The normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// One logged request, as the policy that is judged would have sent it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// What the judged policy's choice was worth, where it was seen.
    pub seen: Option<f64>,
    /// The probability with which it was to be seen, in `[0, 1]`.
    pub probability: f64,
    /// What a model that did not see this row expects it to be worth.
    pub expected: f64,
}

/// The estimates of one policy's worth, each with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OffPolicy {
    /// Inverse propensity: unbiased, wide (Horvitz and Thompson, JASA 1952).
    pub inverse: Estimate,
    /// The same divided by the sum of weights: narrower, biased by order 1/n (Hajek 1971; Swaminathan and Joachims,
    /// "The Self-Normalized Estimator for Counterfactual Learning", 2015). `None` where nothing was seen.
    pub normalised: Option<Estimate>,
    /// Doubly robust: the model's expectation, mended by what was seen of its errors; unbiased whatever the model says
    /// (Dudik, Langford and Li, "Doubly Robust Policy Evaluation and Learning", 2011).
    pub doubly_robust: Estimate,
    /// The mean of what happened to be seen, which is biased wherever seeing depends on the request.
    pub naive: Option<f64>,
    /// Rows that were seen.
    pub seen: usize,
    /// Rows that could not have been seen, which no estimate speaks of.
    pub uncovered: usize,
}

/// Judges a policy. Intervals come from the influence function: the mean's standard error of each row's contribution
/// (van der Vaart, "Asymptotic Statistics", 1998, chapter 25). `None` where no row could have been seen.
pub fn off_policy(rows: &[Observation]) -> Option<OffPolicy> {
    let covered: Vec<&Observation> = rows.iter().filter(|row| row.probability > 0.0).collect();
    let uncovered = rows.len() - covered.len();
    let weighed = |row: &Observation, of: f64| row.seen.map_or(0.0, |seen| (seen - of) / row.probability);
    let inverse = mean(&covered.iter().map(|row| weighed(row, 0.0)).collect::<Vec<_>>())?;
    let doubly_robust =
        mean(&covered.iter().map(|row| row.expected + weighed(row, row.expected)).collect::<Vec<_>>())?;
    let seen: Vec<f64> = covered.iter().filter_map(|row| row.seen).collect();
    let naive = (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64);
    let weights: f64 = covered.iter().filter(|row| row.seen.is_some()).map(|row| 1.0 / row.probability).sum();
    let n = covered.len() as f64;
    let normalised = (weights > 0.0).then(|| {
        let value = inverse.mean * n / weights;
        let influence: Vec<f64> = covered.iter().map(|row| weighed(row, value) * n / weights).collect();
        let half = mean(&influence).map_or(0.0, |estimate| (estimate.hi - estimate.lo) / 2.0);
        Estimate { mean: value, lo: value - half, hi: value + half, n: covered.len() }
    });
    Some(OffPolicy { inverse, normalised, doubly_robust, naive, seen: seen.len(), uncovered })
}

/// How much better `one` does than `other`, doubly robust, on the rows that both could have been seen on. Rows stand in the
/// same order. `None` without such rows.
pub(super) fn off_policy_difference(one: &[Observation], other: &[Observation]) -> Option<Estimate> {
    let robust = |row: &Observation| {
        row.expected + row.seen.map_or(0.0, |seen| (seen - row.expected) / row.probability)
    };
    let pairs = one.iter().zip(other).filter(|(a, b)| a.probability > 0.0 && b.probability > 0.0);
    mean(&pairs.map(|(a, b)| robust(a) - robust(b)).collect::<Vec<_>>())
}

/// The mean with the interval of the normal approximation. One row alone has no spread: its interval is infinite.
pub(super) fn mean(values: &[f64]) -> Option<Estimate> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let half = match n {
        1 => f64::INFINITY,
        _ => Z * (squares / (n - 1) as f64 / n as f64).sqrt(),
    };
    Some(Estimate { mean, lo: mean - half, hi: mean + half, n })
}

/// What a model expects of each row: the mean of what was seen of rows in the same bin of `score`, drawn towards the mean
/// of all by `PRIOR` rows. Rows are parted in two by place, and each half is expected from the other (cross-fitting,
/// Chernozhukov et al., "Double/debiased machine learning", 2018), so that no row vouches for itself.
pub fn expect(scores: &[Option<f32>], seen: &[Option<f64>], bins: usize) -> Vec<f64> {
    const PRIOR: f64 = 5.0;
    let bin = |score: Option<f32>| match score {
        Some(score) => ((f64::from(score) * bins as f64) as usize).min(bins.saturating_sub(1)),
        None => bins,
    };
    let mut halves = [vec![(0.0, 0.0); bins + 1], vec![(0.0, 0.0); bins + 1]];
    for (place, (score, seen)) in scores.iter().zip(seen).enumerate() {
        if let Some(seen) = seen {
            let (sum, count) = &mut halves[place % 2][bin(*score)];
            *sum += seen;
            *count += 1.0;
        }
    }
    let overall = halves.each_ref().map(|half| {
        let (sum, count) = half.iter().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        if count > 0.0 { sum / count } else { 0.5 }
    });
    let expected = scores.iter().enumerate().map(|(place, score)| {
        let other = 1 - place % 2;
        let (sum, count) = halves[other][bin(*score)];
        (sum + PRIOR * overall[other]) / (count + PRIOR)
    });
    expected.collect()
}

#[cfg(test)]
mod tests {
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
            sums[3] += judged.naive.unwrap();
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
        let rows =
            [row(Some(1.0), 0.5), row(None, 0.5), row(Some(0.0), 0.25), row(None, 0.25), row(None, 0.0)];
        let judged = off_policy(&rows).unwrap();
        assert_eq!((judged.seen, judged.uncovered, judged.naive), (2, 1, Some(0.5)));
        assert_eq!((judged.inverse.mean, judged.inverse.n), (0.5, 4));
        // Weights 2 and 4.
        assert!((judged.normalised.unwrap().mean - 2.0 / 6.0).abs() < 1e-12);
        // 0.5 everywhere, + 0.5 / 0.5 and - 0.5 / 0.25 over four rows.
        assert!((judged.doubly_robust.mean - (0.5 + (1.0 - 2.0) / 4.0)).abs() < 1e-12);
        assert_eq!(off_policy(&[row(None, 0.0)]), None);
        let unseen = off_policy(&[row(None, 0.5), row(None, 0.5)]).unwrap();
        assert_eq!((unseen.normalised, unseen.naive, unseen.doubly_robust.mean), (None, None, 0.5));
        assert!(off_policy(&[row(Some(1.0), 1.0)]).unwrap().inverse.hi.is_infinite());
    }

    #[test]
    fn a_row_does_not_vouch_for_itself() {
        let seen = [Some(1.0), Some(0.0), None, None];
        let expected = expect(&[Some(0.9); 4], &seen, 20);
        assert_eq!(expected[0], expected[2], "both are expected from the other half");
        assert!(expected[0] < 0.1 && expected[1] > 0.9, "{expected:?}");
    }
}
