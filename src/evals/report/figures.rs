//! The figures that are drawn: cost-quality curves, the score's reliability, and how long answers took. They stand in
//! the JSON report too, so that nobody has to read them off a picture.

use serde::Serialize;

use crate::chat::SCORE_BINS;
use crate::evals::runner::{Part, SubjectRun};
use crate::evals::statistics::{Curve, Point, mean_estimate, quantile};

/// So many points are enough to draw a curve.
const DRAWN: usize = 200;
/// Bins of the reliability diagram: every two of the score's.
const RELIABILITY_BINS: usize = SCORE_BINS / 2;
/// Bins of a latency histogram, evenly spread over the logarithm.
const LATENCY_BINS: usize = 40;

/// One ranking's curve from always-local to always-remote.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CurveReport {
    /// The policies whose score ranks, or the rival.
    pub name: String,
    /// Whether it is judged; else a rival.
    pub judged: bool,
    /// Whether `spend` is money; else it is the remote share, because prices are not known.
    pub by_cost: bool,
    /// Average performance gap recovered.
    pub apgr: Option<f64>,
    /// Share of remote calls that recovers half of the gap.
    pub cpt50: Option<f64>,
    /// Share of remote calls that recovers four fifths of the gap.
    pub cpt80: Option<f64>,
    /// Mean quality over all spends.
    pub area: f64,
    /// For a judged ranking: the best of those that cost nothing, on the same rows.
    pub best_rival: Option<BestRival>,
    /// Rows that have no score and are left out of a judged ranking.
    pub without: usize,
    /// Straight lines between.
    pub points: Vec<Point>,
}

/// The trivial rival that ranks best, and a judged ranking's lead over it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BestRival {
    /// Its name.
    pub name: String,
    /// Its APGR.
    pub apgr: f64,
    /// How much higher the judged ranking's APGR is.
    pub lead: f64,
    /// The lead's 95 % interval.
    pub ci: [f64; 2],
}

impl CurveReport {
    pub(super) fn of(name: &str, judged: bool, curve: &Curve) -> Self {
        Self {
            name: name.to_owned(),
            judged,
            by_cost: curve.by_cost,
            apgr: curve.apgr(),
            cpt50: curve.cpt(0.5),
            cpt80: curve.cpt(0.8),
            area: curve.area(),
            best_rival: None,
            without: 0,
            points: curve.thinned(DRAWN),
        }
    }
}

/// Rows with scores of one bin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Mean score.
    pub score: f64,
    /// Mean worth of the local answers.
    pub outcome: f64,
    /// Its 95 % interval.
    pub ci: [f64; 2],
    /// Rows.
    pub n: usize,
}

/// Whether local answers are as good as the score says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// Whose score.
    pub subject: String,
    /// Expected calibration error (Naeini et al., AAAI 2015): the mean distance between score and outcome of ten equal
    /// bins, weighted by their rows.
    pub ece: f64,
    /// Rows.
    pub n: usize,
    /// Bins with rows, by rising score.
    pub bins: Vec<ReliabilityBin>,
}

impl Reliability {
    /// Of a judged subject's scores against the local tier's answers.
    pub(super) fn of(judged: &SubjectRun, local: &SubjectRun) -> Option<Self> {
        let mut bins: Vec<(Vec<f64>, Vec<f64>)> = vec![(vec![], vec![]); RELIABILITY_BINS];
        let mut rows = local.rows.iter().peekable();
        for own in &judged.rows {
            while rows.next_if(|row| row.sample < own.sample).is_some() {}
            let Some(row) = rows.next_if(|row| row.sample == own.sample) else { continue };
            let score = own.answer.as_ref().and_then(|answer| answer.local_ok).map(f64::from);
            let (Some(score), Some(outcome)) = (score, row.score.value()) else { continue };
            let bin = ((score * RELIABILITY_BINS as f64) as usize).min(RELIABILITY_BINS - 1);
            bins[bin].0.push(score);
            bins[bin].1.push(outcome);
        }
        let bins: Vec<ReliabilityBin> = bins
            .iter()
            .filter_map(|(scores, outcomes)| {
                let outcome = mean_estimate(outcomes)?;
                let score = scores.iter().sum::<f64>() / scores.len() as f64;
                Some(ReliabilityBin {
                    score,
                    outcome: outcome.mean,
                    ci: [outcome.lo, outcome.hi],
                    n: outcome.n,
                })
            })
            .collect();
        let n: usize = bins.iter().map(|bin| bin.n).sum();
        let ece =
            bins.iter().map(|bin| (bin.score - bin.outcome).abs() * bin.n as f64).sum::<f64>() / n as f64;
        (n > 0).then(|| Self { subject: judged.name.clone(), ece, n, bins })
    }
}

/// How long one subject's answers took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyReport {
    /// Whose answers.
    pub subject: String,
    /// Measured answers.
    pub n: usize,
    /// Milliseconds that half of them stay within; then 90, 95 and 99 %, and all.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
    /// Lower end of the histogram, in milliseconds.
    pub from: f64,
    /// Upper end; bins are equal in the logarithm between the two.
    pub to: f64,
    /// Answers in each bin.
    pub bins: Vec<usize>,
}

/// The latencies of everybody with measured answers, over one common range.
pub(super) fn latencies(runs: &[SubjectRun]) -> Vec<LatencyReport> {
    let times = |run: &SubjectRun| -> Vec<f64> {
        let answers = run.rows.iter().filter_map(|row| row.answer.as_ref()?.total);
        let mut times: Vec<f64> = answers.map(|time| (time.as_secs_f64() * 1e3).max(1e-3)).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let judged_last = |run: &&SubjectRun| run.part == Part::Judged;
    let tiers = runs.iter().filter(|run| !judged_last(run));
    let all: Vec<(&str, Vec<f64>)> = tiers
        .chain(runs.iter().filter(judged_last))
        .map(|run| (run.name.as_str(), times(run)))
        .filter(|(_, times)| !times.is_empty())
        .collect();
    let from = all.iter().map(|(_, times)| times[0]).fold(f64::INFINITY, f64::min);
    let to = all.iter().filter_map(|(_, times)| times.last().copied()).fold(0.0, f64::max).max(from * 1.001);
    all.iter().filter_map(|(name, times)| latency(name, times, from, to)).collect()
}

fn latency(subject: &str, times: &[f64], from: f64, to: f64) -> Option<LatencyReport> {
    let mut bins = vec![0; LATENCY_BINS];
    for time in times {
        let at = (time / from).ln() / (to / from).ln() * LATENCY_BINS as f64;
        bins[(at as usize).min(LATENCY_BINS - 1)] += 1;
    }
    Some(LatencyReport {
        subject: subject.to_owned(),
        n: times.len(),
        p50: quantile(times, 0.5)?,
        p90: quantile(times, 0.9)?,
        p95: quantile(times, 0.95)?,
        p99: quantile(times, 0.99)?,
        max: *times.last()?,
        from,
        to,
        bins,
    })
}
