//! A user's verdict on an answer, joined to its request in the ledger and counted. Keeps a number and nothing else.

use std::sync::Arc;

use super::Pipeline;
use crate::ledger::{NoteError, Noted};

/// The label of a policy that is no longer there.
const GONE: &str = "other";

impl Pipeline {
    /// Keeps a verdict in `[-1, 1]` on the answered request `id`; a later one takes its place.
    ///
    /// # Errors
    /// When no such request is known, or it could not be kept.
    pub async fn feedback(&self, id: String, score: f64) -> Result<Noted, NoteError> {
        let ledger = Arc::clone(&self.ledger);
        let kept = tokio::task::spawn_blocking(move || ledger.feedback(&id, score)).await;
        // A thread that could not be had, or that was told to end: as good as no file.
        let noted = kept.unwrap_or(Err(NoteError::NoFile))?;
        let policy = noted.policy.as_deref().filter(|name| self.router.policy(name).is_some());
        let labels = [policy.unwrap_or(GONE), &noted.served_by, verdict(score)];
        self.metrics().feedback_total.with_label_values(&labels).inc();
        Ok(noted)
    }
}

fn verdict(score: f64) -> &'static str {
    match score {
        score if score > 0.0 => "good",
        score if score < 0.0 => "bad",
        _ => "neutral",
    }
}
