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
mod tests;
