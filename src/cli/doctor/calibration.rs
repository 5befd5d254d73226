//! How the calibration stands, and whether recent requests still look like the rows that it was made on.

use std::path::Path;

use super::Finding;
use crate::ledger::recent_scores;
use crate::routing::{
    Calibration, DRIFTED, DRIFTING, LEAST, Standing, population_stability, score_bin, tells,
};

/// Live requests that are looked at, as many as the gateway's own gauge remembers.
const RECENT: u32 = 4_096;

/// What is to be said of both.
pub(super) fn examine(standing: &Standing, ledger: &Path) -> Vec<Finding> {
    let subject = "calibration";
    let words = standing.words();
    match standing {
        Standing::Valid(calibration) => {
            let (since, head) = (made_at_ms(calibration), standing.head());
            let drift = match recent_scores(ledger, RECENT, since, head.as_deref()) {
                Ok(scores) => drift(calibration, &scores),
                Err(error) => Finding::note("drift", error.to_string()),
            };
            vec![Finding::good(subject, words), drift]
        }
        // `serve` runs on without: the policy's plain rule steers.
        Standing::Missing | Standing::Mismatch(..) | Standing::NoPromise(_) => {
            vec![Finding::note(subject, words)]
        }
    }
}

/// Scores from before the calibration were held against another one, if against any.
fn made_at_ms(calibration: &Calibration) -> i64 {
    calibration.made_at.parse::<jiff::Timestamp>().map_or(0, |at| at.as_millisecond())
}

fn drift(calibration: &Calibration, scores: &[f32]) -> Finding {
    let subject = "drift";
    let n = scores.len();
    if !tells(&calibration.score_histogram) {
        return Finding::good(subject, "the golden set is too small to tell");
    }
    let mut live = vec![0; calibration.score_histogram.len()];
    scores.iter().for_each(|score| live[score_bin(*score)] += 1);
    let index = population_stability(&live, &calibration.score_histogram).filter(|_| n as u64 >= LEAST);
    let Some(index) = index else {
        return Finding::good(subject, format!("{n} live score(s) so far, {LEAST} are needed to tell"));
    };
    let told = format!("the last {n} live scores against the golden set's: stability index {index:.2}");
    let way = match middle(&live) < middle(&calibration.score_histogram) {
        true => "lower, so that more of them go out",
        false => "higher, so that more of them stay local",
    };
    let mend = format!(
        "calibrate again on rows like them (`crossover calibrate {}` after adding some)",
        calibration.bound.golden.path.display()
    );
    match index {
        _ if index < DRIFTING => Finding::good(subject, format!("{told}: requests look like the golden set")),
        _ if index < DRIFTED => {
            Finding::note(subject, format!("{told}: requests are changing, their scores are {way}; watch it"))
        }
        _ => Finding::note(
            subject,
            format!(
                "{told}: requests are no longer like the golden set, their scores are {way}; the promise is not about them: {mend}"
            ),
        ),
    }
}

/// The mean of a histogram, in bins.
fn middle(counts: &[u64]) -> f64 {
    let sum: f64 = counts.iter().enumerate().map(|(bin, count)| bin as f64 * *count as f64).sum();
    sum / counts.iter().sum::<u64>().max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::LazyLock;

    use super::super::State;
    use super::*;
    use crate::evals::calibrate::{Asked, Row, calibrate};
    use crate::routing::{Bound, GOLD, Goal, GoldenSet, Present};

    /// A share of local answers needs no promise: the quickest valid calibration. Its scores are uniform.
    fn calibration() -> Calibration {
        static ONCE: LazyLock<Calibration> = LazyLock::new(made);
        ONCE.clone()
    }

    fn made() -> Calibration {
        let row = |at: usize| Row {
            id: format!("r{at}"),
            task: "t".to_owned(),
            prompt: format!("p{at}"),
            exact: format!("p{at}"),
            chars: 9,
            local: 1.0,
            remote: 1.0,
            local_cost: None,
            remote_cost: None,
            shipped: at as f32 / 400.0,
            inputs: vec![],
        };
        let rows: Vec<Row> = (0..400).map(row).collect();
        let hash = || "a".repeat(64);
        let golden = GoldenSet {
            name: "g".to_owned(),
            version: "1".to_owned(),
            hash: hash(),
            path: PathBuf::from("g"),
        };
        let bound = Bound {
            classifier: hash(),
            tokenizer: hash(),
            local_model: hash(),
            remote_model: GOLD.to_owned(),
            scorer: hash(),
            golden,
        };
        let asked =
            Asked { goal: Goal::LocalShare { share: 0.5 }, epsilon: 0.0, bound, made_at: "now".to_owned() };
        calibrate(&rows, &asked).unwrap().calibration
    }

    fn told(scores: impl Iterator<Item = f32>) -> (State, String) {
        let drift = drift(&calibration(), &scores.collect::<Vec<f32>>());
        (drift.state, drift.text)
    }

    #[test]
    fn drift_is_told_in_words() {
        let (state, text) = told((0_u16..100).map(|at| f32::from(at) / 100.0));
        assert!(state == State::Good && text.contains("500 are needed"), "{text}");
        let (state, text) = told((0_u16..2_000).map(|at| f32::from(at) / 2_000.0));
        assert!(state == State::Good && text.contains("look like the golden set"), "{text}");
        let (state, text) = told((0_u16..2_000).map(|at| f32::from(at) / 6_000.0));
        assert!(state == State::Note && text.contains("no longer like the golden set"), "{text}");
        assert!(text.contains("lower, so that more of them go out"), "{text}");
        let (_, text) = told((0_u16..2_000).map(|at| 0.8 + f32::from(at) / 10_000.0));
        assert!(text.contains("higher, so that more of them stay local"), "{text}");
    }

    #[test]
    fn a_valid_one_is_told_with_its_drift() {
        let standing = Standing::of(calibration(), &Present::default());
        let findings = examine(&standing, Path::new("/nowhere"));
        assert_eq!((findings.len(), findings[0].state, findings[1].subject), (2, State::Good, "drift"));
    }

    #[test]
    fn without_a_valid_calibration_there_is_a_note_and_no_drift() {
        let changed = Present { remote_model: None, classifier: Some("b".repeat(64)), ..Present::default() };
        for standing in [Standing::Missing, Standing::of(calibration(), &changed)] {
            let findings = examine(&standing, Path::new("/nowhere"));
            assert_eq!((findings.len(), findings[0].state), (1, State::Note));
            assert!(findings[0].text.contains("crossover calibrate"), "{}", findings[0]);
        }
    }
}
