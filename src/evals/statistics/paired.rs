//! Whether one of two subjects is better on the same rows: exact tests, corrections for many of them, and
//! non-inferiority. Formulas are named with their sources and checked against scipy and statsmodels.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc;

use super::{Estimate, SEED, Z, paired_difference};

/// Draws of the sign-flip test.
const FLIPS: usize = 1_999;
/// So many rows that differ are normal enough.
const MANY: usize = 100;

/// Rows of right-or-wrong scores on which two subjects disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Discordant {
    /// Only the first is right.
    pub first: usize,
    /// Only the second is right.
    pub second: usize,
}

impl Discordant {
    /// Counts them; `None` where the lengths differ or a score is neither 0 nor 1.
    pub fn count(a: &[f64], b: &[f64]) -> Option<Self> {
        let flag = |score: f64| score == 0.0 || score == 1.0;
        if a.len() != b.len() || !a.iter().chain(b).copied().all(flag) {
            return None;
        }
        let only = |a: &[f64], b: &[f64]| a.iter().zip(b).filter(|(a, b)| a > b).count();
        Some(Self { first: only(a, b), second: only(b, a) })
    }

    /// Two-sided p-value of McNemar's exact test (Q. McNemar, Psychometrika 1947): twice the binomial tail of the
    /// smaller count at one half, at most 1.
    pub fn mcnemar_exact(self) -> f64 {
        let (low, n) = (self.first.min(self.second), self.first + self.second);
        if low == self.first.max(self.second) {
            return 1.0;
        }
        // P(X <= k) of a binomial with n trials at 1/2 is I(1/2; n - k, k + 1).
        (2.0 * beta_reg((n - low) as f64, low as f64 + 1.0, 0.5)).min(1.0)
    }

    /// The difference of the two rates over `n` paired rows with Tango's 95 % score interval (T. Tango, "Equivalence
    /// test and confidence interval for the difference in proportions for the paired-sample design", Statistics in
    /// Medicine 1998). It holds its level with few disagreements too, where Wald's does not. `None` for no rows, or
    /// more disagreements than rows.
    pub fn tango(self, n: usize) -> Option<Estimate> {
        if n == 0 || self.first + self.second > n {
            return None;
        }
        let mean = (self.first as f64 - self.second as f64) / n as f64;
        // The score falls as the difference rises: both ends are found by halving.
        let end = |level: f64| {
            let (mut lo, mut hi) = if level > 0.0 { (-1.0, mean) } else { (mean, 1.0) };
            for _ in 0..60 {
                let middle = f64::midpoint(lo, hi);
                if self.score(n as f64, middle) > level { lo = middle } else { hi = middle }
            }
            f64::midpoint(lo, hi)
        };
        Some(Estimate { mean, lo: end(Z), hi: end(-Z), n })
    }

    /// Tango's statistic at a supposed difference, with the nuisance rate at its restricted maximum likelihood.
    fn score(self, n: f64, delta: f64) -> f64 {
        let (b, c) = (self.first as f64, self.second as f64);
        let linear = -(b + c) + delta * (2.0 * n - b + c);
        let constant = -c * delta * (1.0 - delta);
        let q = ((linear * linear - 8.0 * n * constant).max(0.0).sqrt() - linear) / (4.0 * n);
        let variance = n * (2.0 * q + delta * (1.0 - delta));
        (b - c - n * delta) / variance.max(f64::MIN_POSITIVE).sqrt()
    }
}

/// Two-sided p-value that paired scores differ in their mean: McNemar's exact test where every score is 0 or 1, else a
/// seeded sign-flip test (R. A. Fisher's randomisation of paired differences), by the normal curve from 100 rows that
/// differ on. `None` without rows or where the lengths differ.
pub fn paired_p(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || a.len() != b.len() {
        return None;
    }
    if let Some(discordant) = Discordant::count(a, b) {
        return Some(discordant.mcnemar_exact());
    }
    let apart: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).filter(|it| *it != 0.0).collect();
    let sum = apart.iter().sum::<f64>().abs();
    if apart.len() >= MANY {
        return Some(erfc(sum / (2.0 * apart.iter().map(|it| it * it).sum::<f64>()).sqrt()));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let flipped = |_: &usize| {
        let mut drawn = 0.0;
        // One draw of 64 bits is 64 signs.
        for some in apart.chunks(64) {
            let mut signs: u64 = rng.random();
            for it in some {
                drawn += if signs & 1 == 0 { *it } else { -it };
                signs >>= 1;
            }
        }
        drawn.abs() >= sum - 1e-9
    };
    let extreme = (0..FLIPS).filter(flipped).count();
    Some((extreme + 1) as f64 / (FLIPS + 1) as f64)
}

/// P-values adjusted for being many by Holm's step-down rule (S. Holm, "A simple sequentially rejective multiple test
/// procedure", Scandinavian Journal of Statistics 1979), in the order given. The chance that any true hypothesis has an
/// adjusted value of at most `alpha` is at most `alpha`.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut highest: f64 = 0.0;
    for (step, at) in order.into_iter().enumerate() {
        highest = highest.max(p[at] * (p.len() - step) as f64).min(1.0);
        adjusted[at] = highest;
    }
    adjusted
}

/// Whether a subject is worse than another by no more than a margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonInferiority {
    /// The mean difference with its 95 % interval; below 0 the first is worse.
    pub difference: Estimate,
    /// How much worse is still good enough.
    pub margin: f64,
    /// Whether the interval is Tango's; else the paired difference's.
    pub tango: bool,
}

impl NonInferiority {
    /// Compares paired scores: by Tango's interval where all are 0 or 1, else by [`paired_difference`]. Rows that are all
    /// alike need no interval: their difference is 0. `None` without rows or where the lengths differ.
    pub fn test(a: &[f64], b: &[f64], margin: f64) -> Option<Self> {
        let discordant = Discordant::count(a, b);
        let alike = discordant.is_some_and(|it| it.first + it.second == 0);
        let difference = match discordant.filter(|_| !alike) {
            Some(discordant) => discordant.tango(a.len())?,
            None => paired_difference(a, b)?,
        };
        Some(Self { difference, margin, tango: discordant.is_some() && !alike })
    }

    /// Shown: all of the interval lies above `-margin` (the confidence-interval form of the test; a two-sided 95 %
    /// interval tests one-sidedly at 2.5 %). Rows that are all alike are so under a margin of 0 too.
    pub fn shown(&self) -> bool {
        let Estimate { lo, hi, .. } = self.difference;
        let alike = lo == 0.0 && hi == 0.0 && self.margin >= 0.0;
        lo > -self.margin || alike
    }

    /// Clearly worse: all of the interval lies below 0, or the observed difference is beyond the margin.
    pub fn worse(&self) -> bool {
        self.difference.hi < 0.0 || self.difference.mean < -self.margin
    }
}
