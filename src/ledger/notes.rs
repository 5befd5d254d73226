//! What is learnt of a request after its record was closed: users' verdicts and grades, numbers only, in tables beside the
//! outcomes. Written at once through a connection of its own, since few come; never a comment, prompt or answer.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{LedgerError, schema};

/// Why a note was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// No answered request of a client has that id.
    #[error("no answered request has this id")]
    Unknown,
    /// The ledger has no file.
    #[error("the ledger has no file")]
    NoFile,
    /// The file refused it.
    #[error(transparent)]
    File(#[from] LedgerError),
}

/// What a verdict was on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The policy that had decided.
    pub policy: Option<String>,
    /// Who had answered.
    pub served_by: String,
    /// Whether an earlier verdict was replaced.
    pub replaced: bool,
}

/// The connection that notes go through, opened with the first one.
pub(crate) struct Notes {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl Notes {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), connection: Mutex::default() }
    }

    pub(crate) fn feedback(&self, request_id: &str, score: f64) -> Result<Noted, NoteError> {
        self.with(|connection| {
            // One that begins to read and writes later is refused at once, however long others may be waited for.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found = transaction
                .query_row(
                    "SELECT policy, served_by FROM outcomes
                     WHERE id = ?1 AND origin = 'live' AND served_by IS NOT NULL",
                    [request_id],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((policy, served_by)) = found else { return Ok(None) };
            let earlier: i64 = transaction.query_row(
                "SELECT COUNT(*) FROM feedback WHERE request_id = ?1",
                [request_id],
                |row| row.get(0),
            )?;
            transaction.execute(
                "INSERT OR REPLACE INTO feedback (request_id, at_ms, score) VALUES (?1, ?2, ?3)",
                params![request_id, now_ms(), score],
            )?;
            transaction.commit()?;
            Ok(Some(Noted { policy, served_by, replaced: earlier > 0 }))
        })?
        .ok_or(NoteError::Unknown)
    }

    pub(crate) fn grade(&self, request_id: &str, kind: &'static str, value: f64) -> Result<(), NoteError> {
        self.with(|connection| {
            connection.execute(
                "INSERT OR REPLACE INTO grades (request_id, kind, at_ms, value) VALUES (?1, ?2, ?3, ?4)",
                params![request_id, kind, now_ms(), value],
            )?;
            Ok(())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, NoteError> {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Some(schema::open(&self.path)?);
        }
        let Some(connection) = held.as_mut() else { return Err(NoteError::NoFile) };
        let blame = |error| LedgerError::file(&self.path, format!("a note cannot be kept: {error}"));
        Ok(work(connection).map_err(blame)?)
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_verdict_waits_for_a_writer_in_mid_transaction() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let writer = schema::open(&path).unwrap();
        let row = "INSERT INTO outcomes (id, at_ms, origin, served_by, prompt_tokens_estimate, prompt_tokens, cached_prompt_tokens,
                   completion_tokens, reasoning_tokens, tokens_estimated, decided_us, total_us, status, error, attempts)
                   VALUES ('req_1', 0, 'live', 'local', 0, 0, 0, 0, 0, 0, 0, 0, 200, 'none', '[]')";
        writer.execute(row, []).unwrap();
        let notes = Notes::new(&path);
        assert!(!notes.feedback("req_1", 1.0).unwrap().replaced);
        writer.execute_batch("BEGIN IMMEDIATE; UPDATE outcomes SET at_ms = 1;").unwrap();
        let told = tokio::task::spawn_blocking(move || notes.feedback("req_1", 0.0));
        tokio::time::sleep(Duration::from_millis(200)).await;
        writer.execute_batch("COMMIT").unwrap();
        assert!(told.await.unwrap().unwrap().replaced);
    }
}
