//! Whether requests still look like the rows that calibration saw: the last steering scores in a ring, counted in the
//! same bins, held against calibration's by the population stability index. Lock-free; an observation is three atomic
//! steps, and one in sixty-four also sums twenty bins up.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::chat::SCORE_BINS;

/// Decisions that are remembered.
pub(super) const WINDOW: usize = 4096;
/// Fewer say nothing yet: with twenty bins, 500 rows of one and the same population already differ by 0.08 on average.
pub const LEAST: u64 = 500;
/// Rows of the golden set from which on it is told: of fewer, sets of like requests look drifted by chance (simulated: of
/// 97 rows one in six, of 150 fewer than one in a hundred).
const LEAST_EXPECTED: u64 = 150;
/// Decisions between two sums.
const EVERY: u64 = 64;
/// From here on the population is another one, by the index's customary reading (Siddiqi, "Credit Risk Scorecards",
/// 2006, section on scorecard stability: below 0.1 none, up to 0.25 some change).
pub const DRIFTED: f64 = 0.25;
/// From here on it is changing.
pub const DRIFTING: f64 = 0.1;

/// The bin of a score: twenty equal ones on `[0, 1]`, 1 itself in the last.
pub fn score_bin(score: f32) -> usize {
    // The cast takes what is below 0, and what is no number, to 0.
    ((score * SCORE_BINS as f32) as usize).min(SCORE_BINS - 1)
}

/// Population stability index: `sum (a - e) ln(a / e)` over the bins' shares `a` and `e` (a symmetrised
/// Kullback-Leibler divergence). Half a row is added to every bin, so that empty bins count for something finite.
/// `None` where one side has no rows or the bins differ in number.
pub fn population_stability(actual: &[u64], expected: &[u64]) -> Option<f64> {
    let share = |counts: &[u64]| {
        let total = counts.iter().sum::<u64>() as f64 + counts.len() as f64 / 2.0;
        counts.iter().map(|count| (*count as f64 + 0.5) / total).collect::<Vec<_>>()
    };
    let empty = |counts: &[u64]| counts.iter().all(|count| *count == 0);
    if actual.len() != expected.len() || empty(actual) || empty(expected) {
        return None;
    }
    Some(share(actual).iter().zip(share(expected)).map(|(a, e)| (a - e) * (a / e).ln()).sum())
}

/// Whether calibration's histogram is of enough rows: the index of a smaller one is above the alarm by chance alone.
pub fn tells(expected: &[u64]) -> bool {
    expected.iter().sum::<u64>() >= LEAST_EXPECTED
}

/// The last decisions' scores beside calibration's.
pub(super) struct Drift {
    /// The bin of every remembered decision, counted from 1; 0: not yet used.
    ring: Box<[AtomicU8]>,
    counts: [AtomicU32; SCORE_BINS],
    seen: AtomicU64,
    expected: Vec<u64>,
}

impl Drift {
    /// Starts with nothing seen; `expected` is calibration's histogram.
    pub(super) fn new(expected: Vec<u64>) -> Self {
        Self {
            ring: (0..WINDOW).map(|_| AtomicU8::new(0)).collect(),
            counts: Default::default(),
            seen: AtomicU64::new(0),
            expected,
        }
    }

    /// Counts one decision; the index, where it was time to sum up and there is enough. Two that write the same place of the ring at once are each counted and each taken out
    /// again, whichever comes first, so the sums stay right.
    pub(super) fn observe(&self, score: f32) -> Option<f64> {
        let bin = score_bin(score);
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        // SCORE_BINS fits in a byte.
        let left = self.ring[seen as usize % WINDOW].swap(bin as u8 + 1, Ordering::Relaxed);
        self.counts[bin].fetch_add(1, Ordering::Relaxed);
        if let Some(old) = usize::from(left).checked_sub(1) {
            self.counts[old].fetch_sub(1, Ordering::Relaxed);
        }
        (seen + 1 >= LEAST && (seen + 1).is_multiple_of(EVERY)).then(|| self.index())?
    }

    fn index(&self) -> Option<f64> {
        // Another thread may be between its two steps: a passing difference of one row. A bin that is below 0 for that
        // moment has wrapped, and counts as 0.
        let count = |bin: &AtomicU32| match bin.load(Ordering::Relaxed) {
            wrapped if wrapped > u32::MAX / 2 => 0,
            count => u64::from(count),
        };
        let actual: Vec<u64> = self.counts.iter().map(count).collect();
        population_stability(&actual, &self.expected).filter(|_| tells(&self.expected))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn bins_are_equal_and_hold_every_score() {
        assert_eq!([0.0, 0.049, 0.05, 0.999, 1.0].map(score_bin), [0, 0, 1, 19, 19]);
        assert_eq!([f32::NAN, -1.0, 7.0].map(score_bin), [0, 0, 19]);
    }

    #[test]
    fn the_index_is_what_the_formula_says() {
        assert_eq!(population_stability(&[5, 5], &[5, 5]), Some(0.0));
        // (30.5, 70.5) / 101 against (50.5, 50.5) / 101: 2 * 0.19802 * ln(1.38990) by hand.
        let index = population_stability(&[30, 70], &[50, 50]).unwrap();
        let expected =
            (30.5 / 101.0 - 0.5) * (30.5 / 50.5_f64).ln() + (70.5 / 101.0 - 0.5) * (70.5 / 50.5_f64).ln();
        assert!((index - expected).abs() < 1e-12 && index > 0.16 && index < 0.17, "{index}");
        assert!(population_stability(&[100, 0], &[0, 100]).unwrap().is_finite());
        assert_eq!(population_stability(&[0, 0], &[1, 1]), None);
        assert_eq!(population_stability(&[1], &[1, 1]), None);
        assert!(tells(&[100, 50]) && !tells(&[100, 49]));
    }

    #[test]
    fn says_nothing_before_there_is_enough_and_forgets_what_is_old() {
        let mut expected = vec![0; SCORE_BINS];
        expected[score_bin(0.9)] = 1_000;
        let drift = Drift::new(expected);
        let told = |times: usize, score: f32| (0..times).filter_map(|_| drift.observe(score)).last();
        assert_eq!(told(LEAST as usize - 1, 0.1), None);
        assert!(told(EVERY as usize, 0.1).unwrap() > DRIFTED);
        assert!(told(WINDOW + EVERY as usize, 0.9).unwrap() < 0.02);
        let left: u32 = drift.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        assert_eq!(left as usize, WINDOW);
    }

    #[test]
    fn threads_lose_no_row() {
        let drift = Arc::new(Drift::new(vec![1; SCORE_BINS]));
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let drift = Arc::clone(&drift);
                std::thread::spawn(move || {
                    for turn in 0..20_000 {
                        drift.observe((thread * 31 + turn) as f32 % 101.0 / 100.0);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let left: u32 = drift.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        assert_eq!(left as usize, WINDOW);
    }

    /// Prints the cost, and holds it to what even an unoptimised build on a busy machine fulfils.
    #[test]
    fn an_observation_costs_next_to_nothing() {
        let drift = Drift::new(vec![1; SCORE_BINS]);
        let started = Instant::now();
        for turn in 0..100_000 {
            drift.observe(turn as f32 / 100_000.0);
        }
        let each = started.elapsed() / 100_000;
        println!("one observation: {each:?}");
        assert!(each.as_micros() < 10, "{each:?}");
    }
}
