//! What answers are worth under a policy, by each measure that logged rows hold. Every measure says what it is: a score is
//! an expectation, agreement is not quality, and users who rate chose to. Draws are weighed by their known probability.

use serde::Serialize;

use super::{Pair, is_local};
use crate::chat::{BackendId, SCORE_BINS};
use crate::evals::agreement::TIE;
use crate::evals::propensity::{Observation, expect, mean, off_policy, off_policy_difference};
use crate::evals::statistics::Estimate;

/// With fewer observations the normal approximation says nothing worth showing.
const FEWEST: usize = 30;

/// A figure with its 95 % interval, whose ends are infinite (`null` in JSON) where too little was seen to give one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate.
    pub mean: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
}

impl Interval {
    pub(super) fn of(estimate: Estimate) -> Self {
        Self { mean: estimate.mean, lo: estimate.lo, hi: estimate.hi }
    }

    /// The same without its interval where too little was seen.
    fn given(self, seen: usize) -> Self {
        if seen < FEWEST { Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY, ..self } } else { self }
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self { mean: self.mean * factor, lo: self.lo * factor, hi: self.hi * factor }
    }
}

/// One measure of what answers are worth, before and now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worth {
    /// Its name.
    pub measure: String,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// As logged.
    pub logged: Option<Interval>,
    /// As replayed.
    pub replayed: Option<Interval>,
    /// The same, self-normalised; `None` where it does not apply.
    pub replayed_normalised: Option<Interval>,
    /// The difference.
    pub difference: Option<Interval>,
    /// Rows that it rests on: scored, graded or rated.
    pub seen: usize,
    /// Rows of which it says nothing, since their other answer could not have been seen.
    pub uncovered: usize,
}

/// Every measure that has something to say.
pub(super) fn all(pairs: &[Pair<'_>]) -> Vec<Worth> {
    let mut all: Vec<Worth> = by_score(pairs).into_iter().collect();
    all.extend(by_draws(
        pairs,
        "agreement",
        "agreement with the remote answer, by shared words; 1 where the remote answers; not quality (doubly robust)",
        |pair, target| match is_local(target) {
            true => seen(pair, pair.row.grades.get("agreement").copied()),
            false => (Some(1.0), 1.0),
        },
    ));
    all.extend(by_draws(
        pairs,
        "preference",
        "a judge's, against the remote answer: 1 better, 0.5 alike or the remote answer itself, 0 worse (doubly robust)",
        |pair, target| match is_local(target) {
            true => seen(pair, pair.row.grades.get("preference").copied()),
            false => (Some(TIE), 1.0),
        },
    ));
    let rated: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.row.feedback.is_some()).collect();
    all.extend(by_feedback(&rated));
    all
}

/// What was seen of a sampled request, with the probability of sampling it.
fn seen(pair: &Pair<'_>, grade: Option<f64>) -> (Option<f64>, f64) {
    (grade, pair.row.shadow_probability.unwrap_or(0.0))
}

/// The share expected to be good enough: the steering score where the local model answers, 1 elsewhere.
fn by_score(pairs: &[Pair<'_>]) -> Option<Worth> {
    let scored: Vec<(f64, &Pair<'_>)> = pairs
        .iter()
        .filter(|pair| pair.was.is_some() && pair.is.is_some())
        .filter_map(|pair| Some((f64::from(pair.score?), pair)))
        .collect();
    let worth = |target: fn(&Pair<'_>) -> Option<BackendId>| -> Vec<f64> {
        let one =
            |(score, pair): &(f64, &Pair<'_>)| if is_local(target(pair).as_ref()) { *score } else { 1.0 };
        scored.iter().map(one).collect()
    };
    let (was, is) = (worth(|pair| pair.was.clone()), worth(|pair| pair.is.clone()));
    let paired: Vec<f64> = is.iter().zip(&was).map(|(is, was)| is - was).collect();
    Some(Worth {
        measure: "good enough, by score".to_owned(),
        about: "mean of the score where the local model answers, 1 elsewhere; as true as the score is calibrated",
        logged: mean(&was).map(Interval::of),
        replayed: mean(&is).map(Interval::of),
        replayed_normalised: None,
        difference: Some(Interval::of(mean(&paired)?)),
        seen: scored.len(),
        uncovered: pairs.len() - scored.len(),
    })
}

/// A measure that is seen of sampled rows only.
fn by_draws(
    pairs: &[Pair<'_>],
    measure: &str,
    about: &'static str,
    of: impl Fn(&Pair<'_>, Option<&BackendId>) -> (Option<f64>, f64),
) -> Option<Worth> {
    if !pairs.iter().any(|pair| pair.row.grades.contains_key(measure)) {
        return None;
    }
    // Only rows on which both answers could have been compared: else the judged policy would choose its own rows.
    let open = |pair: &&Pair<'_>| {
        let by = pair.row.answered.as_ref().map(|answer| &answer.by);
        pair.was.is_some()
            && pair.is.is_some()
            && by == pair.was.as_ref()
            && pair.row.shadow_probability.is_some_and(|chance| chance > 0.0)
    };
    let rows: Vec<&Pair<'_>> = pairs.iter().filter(open).collect();
    let was = observations(&rows, |pair| (is_local(pair.was.as_ref()), of(pair, pair.was.as_ref())));
    let is = observations(&rows, |pair| (is_local(pair.is.as_ref()), of(pair, pair.is.as_ref())));
    let seen = rows.iter().filter(|pair| pair.row.grades.contains_key(measure)).count();
    let (before, now) = (off_policy(&was), off_policy(&is)?);
    Some(Worth {
        measure: measure.to_owned(),
        about,
        logged: before.map(|worth| Interval::of(worth.doubly_robust).given(seen)),
        replayed: Some(Interval::of(now.doubly_robust).given(seen)),
        replayed_normalised: now.normalised.map(|worth| Interval::of(worth).given(seen)),
        difference: off_policy_difference(&is, &was).map(|worth| Interval::of(worth).given(seen)),
        seen,
        uncovered: pairs.len() - rows.len() + now.uncovered,
    })
}

/// Users' verdicts, among the requests that were rated: who is not rated is another population.
fn by_feedback(rated: &[&Pair<'_>]) -> Option<Worth> {
    let served = |pair: &Pair<'_>| {
        let by = pair.row.answered.as_ref().map(|answer| &answer.by);
        pair.row.feedback.filter(|_| by == pair.was.as_ref())
    };
    // What happened was seen for certain; what would happen now, as often as chance then did it.
    let was = observations(rated, |pair| (is_local(pair.was.as_ref()), (served(pair), 1.0)));
    let is = observations(rated, |pair| {
        let (same, chance) = (!pair.moved(), pair.row.propensity);
        let seen = served(pair).filter(|_| same);
        (is_local(pair.is.as_ref()), (seen, if same { chance } else { 1.0 - chance }))
    });
    let (was, is) = (off_policy(&was), off_policy(&is)?);
    Some(Worth {
        measure: "users' verdicts".to_owned(),
        about: "from -1 to 1, of rated requests only (self-normalised); needs [explore] where requests moved",
        logged: was.and_then(|worth| worth.normalised).map(|worth| Interval::of(worth).given(rated.len())),
        replayed: is.normalised.map(|worth| Interval::of(worth).given(is.seen)),
        replayed_normalised: None,
        difference: None,
        seen: is.seen,
        uncovered: is.uncovered,
    })
}

/// Observations with what a model by score and tier expects of each, fitted on the other rows.
fn observations(
    rows: &[&Pair<'_>],
    of: impl Fn(&Pair<'_>) -> (bool, (Option<f64>, f64)),
) -> Vec<Observation> {
    let known: Vec<(bool, (Option<f64>, f64))> = rows.iter().map(|pair| of(pair)).collect();
    let scores: Vec<Option<f32>> = rows.iter().map(|pair| pair.score).collect();
    let expected = [false, true].map(|local| {
        let own = known.iter().map(|(tier, (seen, _))| seen.filter(|_| *tier == local));
        expect(&scores, &own.collect::<Vec<_>>(), SCORE_BINS)
    });
    let one = |(at, (local, (seen, probability))): (usize, &(bool, (Option<f64>, f64)))| Observation {
        seen: *seen,
        probability: *probability,
        expected: expected[usize::from(*local)][at],
    };
    known.iter().enumerate().map(one).collect()
}
