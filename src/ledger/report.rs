//! The cost report: reads the SQLite file, also while serve writes it, and sums outcomes up by one of their properties.
//! Sums are exact integers; a request without a known price is counted as unpriced and is in no sum of money.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Row, params};
use serde::Serialize;

use super::count::NONE;
use super::{LedgerError, Origin, schema};
use crate::chat::Micros;

const ROWS: &str = "
SELECT policy, served_by, reason, prompt_tokens, completion_tokens, cost_micros, if_remote_model, if_remote_micros,
       total_us, first_chunk_us, error, feedback.score AS score
FROM outcomes LEFT JOIN feedback ON feedback.request_id = outcomes.id
WHERE outcomes.at_ms >= ?1 AND (?2 IS NULL OR origin = ?2)";

/// What outcomes are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The policy that decided.
    Policy,
    /// Who answered.
    Backend,
    /// Why it went there.
    Reason,
}

impl By {
    /// The column's name in reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Backend => "backend",
            Self::Reason => "reason",
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Backend => "served_by",
            Self::Reason => "reason",
        }
    }
}

/// Which outcomes, and how they are grouped.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Only outcomes from here on, in milliseconds since 1970.
    pub since_ms: i64,
    /// How they are grouped.
    pub by: By,
    /// Only those of this origin; `None`: all.
    pub origin: Option<Origin>,
}

/// One group's sums. Times are in microseconds, money in micro-dollars.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    /// The group; `none` where an outcome has no such property.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Prompt tokens of the answers.
    pub prompt_tokens: u64,
    /// Generated tokens of the answers.
    pub completion_tokens: u64,
    /// What the priced requests cost.
    pub cost_micros: Micros,
    /// Answered requests whose cost and remote estimate are both known; the next two sum over these.
    pub compared: u64,
    /// Estimate: what remote answers would have cost.
    pub if_remote_micros: Micros,
    /// Estimate: the difference to what they did cost. Negative when routing cost money.
    pub saved_micros: Micros,
    /// Requests whose cost is not known.
    pub unpriced: u64,
    /// Median time of completed answers.
    pub total_p50_us: Option<u64>,
    /// 95th percentile of the time of completed answers.
    pub total_p95_us: Option<u64>,
    /// Median time to the first content.
    pub first_p50_us: Option<u64>,
    /// 95th percentile of the time to the first content.
    pub first_p95_us: Option<u64>,
    /// Requests that failed or were refused; clients that left are not errors.
    pub errors: u64,
    /// Clients that left before the end.
    pub client_closed: u64,
    /// Requests that a user gave a verdict on.
    pub rated: u64,
    /// Mean of those verdicts, from -1 (bad) to 1 (good); `None` where there are none.
    pub feedback: Option<f64>,
}

/// The whole report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// One line a group, most requests first.
    pub lines: Vec<Line>,
    /// Everything together.
    pub total: Line,
    /// The models whose prices the estimate uses, sorted.
    pub if_remote_models: Vec<String>,
}

/// Sums up. A ledger that does not exist yet is an empty report. Blocks.
///
/// # Errors
/// When the file cannot be read as a ledger.
pub fn summarize(path: &Path, query: &Query) -> Result<Summary, LedgerError> {
    let blame = |error: rusqlite::Error| LedgerError::file(path, format!("cannot be read: {error}"));
    let Some(connection) = schema::open_to_read(path)? else { return Ok(Summary::default()) };
    let mut statement = connection.prepare(ROWS).map_err(blame)?;
    let mut rows =
        statement.query(params![query.since_ms, query.origin.map(Origin::label)]).map_err(blame)?;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut total = Group::default();
    let mut models = std::collections::BTreeSet::new();
    while let Some(row) = rows.next().map_err(blame)? {
        let name: Option<String> = row.get(query.by.column()).map_err(blame)?;
        let name = name.unwrap_or_else(|| NONE.to_owned());
        groups.entry(name).or_default().add(row).map_err(blame)?;
        total.add(row).map_err(blame)?;
        models.extend(row.get::<_, Option<String>>("if_remote_model").map_err(blame)?);
    }
    let mut lines: Vec<Line> = groups.into_iter().map(|(name, group)| group.line(name)).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.requests));
    Ok(Summary {
        lines,
        total: total.line("total".to_owned()),
        if_remote_models: models.into_iter().collect(),
    })
}

#[derive(Default)]
struct Group {
    line: Line,
    totals: Vec<u64>,
    firsts: Vec<u64>,
    scores: f64,
}

impl Group {
    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let whole = |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        let line = &mut self.line;
        line.requests += 1;
        line.prompt_tokens = line.prompt_tokens.saturating_add(whole("prompt_tokens")?);
        line.completion_tokens = line.completion_tokens.saturating_add(whole("completion_tokens")?);
        let cost = row.get::<_, Option<i64>>("cost_micros")?.map(Micros);
        let if_remote = row.get::<_, Option<i64>>("if_remote_micros")?.map(Micros);
        line.cost_micros += cost.unwrap_or_default();
        line.unpriced += u64::from(cost.is_none());
        if let (Some(cost), Some(if_remote)) = (cost, if_remote) {
            line.compared += 1;
            line.if_remote_micros += if_remote;
            line.saved_micros += if_remote - cost;
        }
        match row.get_ref("error")?.as_str()? {
            NONE => self.totals.push(whole("total_us")?),
            "client_closed" => line.client_closed += 1,
            _ => line.errors += 1,
        }
        self.firsts.extend(row.get::<_, Option<i64>>("first_chunk_us")?.map(i64::unsigned_abs));
        if let Some(score) = row.get::<_, Option<f64>>("score")? {
            self.line.rated += 1;
            self.scores += score;
        }
        Ok(())
    }

    fn line(mut self, name: String) -> Line {
        self.totals.sort_unstable();
        self.firsts.sort_unstable();
        Line {
            name,
            total_p50_us: percentile(&self.totals, 50),
            total_p95_us: percentile(&self.totals, 95),
            first_p50_us: percentile(&self.firsts, 50),
            first_p95_us: percentile(&self.firsts, 95),
            feedback: (self.line.rated > 0).then(|| self.scores / self.line.rated as f64),
            ..self.line
        }
    }
}

/// The nearest-rank percentile of sorted values.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50), Some(50));
        assert_eq!(percentile(&hundred, 95), Some(95));
        assert_eq!(percentile(&[7], 95), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
