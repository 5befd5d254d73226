//! Means with 95 % intervals, paired differences and the average performance gap recovered.
//! Every random draw is seeded: the same rows give the same report. Formulas are named with their sources.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;
/// Resamples of a bootstrap.
const RESAMPLES: usize = 2_000;
/// One seed for every bootstrap.
const SEED: u64 = 0x0c05_50fe;

/// A mean with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval.
    pub lo: f64,
    /// Upper end of the interval.
    pub hi: f64,
    /// How many values it is of.
    pub n: usize,
}

/// The mean of scores in `[0, 1]`: Wilson's interval where every score is 0 or 1, else the bootstrap's.
/// `None` without values.
pub fn mean_estimate(values: &[f64]) -> Option<Estimate> {
    if values.iter().all(|value| *value == 0.0 || *value == 1.0) {
        wilson(values.iter().filter(|value| **value == 1.0).count(), values.len())
    } else {
        bootstrap_mean(values.len(), |_, row| values[row])
    }
}

/// A rate with Wilson's score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical
/// inference", JASA 1927): the centre is `(p + z^2/2n) / (1 + z^2/n)`, the half width
/// `z / (1 + z^2/n) * sqrt(p(1-p)/n + z^2/4n^2)`. `None` for no trials.
pub fn wilson(successes: usize, n: usize) -> Option<Estimate> {
    if n == 0 {
        return None;
    }
    let (p, count) = (successes as f64 / n as f64, n as f64);
    let shrink = 1.0 + Z * Z / count;
    let centre = (p + Z * Z / (2.0 * count)) / shrink;
    let half = Z / shrink * (p * (1.0 - p) / count + Z * Z / (4.0 * count * count)).sqrt();
    Some(Estimate { mean: p, lo: (centre - half).max(0.0), hi: (centre + half).min(1.0), n })
}

/// The mean of `n` values with the percentile bootstrap's interval (Efron and Tibshirani, "An Introduction to the
/// Bootstrap", 1993, section 13.3), for values that may themselves be drawn at random: `value` is given the generator
/// and a row. The reported mean is that of one draw per row; callers with random values replace it by its expectation.
/// `None` without values.
pub fn bootstrap_mean(n: usize, value: impl FnMut(&mut ChaCha8Rng, usize) -> f64) -> Option<Estimate> {
    resampled(n, RESAMPLES, SEED, value)
}

fn resampled(
    n: usize,
    resamples: usize,
    seed: u64,
    mut value: impl FnMut(&mut ChaCha8Rng, usize) -> f64,
) -> Option<Estimate> {
    if n == 0 {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mean = (0..n).map(|row| value(&mut rng, row)).sum::<f64>() / n as f64;
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| {
            let sum: f64 = (0..n)
                .map(|_| {
                    let row = rng.random_range(0..n);
                    value(&mut rng, row)
                })
                .sum();
            sum / n as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some(Estimate { mean, lo: quantile(&means, 0.025)?, hi: quantile(&means, 0.975)?, n })
}

/// The mean of `a - b` over rows that both have, with the bootstrap's interval: the same resample draws both.
/// `None` without rows, or when the lengths differ.
pub fn paired_difference(a: &[f64], b: &[f64]) -> Option<Estimate> {
    if a.len() != b.len() {
        return None;
    }
    bootstrap_mean(a.len(), |_, row| a[row] - b[row])
}

/// The `q`-quantile of sorted values, interpolated linearly between neighbours. `None` without values.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

/// Average performance gap recovered (Ong et al., "RouteLLM: Learning to Route LLMs with Preference Data", 2024,
/// section 3.1). With local scores `l` and remote scores `r`, a router that sends the share `c` of rows out has
/// `PGR(c) = (quality(c) - mean(l)) / (mean(r) - mean(l))`, and APGR is its average over `c` from 0 to 1.
///
/// The rows with the lowest `keep_local` go out first. Where the paper averages ten shares, this is the exact area by
/// trapezoids over all of them; rows that tie go out together in any order, which in expectation is the straight line
/// between the ends of the tie. Equal ranks everywhere, a random router, give 0.5.
///
/// `None` without rows, with lengths that differ, with ranks that are not numbers, or where the remote tier is not
/// better: there is no gap to recover.
pub fn apgr(local: &[f64], remote: &[f64], keep_local: &[f64]) -> Option<f64> {
    let n = local.len();
    if n == 0 || remote.len() != n || keep_local.len() != n || keep_local.iter().any(|rank| rank.is_nan()) {
        return None;
    }
    let gap: f64 = remote.iter().sum::<f64>() - local.iter().sum::<f64>();
    if gap <= 1e-9 {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| keep_local[*a].total_cmp(&keep_local[*b]));
    let (mut area, mut recovered) = (0.0, 0.0);
    for tie in order.chunk_by(|a, b| keep_local[*a] == keep_local[*b]) {
        let before = recovered;
        recovered += tie.iter().map(|row| remote[*row] - local[*row]).sum::<f64>() / gap;
        area += (before + recovered) / 2.0 * tie.len() as f64 / n as f64;
    }
    Some(area)
}

#[cfg(test)]
mod tests {
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
        close(
            apgr(&[0.0, 1.0, 0.0], &[1.0, 0.0, 1.0], &[0.1, 0.9, 0.2]).unwrap(),
            0.5 / 3.0 + 1.5 / 3.0 * 2.0,
        );
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
}
