//! What a served house does beside answering clients: shadow answers and scheduled golden runs. Stops when dropped.

use std::sync::{Arc, PoisonError};

use tokio::task::JoinSet;

use super::{House, shadow};

/// Work under way in the background. Dropping it ends the work; records of answers under way are closed.
pub struct Background(#[expect(dead_code, reason = "held so that it ends with its holder")] JoinSet<()>);

impl House {
    /// Starts the background's work, inside the runtime that serves. Only the first call finds something to do.
    pub fn start_background(&self) -> Background {
        let mut tasks = JoinSet::new();
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(samples) = samples {
            tasks.spawn(shadow::work(Arc::clone(&self.pipeline), samples));
        }
        Background(tasks)
    }
}
