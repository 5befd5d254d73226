//! Rankings, and what they are worth: rows leave for the remote tier one after the other, and quality and cost change
//! on the way. APGR, CPT and the area are read off that curve. A rival that ranks is measured exactly as a router is.

use std::collections::BTreeMap;

use super::{Estimate, Z};

/// After so many halvings a share is as exact as its number can be.
const HALVINGS: usize = 64;

/// In which order rows leave for the remote tier. Each row's chance of having left rises linearly from 0 to 1 over its
/// span of the nominal share sent out: rows that tie share one span, which is their order in expectation. Spans fitted
/// leave-one-out may overlap or leave gaps; the share that is really sent out is then another than the nominal one.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    spans: Vec<(f64, f64)>,
}

impl Ranking {
    /// The rows with the lowest `keep_local` go out first. `None` where one is not a number.
    pub fn by(keep_local: &[f64]) -> Option<Self> {
        if keep_local.iter().any(|rank| rank.is_nan()) {
            return None;
        }
        let n = keep_local.len() as f64;
        let mut order: Vec<usize> = (0..keep_local.len()).collect();
        order.sort_by(|a, b| keep_local[*a].total_cmp(&keep_local[*b]));
        let mut spans = vec![(0.0, 1.0); keep_local.len()];
        let mut before = 0;
        for tie in order.chunk_by(|a, b| keep_local[*a] == keep_local[*b]) {
            let after = before + tie.len();
            tie.iter().for_each(|row| spans[*row] = (before as f64 / n, after as f64 / n));
            before = after;
        }
        Some(Self { spans })
    }

    /// Every row is as likely as any other.
    pub fn random(rows: usize) -> Self {
        Self { spans: vec![(0.0, 1.0); rows] }
    }

    /// Whole tasks leave, the one with the lowest mean local score first. Fitted leave-one-out: a row's place is that
    /// of its task among all tasks where the row itself does not count, so no row knows its own outcome. A task's only
    /// row goes by the mean of all others.
    pub fn by_task(tasks: &[&str], local: &[f64]) -> Self {
        let n = local.len() as f64;
        let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (task, score) in tasks.iter().zip(local) {
            let (sum, rows) = sums.entry(task).or_default();
            (*sum, *rows) = (*sum + score, *rows + 1.0);
        }
        let all: f64 = local.iter().sum();
        let span = |(task, score): (&&str, &f64)| {
            let (sum, rows) = sums[task];
            let own = match (rows > 1.0, n > 1.0) {
                (true, _) => (sum - score) / (rows - 1.0),
                (false, true) => (all - score) / (n - 1.0),
                (false, false) => 0.0,
            };
            let (mut below, mut tied) = (0.0, rows);
            for (_, (sum, rows)) in sums.iter().filter(|(other, _)| *other != task) {
                let mean = sum / rows;
                if (mean - own).abs() < 1e-12 {
                    tied += rows;
                } else if mean < own {
                    below += rows;
                }
            }
            (below / n, (below + tied) / n)
        };
        Self { spans: tasks.iter().zip(local).map(span).collect() }
    }

    /// How much higher the APGR of this ranking is than another's on the same rows, with a 95 % interval: a ratio of
    /// means, so its variance is that of the linearised ratio (W. G. Cochran, "Sampling Techniques", 1977, section
    /// 2.11), over nominal shares; the order of the rows is taken as given. `None` without a gap, or where the lengths
    /// differ.
    pub fn lead(&self, other: &Self, tiers: &Tiers) -> Option<Estimate> {
        let n = self.spans.len();
        if n < 2 || other.spans.len() != n || tiers.local.len() != n || tiers.remote.len() != n {
            return None;
        }
        let middle = |(from, to): (f64, f64)| f64::midpoint(from, to);
        // Leaving earlier by the share d recovers d more of a row's gain, on average over all shares.
        let rows: Vec<(f64, f64)> = (0..n)
            .map(|row| {
                let gain = tiers.remote[row] - tiers.local[row];
                (gain, middle(other.spans[row]) - middle(self.spans[row]))
            })
            .collect();
        let gap: f64 = rows.iter().map(|(gain, _)| gain).sum();
        if gap <= 1e-9 {
            return None;
        }
        let ratio = rows.iter().map(|(gain, earlier)| gain * earlier).sum::<f64>() / gap;
        let spread = rows.iter().map(|(gain, earlier)| (gain * (earlier - ratio)).powi(2)).sum::<f64>();
        let half = Z * spread.sqrt() / gap;
        let apgr = |ranking: &Self| Curve::new(ranking, tiers)?.apgr();
        let mean = apgr(self)? - apgr(other)?;
        Some(Estimate { mean, lo: mean - half, hi: mean + half, n })
    }

    /// The chance that each row stays, where the nominal `share` is sent out.
    pub fn staying(&self, share: f64) -> Vec<f64> {
        let stays = |(from, to): &(f64, f64)| match 1.0 - (share - from) / (to - from) {
            // Rounding must not make a chance out of a certainty.
            chance if chance < 1e-9 => 0.0,
            chance if chance > 1.0 - 1e-9 => 1.0,
            chance => chance,
        };
        self.spans.iter().map(stays).collect()
    }

    /// The chance that each row stays, where the share `kept` of all rows stays.
    pub fn keeping(&self, kept: f64) -> Vec<f64> {
        let (mut low, mut high, mut nominal) = (0.0, 1.0, 1.0 - kept);
        for _ in 0..HALVINGS {
            let staying = self.staying(nominal);
            let more = staying.iter().sum::<f64>() / staying.len() as f64 - kept;
            if more.abs() < 1e-9 {
                return staying;
            }
            if more > 0.0 {
                low = nominal;
            } else {
                high = nominal;
            }
            nominal = f64::midpoint(low, high);
        }
        self.staying(nominal)
    }
}

/// What both tiers' answers are worth and cost, row by row.
#[derive(Clone, Debug, Default)]
pub struct Tiers {
    /// Local scores.
    pub local: Vec<f64>,
    /// Remote scores.
    pub remote: Vec<f64>,
    /// What each row costs more when it goes out, in micro-dollars; `None` where a price is not known.
    pub extra_cost: Option<Vec<f64>>,
}

/// One place on a curve.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Point {
    /// Share of rows that the remote tier answers.
    pub remote_share: f64,
    /// Spend from always-local's (0) to always-remote's (1); the remote share where costs are not known.
    pub spend: f64,
    /// Mean score.
    pub quality: f64,
}

/// Quality over what is sent out and spent, from always-local to always-remote.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// From remote share 0 to 1; straight lines between.
    pub points: Vec<Point>,
    /// Whether `spend` is money; else it is the remote share.
    pub by_cost: bool,
}

impl Curve {
    /// The curve of a ranking over rows that both tiers answered. `None` without rows or where the lengths differ.
    pub fn new(ranking: &Ranking, tiers: &Tiers) -> Option<Self> {
        let n = ranking.spans.len();
        if n == 0 || tiers.local.len() != n || tiers.remote.len() != n {
            return None;
        }
        let extra =
            tiers.extra_cost.as_ref().filter(|extra| extra.len() == n && extra.iter().sum::<f64>() > 0.5);
        let spread: f64 = extra.map_or(1.0, |extra| extra.iter().sum());
        // What a row adds over its whole span: share, spend, quality.
        let gains = (0..n).map(|row| {
            let share = 1.0 / n as f64;
            let gain = (tiers.remote[row] - tiers.local[row]) / n as f64;
            [share, extra.map_or(share, |extra| extra[row] / spread), gain]
        });
        let mut bends: Vec<(f64, [f64; 3])> = Vec::with_capacity(2 * n);
        for ((from, to), gain) in ranking.spans.iter().zip(gains) {
            let slope = gain.map(|gain| gain / (to - from));
            bends.push((*from, slope));
            bends.push((*to, slope.map(|slope| -slope)));
        }
        bends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut at = [0.0, 0.0, tiers.local.iter().sum::<f64>() / n as f64];
        let (mut slope, mut x) = ([0.0; 3], 0.0);
        let point = |at: [f64; 3]| Point { remote_share: at[0], spend: at[1], quality: at[2] };
        let mut points = vec![point(at)];
        for bend in bends.chunk_by(|a, b| a.0 == b.0) {
            let step = bend[0].0 - x;
            if step > 0.0 {
                at = std::array::from_fn(|axis| at[axis] + slope[axis] * step);
                x = bend[0].0;
                points.push(point(at));
            }
            for (_, change) in bend {
                slope = std::array::from_fn(|axis| slope[axis] + change[axis]);
            }
        }
        Some(Self { points, by_cost: extra.is_some() })
    }

    fn gap(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.points.first()?.quality, self.points.last()?.quality);
        (last - first > 1e-9).then_some((first, last - first))
    }

    /// Average performance gap recovered (Ong et al., "RouteLLM: Learning to Route LLMs with Preference Data", 2024,
    /// section 3.1): with local quality `l` and remote quality `r`, `PGR(c) = (quality(c) - l) / (r - l)` at the remote
    /// share `c`, averaged over `c` from 0 to 1. Where the paper averages ten shares this is the exact area; a random
    /// order gives 0.5. `None` where the remote tier is not better: there is no gap to recover.
    pub fn apgr(&self) -> Option<f64> {
        let (first, gap) = self.gap()?;
        Some(self.integral(|point| point.remote_share, |point| (point.quality - first) / gap))
    }

    /// Call-performance threshold (the same section): the least share of remote calls that recovers the share `of` the
    /// gap. `None` without a gap.
    pub fn cpt(&self, of: f64) -> Option<f64> {
        let (first, gap) = self.gap()?;
        let wanted = first + of * gap;
        self.points.windows(2).find_map(|pair| {
            let (a, b) = (pair[0], pair[1]);
            let part =
                if b.quality > a.quality { (wanted - a.quality) / (b.quality - a.quality) } else { 1.0 };
            (b.quality >= wanted - 1e-12)
                .then(|| a.remote_share + part.clamp(0.0, 1.0) * (b.remote_share - a.remote_share))
        })
    }

    /// Area under the cost-quality curve: the mean quality over spends from always-local's to always-remote's.
    pub fn area(&self) -> f64 {
        self.integral(|point| point.spend, |point| point.quality)
    }

    fn integral(&self, x: impl Fn(&Point) -> f64, y: impl Fn(&Point) -> f64) -> f64 {
        self.points
            .windows(2)
            .map(|pair| (x(&pair[1]) - x(&pair[0])) * f64::midpoint(y(&pair[0]), y(&pair[1])))
            .sum()
    }

    /// The curve in about `most` points, spread over the remote share, ends included: enough to draw.
    pub fn thinned(&self, most: usize) -> Vec<Point> {
        let mut next = 0.0;
        let mut thin: Vec<Point> = vec![];
        for point in &self.points {
            if point.remote_share >= next - 1e-12 {
                thin.push(*point);
                next = point.remote_share + 1.0 / most as f64;
            }
        }
        if let (Some(last), Some(kept)) = (self.points.last(), thin.last())
            && last != kept
        {
            thin.push(*last);
        }
        thin
    }
}

/// [`Curve::apgr`] of the ranking that sends the rows with the lowest `keep_local` out first. `None` without rows, with
/// lengths that differ, with ranks that are not numbers, or without a gap.
pub fn apgr(local: &[f64], remote: &[f64], keep_local: &[f64]) -> Option<f64> {
    let tiers = Tiers { local: local.to_vec(), remote: remote.to_vec(), extra_cost: None };
    Curve::new(&Ranking::by(keep_local)?, &tiers)?.apgr()
}
