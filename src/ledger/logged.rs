//! Live requests read back out of the file, with everything that was learnt of them since: shadow answers, grades and
//! users' verdicts. For replays and estimates; facts and numbers, since the file holds nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Row};
use serde_json::Value;

use super::{LedgerError, schema};
use crate::chat::{BackendId, Micros};
use crate::routing::{DecisionRecord, PolicyVersion, Verdict};

/// Embeddings have a reason and no policy that gave it: nobody decides them, now or again.
const ROWS: &str = "
SELECT outcomes.*, feedback.score AS score,
       shadow.served_by AS shadow_by, shadow.cost_micros AS shadow_micros, shadow.total_us AS shadow_us,
       shadow.attempts AS shadow_attempts
FROM outcomes
LEFT JOIN feedback ON feedback.request_id = outcomes.id
LEFT JOIN outcomes AS shadow ON shadow.shadow_of = outcomes.id AND shadow.error = 'none'
WHERE outcomes.origin = 'live' AND outcomes.at_ms >= ?1
  AND (outcomes.policy IS NOT NULL OR outcomes.reason IS NULL)
ORDER BY outcomes.at_ms, outcomes.rowid";

/// One live request.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The policy that decided; `None` when the request never came so far.
    pub policy: Option<PolicyVersion>,
    /// The rule that matched.
    pub rule: Option<String>,
    /// First target of the plan.
    pub first_target: Option<BackendId>,
    /// What became of it; `None` when nobody answered.
    pub answered: Option<Answered>,
    /// What a remote answer would have cost, where known.
    pub if_remote: Option<Micros>,
    /// What the classifier said.
    pub verdict: Option<Verdict>,
    /// What the policy read; `None` in rows of versions that kept nothing, or where it cannot be read.
    pub record: Option<DecisionRecord>,
    /// The probability with which the first target came first.
    pub propensity: f64,
    /// The probability with which it was to be answered by the other target too; `None`: nothing was drawn.
    pub shadow_probability: Option<f64>,
    /// The other target's answer.
    pub shadow: Option<Answered>,
    /// The user's verdict, from -1 to 1.
    pub feedback: Option<f64>,
    /// Grades by kind.
    pub grades: BTreeMap<String, f64>,
}

/// One whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// By whom.
    pub by: BackendId,
    /// What it cost, attempts before it included, where known.
    pub cost: Option<Micros>,
    /// Time to its end.
    pub total: Duration,
    /// What the answering attempt alone cost, where known.
    pub own_cost: Option<Micros>,
    /// Time to its end without the attempts before it.
    pub own_time: Duration,
}

/// Reads the live requests since then, in order of arrival; none where there is no file yet. Blocks.
///
/// # Errors
/// When the file cannot be read as a ledger.
pub fn logged(path: &Path, since_ms: i64) -> Result<Vec<Logged>, LedgerError> {
    let blame = |error: rusqlite::Error| LedgerError::file(path, format!("cannot be read: {error}"));
    let Some(connection) = schema::open_to_read(path)? else { return Ok(vec![]) };
    let mut grades = grades(&connection).map_err(blame)?;
    let mut statement = connection.prepare(ROWS).map_err(blame)?;
    let rows = statement.query_map([since_ms], |row| read(row, &mut grades)).map_err(blame)?;
    rows.collect::<rusqlite::Result<_>>().map_err(blame)
}

type Grades = BTreeMap<String, BTreeMap<String, f64>>;

fn grades(connection: &Connection) -> rusqlite::Result<Grades> {
    let mut all = Grades::new();
    let mut statement = connection.prepare("SELECT request_id, kind, value FROM grades")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        all.entry(row.get(0)?).or_default().insert(row.get(1)?, row.get(2)?);
    }
    Ok(all)
}

fn read(row: &Row<'_>, grades: &mut Grades) -> rusqlite::Result<Logged> {
    let backend = |column: &str| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(column)?.map(|name| BackendId::new(&name)))
    };
    let answered = |by: &str, cost: &str, total: &str, attempts: &str| {
        let Some(by) = backend(by)? else { return Ok::<_, rusqlite::Error>(None) };
        let cost = row.get::<_, Option<i64>>(cost)?.map(Micros);
        let total = Duration::from_micros(row.get::<_, i64>(total)?.unsigned_abs());
        let attempts: Option<String> = row.get(attempts)?;
        let own = attempts.and_then(|attempts| own(&attempts, &by, total));
        let (own_cost, own_time) = own.unwrap_or((cost, total));
        Ok(Some(Answered { by, cost, total, own_cost, own_time }))
    };
    let name: Option<String> = row.get("policy")?;
    let hash: Option<String> = row.get("policy_hash")?;
    let facts: Option<String> = row.get("facts")?;
    let id: String = row.get("id")?;
    let whole = row.get_ref("error")?.as_str()? == super::count::NONE;
    Ok(Logged {
        policy: name.zip(hash).map(|(name, hash)| PolicyVersion { name, hash }),
        rule: row.get("rule")?,
        first_target: backend("first_target")?,
        answered: if whole { answered("served_by", "cost_micros", "total_us", "attempts")? } else { None },
        if_remote: row.get::<_, Option<i64>>("if_remote_micros")?.map(Micros),
        verdict: verdict(row)?,
        record: facts.and_then(|facts| serde_json::from_str(&facts).ok()),
        propensity: row.get::<_, Option<f64>>("propensity")?.unwrap_or(1.0),
        shadow_probability: row.get("shadow_probability")?,
        shadow: answered("shadow_by", "shadow_micros", "shadow_us", "shadow_attempts")?,
        feedback: row.get("score")?,
        grades: grades.remove(&id).unwrap_or_default(),
    })
}

/// What the answering attempt, the last one, alone cost, and the time without those before it; `None` where the row does
/// not tell its attempts.
fn own(attempts: &str, by: &BackendId, total: Duration) -> Option<(Option<Micros>, Duration)> {
    let attempts: Vec<Value> = serde_json::from_str(attempts).ok()?;
    let (answering, before) = attempts.split_last().filter(|(last, _)| last["backend"] == by.as_str())?;
    let took = |attempt: &Value| Duration::from_micros(attempt["took_us"].as_u64().unwrap_or_default());
    let lost: Duration = before.iter().map(took).sum();
    Some((answering["cost_micros"].as_i64().map(Micros), total.saturating_sub(lost)))
}

fn verdict(row: &Row<'_>) -> rusqlite::Result<Option<Verdict>> {
    let number =
        |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<f64>>(column)?.map(|it| it as f32));
    let Some(local_ok) = number("local_ok")? else { return Ok(None) };
    Ok(Some(Verdict {
        local_ok,
        calibrated: number("calibrated")?,
        gain: number("gain")?,
        task: row.get("task")?,
        expected_output_tokens: row.get("expected_output_tokens")?,
    }))
}
