//! Decides logged requests again, under another policy, threshold or calibration, and says what would have changed: where
//! they go, what it costs, how long it takes, how good it is. Pure: rows in, figures out. What a request that moved would
//! have cost or taken is an estimate and named so; a row that cannot be decided again is counted by its reason.

mod worth;

use std::collections::BTreeMap;

use serde::Serialize;

pub use worth::{Interval, Worth};

use super::propensity;
use crate::chat::BackendId;
use crate::ledger::{Answered, Logged};
use crate::routing::{Calibration, CannotDecide, LOCAL, Policy, REMOTE, Ruling};

/// The target of a request that goes nowhere.
const REFUSED: &str = "refused";

/// Under what the rows are decided again.
pub struct Otherwise<'a> {
    /// The policy of that name as it is now, for rows that keep their own.
    pub own: &'a dyn Fn(&str) -> Option<&'a Policy>,
    /// One policy for all rows, in place of their own.
    pub policy: Option<&'a Policy>,
    /// What the steering score is held against.
    pub bar: Bar<'a>,
}

/// What the steering score is held against.
#[derive(Clone, Copy, Debug)]
pub enum Bar<'a> {
    /// The calibrated threshold of the row's own time, if there was one.
    AsLogged,
    /// A number.
    Number(f32),
    /// Another calibration's threshold and score.
    Calibration(&'a Calibration),
}

/// One row decided again.
pub(super) struct Pair<'a> {
    row: &'a Logged,
    /// Where it went first; `None`: nowhere.
    was: Option<BackendId>,
    /// Where it would go first.
    is: Option<BackendId>,
    /// The score that steers.
    score: Option<f32>,
}

impl Pair<'_> {
    fn moved(&self) -> bool {
        self.was != self.is
    }
}

/// What a replay says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replay {
    /// Live requests read.
    pub rows: usize,
    /// Those that were decided again; all other figures are of these.
    pub decided: usize,
    /// Those that were not, by reason.
    pub undecided: BTreeMap<&'static str, usize>,
    /// Decided again by the very policy text and threshold of their time.
    pub comparable: usize,
    /// Of those, how many came out exactly alike: targets, reason and rule.
    pub reproduced: usize,
    /// Requests that chance had sent elsewhere than their policy ruled.
    pub explored: usize,
    /// Requests by first target, before and now.
    pub routes: BTreeMap<String, Moved>,
    /// Requests that go elsewhere first, as `local -> remote`.
    pub moves: BTreeMap<String, usize>,
    /// Cost in dollars over the rows whose cost is known both ways.
    pub cost: Option<Shift>,
    /// Mean time to an answer's end in seconds, over the rows where it is known both ways.
    pub seconds: Option<Shift>,
    /// What answers are worth, by each measure that the rows hold.
    pub worth: Vec<Worth>,
}

/// How many before, and how many now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// As logged.
    pub logged: usize,
    /// As replayed.
    pub replayed: usize,
}

/// A figure before and now, with the 95 % interval of the difference (of the paired mean over rows, by
/// the normal approximation, since a ledger has many).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// As logged.
    pub logged: f64,
    /// As replayed, partly estimated where rows moved.
    pub replayed: f64,
    /// The difference.
    pub difference: Interval,
    /// Rows that it is over.
    pub n: usize,
    /// Rows whose figure is an estimate, since they moved.
    pub estimated: usize,
}

/// Decides every row again.
pub fn replay(rows: &[Logged], otherwise: &Otherwise<'_>) -> Replay {
    let mut undecided = BTreeMap::new();
    let mut pairs = vec![];
    let (mut comparable, mut reproduced, mut explored) = (0, 0, 0);
    for row in rows {
        match otherwise.decide(row) {
            Err(why) => *undecided.entry(why).or_default() += 1,
            Ok(again) => {
                let record = row.record.as_ref();
                comparable += usize::from(again.same_terms);
                let alike = record.is_some_and(|record| record.is(&again.ruling))
                    && row.rule.as_deref() == Some(&*again.ruling.rule);
                reproduced += usize::from(again.same_terms && alike);
                let chance = record.is_some_and(crate::routing::DecisionRecord::explored);
                explored += usize::from(chance);
                let is = again.ruling.plan.targets().first().map(|id| (*id).clone());
                pairs.push(Pair { row, was: row.first_target.clone(), is, score: again.score });
            }
        }
    }
    let means = Means::of(rows);
    let mut routes = BTreeMap::<String, Moved>::new();
    let mut moves = BTreeMap::new();
    for pair in &pairs {
        routes.entry(name(pair.was.as_ref())).or_default().logged += 1;
        routes.entry(name(pair.is.as_ref())).or_default().replayed += 1;
        if pair.moved() {
            let way = format!("{} -> {}", name(pair.was.as_ref()), name(pair.is.as_ref()));
            *moves.entry(way).or_default() += 1;
        }
    }
    Replay {
        rows: rows.len(),
        decided: pairs.len(),
        undecided,
        comparable,
        reproduced,
        explored,
        routes,
        moves,
        cost: change(&pairs, |pair| means.cost(pair), true),
        seconds: change(&pairs, |pair| means.seconds(pair), false),
        worth: worth::all(&pairs),
    }
}

fn name(target: Option<&BackendId>) -> String {
    target.map_or(REFUSED, BackendId::as_str).to_owned()
}

/// A ruling made again.
struct Again {
    ruling: Ruling,
    score: Option<f32>,
    /// Whether policy text and threshold are those of the row's time.
    same_terms: bool,
}

impl Otherwise<'_> {
    fn decide(&self, row: &Logged) -> Result<Again, &'static str> {
        let version = row.policy.as_ref().ok_or("never decided (not a valid request)")?;
        let record = row.record.as_ref().ok_or("no record of what the policy read")?;
        let policy = match self.policy {
            Some(policy) => policy,
            None => (self.own)(&version.name).ok_or("its policy is no longer there")?,
        };
        let verdict = match (&row.verdict, self.bar) {
            (Some(verdict), Bar::Calibration(calibration)) => {
                Some(record.under(verdict, calibration).map_err(CannotDecide::label)?)
            }
            (verdict, _) => verdict.clone(),
        };
        let threshold = match self.bar {
            Bar::AsLogged => record.threshold(),
            Bar::Number(number) => Some(number),
            Bar::Calibration(calibration) => calibration.threshold,
        };
        let ruling = record.decide(policy, verdict.as_ref(), threshold).map_err(CannotDecide::label)?;
        let same_terms = policy.version() == version && matches!(self.bar, Bar::AsLogged);
        Ok(Again { ruling, score: verdict.map(|verdict| verdict.steering()), same_terms })
    }
}

/// What an answer of each backend costs and takes on average, for requests that it did not answer. Answers after a fallback
/// do not count: such requests found another backend down or unsure, and are no usual ones.
struct Means(BTreeMap<BackendId, Mean>);

#[derive(Default)]
struct Mean {
    cost: (f64, usize),
    seconds: (f64, usize),
}

impl Means {
    fn of(rows: &[Logged]) -> Self {
        let mut means = BTreeMap::<BackendId, Mean>::new();
        for answer in rows.iter().flat_map(usual) {
            let mean = means.entry(answer.by.clone()).or_default();
            mean.seconds.0 += answer.own_time.as_secs_f64();
            mean.seconds.1 += 1;
            if let Some(cost) = answer.own_cost {
                mean.cost.0 += cost.as_dollars();
                mean.cost.1 += 1;
            }
        }
        Self(means)
    }

    /// Dollars before and now; `None` where one is not known. Once gone to a remote, the estimate of the ledger; a local
    /// answer that was never made costs what local answers cost on average.
    fn cost(&self, pair: &Pair<'_>) -> Option<(f64, f64)> {
        let was = pair.row.answered.as_ref()?.cost?.as_dollars();
        let Some(is) = pair.is.as_ref().filter(|_| pair.moved()) else { return Some((was, was)) };
        if let Some(seen) = other_answer(pair, is) {
            return Some((was, seen.own_cost?.as_dollars()));
        }
        let estimate = pair.row.if_remote.filter(|_| is.as_str() == REMOTE).map(|cost| cost.as_dollars());
        Some((was, estimate.or_else(|| average(self.0.get(is)?.cost))?))
    }

    /// Seconds before and now; a request that moved takes what its backend takes on average.
    fn seconds(&self, pair: &Pair<'_>) -> Option<(f64, f64)> {
        let was = pair.row.answered.as_ref()?.total.as_secs_f64();
        let Some(is) = pair.is.as_ref().filter(|_| pair.moved()) else { return Some((was, was)) };
        let seen = other_answer(pair, is).map(|answer| answer.own_time.as_secs_f64());
        Some((was, seen.or_else(|| average(self.0.get(is)?.seconds))?))
    }
}

/// The answers to a row that are usual ones of who gave them: by its first target, or in its shadow.
fn usual(row: &Logged) -> impl Iterator<Item = &Answered> {
    let by_first = move |answer: &&Answered| row.first_target.as_ref() == Some(&answer.by);
    row.answered.iter().filter(by_first).chain(&row.shadow)
}

/// The answer that the target did give to this very request: live after a fallback, or in its shadow.
fn other_answer<'a>(pair: &'a Pair<'_>, target: &BackendId) -> Option<&'a Answered> {
    pair.row.answered.iter().chain(&pair.row.shadow).find(|answer| answer.by == *target)
}

fn average((sum, count): (f64, usize)) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

/// The change of a figure over the rows where it is known both ways and somebody answers both times.
fn change(pairs: &[Pair<'_>], of: impl Fn(&Pair<'_>) -> Option<(f64, f64)>, sum: bool) -> Option<Shift> {
    let answered = pairs.iter().filter(|pair| pair.was.is_some() && pair.is.is_some());
    let known: Vec<_> = answered.filter_map(|pair| Some((of(pair)?, pair))).collect();
    let (was, is): (Vec<f64>, Vec<f64>) = known.iter().map(|(both, _)| *both).unzip();
    let n = known.len();
    let scale = if sum { 1.0 } else { 1.0 / n as f64 };
    let paired: Vec<f64> = is.iter().zip(&was).map(|(is, was)| is - was).collect();
    let difference = Interval::of(propensity::mean(&paired)?).times(scale * n as f64);
    let estimated = known.iter().filter(|(_, pair)| pair.moved()).count();
    let total = |values: &[f64]| values.iter().sum::<f64>() * scale;
    Some(Shift { logged: total(&was), replayed: total(&is), difference, n, estimated })
}

/// Whether a target is the local one.
fn is_local(target: Option<&BackendId>) -> bool {
    target.is_some_and(|target| target.as_str() == LOCAL)
}

#[cfg(test)]
#[path = "replay/tests.rs"]
mod tests;
