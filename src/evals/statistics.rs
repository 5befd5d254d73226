//! Means with 95 % intervals, paired differences and tests, rankings and their curves.
//! Every random draw is seeded: the same rows give the same report. Formulas are named with their sources, and checked
//! against scipy and statsmodels (`training/fixtures/statistics.py`).

mod curve;
mod paired;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use self::curve::{Curve, Point, Ranking, Tiers, apgr};
pub use self::paired::{Discordant, NonInferiority, holm, paired_p};

/// The normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;
/// Resamples of a bootstrap.
const RESAMPLES: usize = 2_000;
/// From so many rows on the normal interval takes the bootstrap's place: means of bounded scores are normal by then, the
/// two agree to a few thousandths, and reports on thousands of rows stay quick.
const NORMAL_FROM: usize = 400;
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

/// The mean of scores in `[0, 1]`: Wilson's interval where every score is 0 or 1, else that of [`any_mean`], of which the
/// normal one may reach beyond all scores and is cut there. `None` without values.
pub fn mean_estimate(values: &[f64]) -> Option<Estimate> {
    if values.iter().all(|value| *value == 0.0 || *value == 1.0) {
        wilson(values.iter().filter(|value| **value == 1.0).count(), values.len())
    } else {
        any_mean(values).map(|it| Estimate { lo: it.lo.max(0.0), hi: it.hi.min(1.0), ..it })
    }
}

/// The mean of any values with the bootstrap's interval, or the normal one from 400 values on. `None` without values.
pub fn any_mean(values: &[f64]) -> Option<Estimate> {
    if values.len() < NORMAL_FROM {
        return resampled_values(values, RESAMPLES, SEED);
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    Some(normal(mean, variance, values.len()))
}

/// The normal interval of a mean, from the variance of one value.
pub(in crate::evals) fn normal(mean: f64, variance: f64, n: usize) -> Estimate {
    let half = Z * (variance / n as f64).sqrt();
    Estimate { mean, lo: mean - half, hi: mean + half, n }
}

/// Whether so many values take the normal interval.
pub(in crate::evals) fn is_many(n: usize) -> bool {
    n >= NORMAL_FROM
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

/// The same for values that are not random: two rows for every draw of 64 bits, which is most of the time it takes.
fn resampled_values(values: &[f64], resamples: usize, seed: u64) -> Option<Estimate> {
    let n = values.len();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // A row's chance is off by less than n / 2^32.
    let row = |bits: u64| ((bits * n as u64) >> 32) as usize;
    let mut means = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        let (mut sum, mut left) = (0.0, n);
        while left > 0 {
            let bits: u64 = rng.random();
            sum += values[row(bits >> 32)];
            if left > 1 {
                sum += values[row(bits & 0xffff_ffff)];
            }
            left = left.saturating_sub(2);
        }
        means.push(sum / n as f64);
    }
    means.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / n.max(1) as f64;
    Some(Estimate { mean, lo: quantile(&means, 0.025)?, hi: quantile(&means, 0.975)?, n }).filter(|_| n > 0)
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

/// The mean of `a - b` over rows that both have, with the interval of [`any_mean`]: the same resample draws both.
/// `None` without rows, or when the lengths differ.
pub fn paired_difference(a: &[f64], b: &[f64]) -> Option<Estimate> {
    if a.len() != b.len() {
        return None;
    }
    let apart: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    any_mean(&apart)
}

/// The `q`-quantile of sorted values, interpolated linearly between neighbours. `None` without values.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

#[cfg(test)]
mod tests;
