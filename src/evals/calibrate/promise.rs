//! The promise: a threshold under which the share of bad answers is at most `alpha`, with confidence `1 - delta`.
//! Learn-then-Test by fixed-sequence testing (Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test", 2021,
//! section 3.2): thresholds fixed beforehand are tested from the strictest to the laxest, each by an exact binomial test
//! of "the share is more than alpha", and the first that is not refuted ends it. No correction is needed for that.

use statrs::function::beta::checked_beta_reg;
use statrs::function::factorial::ln_binomial;

use crate::routing::RiskOf;

/// Thresholds of the grid, beside the last one that keeps everything.
const STEPS: usize = 100;

/// A score that ranks no better than chance is taken for one that does this often.
const CHANCE: f64 = 0.05;

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// What the share is of.
    pub of: RiskOf,
    /// The most that the share may be.
    pub alpha: f64,
    /// How often the promise may fail.
    pub delta: f64,
}

/// One row, as the promise sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The steering score.
    pub score: f32,
    /// Whether its local answer is worse than the remote one by more than allowed.
    pub worse: bool,
}

/// One threshold, tested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tested {
    /// The threshold.
    pub threshold: f32,
    /// Rows that it keeps local.
    pub kept: usize,
    /// Rows that count: all, or those that it keeps.
    pub n: usize,
    /// Those of them that are kept and worse.
    pub failures: usize,
    delta: f64,
}

impl Tested {
    /// Upper bound of the share at the promise's confidence, for this threshold alone.
    pub fn upper(&self) -> f64 {
        upper(self.failures, self.n, self.delta)
    }
}

/// What came of the tests.
#[derive(Clone, Debug, PartialEq)]
pub enum Chosen {
    /// The laxest of those proved that is worth steering by. The proof is of all of them together, so any may be taken.
    Holds {
        /// It.
        at: Tested,
        /// The first that was not refuted, unless the last of the grid was reached.
        stopped_by: Option<Tested>,
    },
    /// Some were proved, and none is worth it: see [`Promise::is_worth_it`].
    Worthless {
        /// The laxest proved.
        at: Tested,
    },
    /// Not even the strictest.
    Fails {
        /// The one that ended it; `None`: nothing was tested.
        at: Option<Tested>,
        /// Rows of the calibrate part that it would take, if the share stays what it is; `None`: no number would do.
        needed: Option<usize>,
    },
}

impl Promise {
    /// The thresholds to test, strictest first, from rows that play no part in the test: those that keep 1 %, 2 %, ... of
    /// them, and at last everything. `n` is how many rows will be tested. For a share of those kept local the strictest
    /// keep too few to prove anything and would end the sequence at once, so it starts where these rows, scaled to `n`,
    /// would refute most clearly (split fixed-sequence testing, ibid.).
    pub fn grid(&self, fit: &[Trial], n: usize) -> Vec<f32> {
        let mut sorted: Vec<f32> = fit.iter().map(|trial| trial.score).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let kept = |step: usize| (step * sorted.len()).div_ceil(STEPS);
        let mut grid: Vec<f32> = (1..=STEPS)
            .filter_map(|step| sorted.get(kept(step).checked_sub(1)?).copied())
            .chain([0.0])
            .collect();
        grid.dedup();
        if self.of == RiskOf::Local {
            let scaled = |count: usize| (count as f64 * n as f64 / fit.len().max(1) as f64).round() as usize;
            let doubt = |threshold: &f32| {
                let Tested { n: kept, failures, .. } = self.test(*threshold, fit);
                tail(scaled(failures), scaled(kept), self.alpha)
            };
            let doubts: Vec<f64> = grid.iter().map(doubt).collect();
            let start = (0..grid.len()).min_by(|a, b| doubts[*a].total_cmp(&doubts[*b]));
            grid.drain(..start.unwrap_or_default());
        }
        grid
    }

    /// Rows that prove the promise where none of them fails: 59 for 5 % at 95 %.
    pub fn least(&self) -> usize {
        (self.delta.ln() / (-self.alpha).ln_1p()).ceil() as usize
    }

    /// Tests the grid from its start, on rows that played no part in making it.
    pub fn choose(&self, grid: &[f32], trials: &[Trial]) -> Chosen {
        let (mut proved, mut worth, mut stopped_by) = (None, None, None);
        for threshold in grid {
            let tested = self.test(*threshold, trials);
            if tail(tested.failures, tested.n, self.alpha) > self.delta {
                stopped_by = Some(tested);
                break;
            }
            proved = Some(tested);
            worth = Some(tested).filter(|at| self.is_worth_it(at, trials)).or(worth);
        }
        match (worth, proved, stopped_by) {
            (Some(at), ..) => Chosen::Holds { at, stopped_by },
            (None, Some(at), _) => Chosen::Worthless { at },
            (None, None, Some(at)) => Chosen::Fails { at: Some(at), needed: self.needed(&at) },
            (None, None, None) => Chosen::Fails { at: None, needed: Some(self.least()) },
        }
    }

    /// Whether a proved threshold is worth steering by. A promise of all requests also holds where a useless score keeps
    /// so few rows that all of them may be bad, so: clearly fewer than half of the kept rows are worse (exact binomial
    /// test at 5 %), and no more than `alpha` of them, or clearly fewer than if as many had been kept by chance (Fisher's
    /// exact test, one-sided, at 5 %).
    pub fn is_worth_it(&self, at: &Tested, trials: &[Trial]) -> bool {
        let worse = trials.iter().filter(|trial| trial.worse).count();
        let mostly_good = at.kept > 0 && tail(at.failures, at.kept, 0.5) <= CHANCE;
        let few = at.failures as f64 <= self.alpha * at.kept as f64;
        mostly_good && (few || by_chance(at.failures, at.kept, worse, trials.len()) <= CHANCE)
    }

    /// Counts one threshold.
    pub fn test(&self, threshold: f32, trials: &[Trial]) -> Tested {
        let kept = trials.iter().filter(|trial| trial.score >= threshold);
        let (kept, failures) =
            kept.fold((0, 0), |(kept, failures), trial| (kept + 1, failures + usize::from(trial.worse)));
        let n = match self.of {
            RiskOf::All => trials.len(),
            RiskOf::Local => kept,
        };
        Tested { threshold, kept, n, failures, delta: self.delta }
    }

    /// Rows that count which it would take to refute more than `alpha`, were the observed share the true one.
    fn needed(&self, tested: &Tested) -> Option<usize> {
        let share = tested.failures as f64 / tested.n.max(1) as f64;
        let proves = |n: usize| tail((share * n as f64).round() as usize, n, self.alpha) <= self.delta;
        // By tenths: the exact number would pretend that the share is known that well.
        let mut n = self.least();
        while share < self.alpha && n < 1_000_000 {
            if n > tested.n && proves(n) {
                return Some(n);
            }
            n += (n / 10).max(1);
        }
        None
    }
}

/// `P(X <= failures)` for `X` binomial with `n` trials of probability `p`: the p-value of "the probability is more than
/// `p`". By the regularised incomplete beta function.
pub(super) fn tail(failures: usize, n: usize, p: f64) -> f64 {
    if failures >= n {
        return 1.0;
    }
    checked_beta_reg((n - failures) as f64, failures as f64 + 1.0, 1.0 - p).unwrap_or(1.0)
}

/// `P(X <= found)` for `X` hypergeometric: marked items among `drawn`, out of `all` of which `marked` are.
fn by_chance(found: usize, drawn: usize, marked: usize, all: usize) -> f64 {
    let choose = |n: usize, k: usize| ln_binomial(n as u64, k as u64);
    let ways = |it: usize| choose(marked, it) + choose(all - marked, drawn - it) - choose(all, drawn);
    (0..=found.min(marked).min(drawn)).map(|it| ways(it).exp()).sum::<f64>().min(1.0)
}

/// The one-sided upper bound of Clopper and Pearson ("The use of confidence or fiducial limits illustrated in the case
/// of the binomial", Biometrika 1934) at confidence `1 - delta`: the `p` whose [`tail`] is `delta`. 1 without trials.
pub(super) fn upper(failures: usize, n: usize, delta: f64) -> f64 {
    if failures >= n {
        return 1.0;
    }
    let (mut low, mut high) = (failures as f64 / n as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if tail(failures, n, middle) > delta { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests;
