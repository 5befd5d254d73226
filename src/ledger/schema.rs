//! The SQLite file's form: opening, migrating forward, and inserting outcomes. Money is whole micro-dollars and time
//! whole microseconds. The file says its version (`user_version`); a newer one is refused, never guessed at.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, named_params};
use serde_json::{Value, json};

use super::count::attempt_label;
use super::{Attempt, LedgerError, Origin, Outcome};
use crate::chat::RequestId;

/// How long a statement waits for another process's lock.
const BUSY: Duration = Duration::from_millis(1_000);

/// One step a version; the file's version is the number of steps taken. Steps are only ever added.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE outcomes (
    id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    origin TEXT NOT NULL,
    policy TEXT,
    policy_hash TEXT,
    rule TEXT,
    reason TEXT,
    local_ok REAL,
    gain REAL,
    task TEXT,
    expected_output_tokens INTEGER,
    threshold REAL,
    prompt_tokens_estimate INTEGER NOT NULL,
    first_target TEXT,
    served_by TEXT,
    model TEXT,
    prompt_tokens INTEGER NOT NULL,
    cached_prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    tokens_estimated INTEGER NOT NULL,
    cost_micros INTEGER,
    if_remote_model TEXT,
    if_remote_micros INTEGER,
    decided_us INTEGER NOT NULL,
    first_chunk_us INTEGER,
    total_us INTEGER NOT NULL,
    status INTEGER NOT NULL,
    error TEXT NOT NULL,
    attempts TEXT NOT NULL
);
CREATE INDEX outcomes_by_time ON outcomes (at_ms);
CREATE TABLE eval_runs (
    run_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    suite TEXT NOT NULL,
    version TEXT NOT NULL,
    subject TEXT NOT NULL,
    quality REAL,
    ci_low REAL,
    ci_high REAL,
    local_share REAL,
    cost_micros INTEGER,
    n INTEGER NOT NULL,
    hashes TEXT NOT NULL
);
CREATE INDEX eval_runs_by_suite ON eval_runs (suite, at_ms);
",
    "
ALTER TABLE outcomes ADD COLUMN calibrated REAL;
ALTER TABLE outcomes ADD COLUMN facts TEXT;
ALTER TABLE outcomes ADD COLUMN propensity REAL;
ALTER TABLE outcomes ADD COLUMN shadow_probability REAL;
ALTER TABLE outcomes ADD COLUMN shadow_of TEXT;
CREATE INDEX outcomes_by_id ON outcomes (id);
CREATE INDEX outcomes_by_live ON outcomes (shadow_of) WHERE shadow_of IS NOT NULL;
CREATE TABLE feedback (
    request_id TEXT NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    score REAL NOT NULL
);
CREATE TABLE grades (
    request_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (request_id, kind)
);
ALTER TABLE eval_runs ADD COLUMN origin TEXT NOT NULL DEFAULT 'eval';
",
];

const INSERT: &str = "
INSERT INTO outcomes VALUES (
    :id, :at_ms, :origin, :policy, :policy_hash, :rule, :reason, :local_ok, :gain, :task, :expected_output_tokens,
    :threshold, :prompt_tokens_estimate, :first_target, :served_by, :model, :prompt_tokens, :cached_prompt_tokens,
    :completion_tokens, :reasoning_tokens, :tokens_estimated, :cost_micros, :if_remote_model, :if_remote_micros,
    :decided_us, :first_chunk_us, :total_us, :status, :error, :attempts, :calibrated, :facts, :propensity,
    :shadow_probability, :shadow_of
)";

/// Opens the file for writing, creates what is missing and migrates it forward.
pub(crate) fn open(path: &Path) -> Result<Connection, LedgerError> {
    let blame = |error: rusqlite::Error| {
        let mend = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => "another process holds it locked; end that one",
            _ => "set ledger.path to a file in a folder that can be written",
        };
        LedgerError::file(path, format!("cannot be opened as a ledger: {error}; {mend}"))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            let folder = folder.display();
            LedgerError::file(path, format!("its folder {folder} cannot be created: {error}"))
        })?;
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(blame)?;
    connection.busy_timeout(BUSY).map_err(blame)?;
    // With a write-ahead log readers never wait for the writer; NORMAL survives a killed process in full, and a power
    // cut without corruption.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(blame)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(blame)?;
    migrate(&mut connection, path).map_err(|error| match error {
        Migration::Newer(error) => error,
        Migration::Sql(error) => blame(error),
    })?;
    Ok(connection)
}

enum Migration {
    Newer(LedgerError),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Migration {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Migration> {
    // Immediate: two processes that start at once take turns, and a file that cannot be written shows here.
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version = version(&transaction)?;
    let steps = MIGRATIONS.get(version..).ok_or_else(|| Migration::Newer(newer(path, version)))?;
    for step in steps {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    Ok(transaction.commit()?)
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn newer(path: &Path, version: usize) -> LedgerError {
    let ours = MIGRATIONS.len();
    let message = format!(
        "has schema {version}, this version reads up to {ours}: update crossover or name another file"
    );
    LedgerError::file(path, message)
}

fn older(path: &Path, version: usize) -> LedgerError {
    let ours = MIGRATIONS.len();
    let message = format!(
        "has schema {version}, this version reads {ours}: `crossover serve` brings it forward; \
         stop an older version that still writes it first"
    );
    LedgerError::Older { path: path.to_path_buf(), message }
}

/// Opens the file for reading, while another process may be writing it; `None` when there is nothing to read yet. A file
/// of another form is refused: bringing it forward would break an older version that writes it.
pub(crate) fn open_to_read(path: &Path) -> Result<Option<Connection>, LedgerError> {
    if !path.exists() {
        return Ok(None);
    }
    let blame =
        |error: rusqlite::Error| LedgerError::file(path, format!("cannot be read as a ledger: {error}"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(blame)?;
    connection.busy_timeout(BUSY).map_err(blame)?;
    match version(&connection).map_err(blame)? {
        0 => Ok(None),
        version if version > MIGRATIONS.len() => Err(newer(path, version)),
        version if version < MIGRATIONS.len() => Err(older(path, version)),
        _ => Ok(Some(connection)),
    }
}

/// Writes outcomes in one transaction: all or none.
#[expect(clippy::vec_box, reason = "the queue's own rows")]
pub(crate) fn insert(connection: &mut Connection, outcomes: &Vec<Box<Outcome>>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut statement = transaction.prepare(INSERT)?;
    for outcome in outcomes {
        insert_one(&mut statement, outcome)?;
    }
    drop(statement);
    transaction.commit()
}

fn insert_one(statement: &mut rusqlite::Statement<'_>, outcome: &Outcome) -> rusqlite::Result<()> {
    let verdict = outcome.verdict.as_ref();
    let usage = &outcome.usage;
    let if_remote = outcome.cost_if_remote.as_ref();
    statement.execute(named_params! {
        ":id": outcome.id.as_str(),
        ":at_ms": outcome.at_ms,
        ":origin": outcome.origin.label(),
        ":policy": outcome.policy.as_ref().map(|policy| &policy.name),
        ":policy_hash": outcome.policy.as_ref().map(|policy| &policy.hash),
        ":rule": outcome.rule,
        ":reason": outcome.reason.map(|reason| reason.label()),
        ":local_ok": verdict.map(|verdict| f64::from(verdict.local_ok)),
        ":gain": verdict.and_then(|verdict| verdict.gain).map(f64::from),
        ":task": verdict.and_then(|verdict| verdict.task.as_ref()),
        ":expected_output_tokens": verdict.and_then(|verdict| verdict.expected_output_tokens),
        ":threshold": outcome.threshold.map(f64::from),
        ":prompt_tokens_estimate": outcome.prompt_tokens_estimate,
        ":first_target": outcome.first_target.as_ref().map(|id| id.as_str()),
        ":served_by": outcome.served_by.as_ref().map(|id| id.as_str()),
        ":model": outcome.model,
        ":prompt_tokens": whole(usage.prompt),
        ":cached_prompt_tokens": whole(usage.cached_prompt),
        ":completion_tokens": whole(usage.completion),
        ":reasoning_tokens": whole(usage.reasoning),
        ":tokens_estimated": usage.estimated,
        ":cost_micros": outcome.cost.map(|cost| cost.0),
        ":if_remote_model": if_remote.map(|estimate| &estimate.model),
        ":if_remote_micros": if_remote.map(|estimate| estimate.cost.0),
        ":decided_us": micros(outcome.decided_in),
        ":first_chunk_us": outcome.first_chunk_in.map(micros),
        ":total_us": micros(outcome.total),
        ":status": outcome.status,
        ":error": outcome.end.label(),
        ":attempts": attempts(outcome).to_string(),
        ":calibrated": verdict.and_then(|verdict| verdict.calibrated).map(f64::from),
        ":facts": facts(outcome),
        ":propensity": outcome.propensity,
        ":shadow_probability": outcome.shadow_probability,
        ":shadow_of": outcome.shadow_of.as_ref().map(RequestId::as_str),
    })?;
    Ok(())
}

/// What the policy read; only a live request is ever decided again.
fn facts(outcome: &Outcome) -> Option<String> {
    let record = outcome.record.as_ref().filter(|_| outcome.origin == Origin::Live)?;
    serde_json::to_string(record).ok()
}

fn attempts(outcome: &Outcome) -> Value {
    let one = |attempt: &Attempt| {
        json!({
            "backend": attempt.backend.as_str(),
            "model": attempt.model,
            "outcome": attempt_label(attempt, outcome.end),
            "usage": attempt.usage,
            "took_us": micros(attempt.took),
            "busy_us": attempt.busy.map(micros),
            "cost_micros": attempt.cost.map(|cost| cost.0),
        })
    };
    outcome.attempts.iter().map(one).collect()
}

/// Counts that an upstream made up may not fit SQLite's signed integers.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
