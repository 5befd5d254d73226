//! The trivial rivals that a router must beat, made from the two tiers' answers without asking anyone again: the
//! length rule, the task mean, random at equal spend, and the oracle. Each is a chance of staying local for every row.

use super::runner::{Row, SubjectRun};
use super::statistics::{Estimate, Point, Ranking, Tiers, bootstrap_mean, is_many, mean_estimate, normal};
use super::subject::{ServedBy, Transcript};
use rand::RngExt;

/// What one tier made of one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side<'a> {
    pub(super) score: f64,
    pub(super) answer: &'a Transcript,
}

/// One row that both tiers answered and that could be graded for both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) sample: usize,
    pub(super) local: Side<'a>,
    pub(super) remote: Side<'a>,
}

/// The rows that both tiers have.
pub(super) fn pairs<'a>(local: &'a SubjectRun, remote: &'a SubjectRun) -> Vec<Pair<'a>> {
    local
        .rows
        .iter()
        .zip(&remote.rows)
        .filter_map(|(local, remote)| {
            Some(Pair { sample: local.sample, local: side(local)?, remote: side(remote)? })
        })
        .collect()
}

fn side(row: &Row) -> Option<Side<'_>> {
    Some(Side { score: row.score.value()?, answer: row.answer.as_ref()? })
}

/// A rival: for every pair, the chance that it is answered locally.
#[derive(Clone, Debug)]
pub(super) struct Mix<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    pub(super) local: Vec<f64>,
}

impl Mix<'_> {
    /// Expected quality. Where chance decides, the interval is a bootstrap over rows and draws together.
    pub(super) fn quality(&self) -> Option<Estimate> {
        let expected: Vec<f64> = self.values();
        if self.local.iter().all(|chance| *chance == 0.0 || *chance == 1.0) {
            return mean_estimate(&expected);
        }
        if is_many(self.pairs.len()) {
            return Some(self.normal_quality(&expected));
        }
        let drawn = bootstrap_mean(self.pairs.len(), |rng, row| {
            let pair = &self.pairs[row];
            if rng.random_bool(self.local[row].clamp(0.0, 1.0)) {
                pair.local.score
            } else {
                pair.remote.score
            }
        })?;
        Some(Estimate { mean: expected.iter().sum::<f64>() / expected.len() as f64, ..drawn })
    }

    /// The normal interval, of rows and draws together.
    fn normal_quality(&self, expected: &[f64]) -> Estimate {
        let n = expected.len() as f64;
        let mean = expected.iter().sum::<f64>() / n;
        let rows = expected.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / n;
        let gap = |pair: &Pair<'_>| (pair.local.score - pair.remote.score).powi(2);
        let drawn = |(pair, chance): (&Pair<'_>, &f64)| chance * (1.0 - chance) * gap(pair);
        let draws = self.pairs.iter().zip(&self.local).map(drawn).sum::<f64>() / n;
        normal(mean, rows + draws, expected.len())
    }

    /// Where it stands between always-local and always-remote, with the quality `quality`.
    pub(super) fn point(&self, quality: f64) -> Option<Point> {
        let remote_share = 1.0 - self.local_share()?;
        let all = |chance: f64| self.pairs.iter().map(|pair| mixed_cost(pair, chance)).sum::<Option<f64>>();
        let spend = match (all(1.0), all(0.0), self.cost()) {
            (Some(home), Some(out), Some(cost)) if out - home > 0.5 => (cost - home) / (out - home),
            _ => remote_share,
        };
        Some(Point { remote_share, spend, quality })
    }

    /// Expected score of every row.
    pub(super) fn values(&self) -> Vec<f64> {
        self.each(|side| side.score).collect()
    }

    /// Expected cost in micro-dollars; `None` when a price is not known.
    pub(super) fn cost(&self) -> Option<f64> {
        self.pairs.iter().zip(&self.local).map(|(pair, chance)| mixed_cost(pair, *chance)).sum()
    }

    /// Expected share that is answered locally.
    pub(super) fn local_share(&self) -> Option<f64> {
        (!self.local.is_empty()).then(|| self.local.iter().sum::<f64>() / self.local.len() as f64)
    }

    fn each(&self, of: impl Fn(&Side<'_>) -> f64) -> impl Iterator<Item = f64> {
        let chances = self.pairs.iter().zip(&self.local);
        chances.map(move |(pair, local)| local * of(&pair.local) + (1.0 - local) * of(&pair.remote))
    }
}

/// A tier that gets nothing of a row costs nothing there, whether or not its price is known.
fn mixed_cost(pair: &Pair<'_>, local: f64) -> Option<f64> {
    let of = |side: &Side<'_>| side.answer.cost.map(|cost| cost.0 as f64);
    let home = if local > 0.0 { local * of(&pair.local)? } else { 0.0 };
    let out = if local < 1.0 { (1.0 - local) * of(&pair.remote)? } else { 0.0 };
    Some(home + out)
}

/// A judged subject on the pairs that it answered, as the same kind of mix (chances of 0 and 1). `None` where some
/// answer does not say which tier gave it.
pub(super) fn choices<'a>(judged: &SubjectRun, pairs: &[Pair<'a>]) -> Option<Mix<'a>> {
    let mut mix = Mix { pairs: vec![], local: vec![] };
    let mut rows = judged.rows.iter().peekable();
    for pair in pairs {
        while rows.next_if(|row| row.sample < pair.sample).is_some() {}
        let Some(row) = rows.next_if(|row| row.sample == pair.sample) else { continue };
        let (Some(answer), Some(_)) = (&row.answer, row.score.value()) else { continue };
        mix.local.push(match answer.served_by {
            ServedBy::Local => 1.0,
            ServedBy::Remote => 0.0,
            ServedBy::None => return None,
        });
        mix.pairs.push(*pair);
    }
    (!mix.pairs.is_empty()).then_some(mix)
}

/// What both tiers made of the pairs, for curves.
pub(super) fn tiers(pairs: &[Pair<'_>]) -> Tiers {
    let extra = |pair: &Pair<'_>| Some((pair.remote.answer.cost?.0 - pair.local.answer.cost?.0) as f64);
    Tiers {
        local: pairs.iter().map(|pair| pair.local.score).collect(),
        remote: pairs.iter().map(|pair| pair.remote.score).collect(),
        extra_cost: pairs.iter().map(extra).collect(),
    }
}

/// A rival that ranks keeps as many rows as the router kept; rows that tie at the cut share what is left.
pub(super) fn ranked<'a>(router: &Mix<'a>, ranking: &Ranking) -> Mix<'a> {
    let local = ranking.keeping(router.local_share().unwrap_or_default());
    Mix { pairs: router.pairs.clone(), local }
}

/// The shortest prompts stay local.
pub(super) fn by_length(pairs: &[Pair<'_>], lengths: &[usize]) -> Ranking {
    let ranks: Vec<f64> = pairs.iter().map(|pair| -(lengths[pair.sample] as f64)).collect();
    Ranking::by(&ranks).unwrap_or_else(|| Ranking::random(pairs.len()))
}

/// The tasks with the best local answers stay local; see [`Ranking::by_task`].
pub(super) fn by_task(pairs: &[Pair<'_>], tasks: &[String]) -> Ranking {
    let names: Vec<&str> = pairs.iter().map(|pair| tasks[pair.sample].as_str()).collect();
    let local: Vec<f64> = pairs.iter().map(|pair| pair.local.score).collect();
    Ranking::by_task(&names, &local)
}

/// The rows that gain most by leaving leave first, of equal ones the cheaper: no ranking recovers more by its calls.
pub(super) fn by_gain(pairs: &[Pair<'_>]) -> Ranking {
    let extra = |pair: &Pair<'_>| Some(pair.remote.answer.cost?.0 - pair.local.answer.cost?.0);
    let worth = |pair: &Pair<'_>| (pair.local.score - pair.remote.score, extra(pair).unwrap_or_default());
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    let before = |a: &usize, b: &usize| {
        let (a, b) = (worth(&pairs[*a]), worth(&pairs[*b]));
        a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
    };
    order.sort_by(before);
    let mut ranks = vec![0.0; pairs.len()];
    for (place, tie) in order.chunk_by(|a, b| before(a, b).is_eq()).enumerate() {
        tie.iter().for_each(|at| ranks[*at] = place as f64);
    }
    Ranking::by(&ranks).unwrap_or_else(|| Ranking::random(pairs.len()))
}

/// Every row stays local by the same chance, so that the expected cost is the router's: with all-local cost `L`,
/// all-remote cost `R` and the router's cost `C`, the chance is `(R - C) / (R - L)`. Where costs are not known or do
/// not differ, the router's own local share; the flag says which.
pub(super) fn random<'a>(router: &Mix<'a>) -> (Mix<'a>, bool) {
    let all = |chance: f64| {
        let pairs = router.pairs.iter();
        pairs.map(|pair| mixed_cost(pair, chance)).sum::<Option<f64>>()
    };
    let by_cost = match (all(1.0), all(0.0), router.cost()) {
        (Some(home), Some(out), Some(spent)) if (out - home).abs() > 0.5 => {
            Some((out - spent) / (out - home)).filter(|chance| (-1e-9..=1.0 + 1e-9).contains(chance))
        }
        _ => None,
    };
    let chance = by_cost.or(router.local_share()).unwrap_or_default().clamp(0.0, 1.0);
    (Mix { pairs: router.pairs.clone(), local: vec![chance; router.pairs.len()] }, by_cost.is_some())
}

/// The better answer of every row; of equally good ones the cheaper, and the local one where prices are not known.
/// It knows the scores, so no router can beat it.
pub(super) fn oracle<'a>(pairs: &[Pair<'a>]) -> Mix<'a> {
    let home = |pair: &Pair<'_>| {
        let (local, remote) = (&pair.local, &pair.remote);
        let cheaper = match (local.answer.cost, remote.answer.cost) {
            (Some(local), Some(remote)) => local <= remote,
            _ => true,
        };
        local.score > remote.score || local.score == remote.score && cheaper
    };
    let local = pairs.iter().map(|pair| f64::from(u8::from(home(pair)))).collect();
    Mix { pairs: pairs.to_vec(), local }
}

#[cfg(test)]
#[path = "rivals/tests.rs"]
mod tests;
