//! The store's own thread: it alone writes the SQLite file, in one transaction a batch.
//! Promises that a killed process loses at most what came after the last batch (`ledger.flush-ms`) and that a stopped one
//! loses nothing. A full or locked disk never stops a request: rows are kept while the queue has room, then dropped and
//! counted, and the trouble is logged once when it begins and once when it ends.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::eval_runs::export_evals;
use super::queue::Queue;
use super::{LedgerError, Outcome, schema};

/// How often the newest eval runs are read into the metrics.
const EVALS_EVERY: Duration = Duration::from_secs(10);

/// The running thread.
pub(crate) struct Writer {
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Opens the file and starts the thread.
    pub(crate) fn start(path: &Path, every: Duration, queue: Arc<Queue>) -> Result<Self, LedgerError> {
        let connection = schema::open(path)?;
        let desk = Desk { path: path.to_path_buf(), connection, queue, held: vec![], failing: false };
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || desk.run(every))
            .map_err(|error| LedgerError::file(path, format!("its thread cannot be started: {error}")))?;
        Ok(Self { thread: Mutex::new(Some(thread)) })
    }

    /// Lets the thread write what waits, and ends it.
    pub(crate) fn stop(&self, queue: &Queue) {
        queue.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the ledger's writer ended through a fault of its own");
        }
    }
}

/// What the thread works with.
struct Desk {
    path: PathBuf,
    connection: Connection,
    queue: Arc<Queue>,
    #[expect(clippy::vec_box, reason = "rows are moved from hand to hand")]
    held: Vec<Box<Outcome>>,
    failing: bool,
}

impl Desk {
    fn run(mut self, every: Duration) {
        let mut evals_at: Option<Instant> = None;
        loop {
            if evals_at.is_none_or(|at| at.elapsed() >= EVALS_EVERY) {
                evals_at = Some(Instant::now());
                self.export_evals();
            }
            let turn = self.queue.wait(every, &mut self.held);
            let written = self.write();
            self.queue.report(&turn, written, self.held.len());
            if turn.stop {
                self.queue.drop_rows(self.held.len());
                if let Err((_, error)) = self.connection.close() {
                    tracing::warn!(file = %self.path.display(), %error, "the ledger did not close cleanly");
                }
                return;
            }
        }
    }

    /// Writes what is held; says how many rows that were.
    fn write(&mut self) -> usize {
        if self.held.is_empty() {
            return 0;
        }
        match schema::insert(&mut self.connection, &self.held) {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::warn!(file = %self.path.display(), "the ledger is written again");
                }
                let written = self.held.len();
                self.held.clear();
                written
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(
                        file = %self.path.display(), %error,
                        "the ledger cannot be written: rows are kept while there is room, then dropped and counted"
                    );
                }
                0
            }
        }
    }

    fn export_evals(&self) {
        if let Err(error) = export_evals(&self.path, self.queue.metrics()) {
            tracing::debug!(%error, "eval runs cannot be read");
        }
    }
}
