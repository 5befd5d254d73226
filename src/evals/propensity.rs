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
    let seen = covered.iter().filter(|row| row.seen.is_some()).count();
    let weights: f64 = covered.iter().filter(|row| row.seen.is_some()).map(|row| 1.0 / row.probability).sum();
    let n = covered.len() as f64;
    let normalised = (weights > 0.0).then(|| {
        let value = inverse.mean * n / weights;
        let influence: Vec<f64> = covered.iter().map(|row| weighed(row, value) * n / weights).collect();
        let half = mean(&influence).map_or(0.0, |estimate| (estimate.hi - estimate.lo) / 2.0);
        Estimate { mean: value, lo: value - half, hi: value + half, n: covered.len() }
    });
    Some(OffPolicy { inverse, normalised, doubly_robust, seen, uncovered })
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
#[path = "propensity/tests.rs"]
mod tests;
