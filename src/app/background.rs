//! What a served house does beside answering clients: shadow answers and scheduled golden runs. Stops when dropped.

use std::sync::{Arc, PoisonError};

use tokio::task::JoinSet;

use super::schedule::Schedule;
use super::shadow::Worker;
use super::{EvalHouse, House};
use crate::evals::{GatewaySubject, Judges};
use crate::ledger::Origin;
use crate::routing::{Grade, Policy};

/// Most tokens of a judge's verdict.
const VERDICT_TOKENS: u32 = 512;

/// Work under way in the background. Dropping it ends the work; records of answers under way are closed.
pub struct Background(#[expect(dead_code, reason = "held so that it ends with its holder")] JoinSet<()>);

impl House {
    /// Starts the background's work, inside the runtime that serves. Only the first call finds something to do.
    pub fn start_background(&self) -> Background {
        let mut tasks = JoinSet::new();
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(samples) = samples else { return Background(tasks) };
        let worker = Worker { pipeline: Arc::clone(&self.pipeline), judges: self.judges() };
        tasks.spawn(worker.work(samples));
        if let (false, Some(ledger_file)) = (self.suites.is_empty(), &self.ledger_file) {
            let schedule = Schedule {
                config: self.config.golden.clone(),
                suites: self.suites.clone(),
                house: EvalHouse::beside(self, &self.paths, Origin::Golden),
                pipeline: Arc::clone(&self.pipeline),
                ledger_file: ledger_file.clone(),
            };
            tasks.spawn(schedule.work());
        }
        Background(tasks)
    }

    /// The remote model as judge, where a policy wants one; what it costs is recorded under the origin `shadow`.
    fn judges(&self) -> Judges {
        let wants = |policy: &Policy| policy.shadow().is_some_and(|shadow| shadow.grade == Grade::Judge);
        let judge = self.pipeline.policies().any(wants).then(|| {
            let gateway = Arc::new(EvalHouse::beside(self, &self.paths, Origin::Shadow));
            Arc::new(GatewaySubject::always_remote(gateway, VERDICT_TOKENS)) as _
        });
        Judges { judge, embedder: None }
    }
}
