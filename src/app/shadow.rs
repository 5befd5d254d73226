//! Answers shadow samples in the background, one after the other, and grades them. Nobody waits for it, a failure is
//! counted and no more, and texts live only as long as it takes to compare them: a grade is a number.

use std::sync::Arc;

use serde_json::Value;

use super::evaluate::{Drained, drain};
use crate::evals::{Judges, agreement, preference};
use crate::ledger::{Sample, Samples};
use crate::pipeline::{Pipeline, Why};
use crate::routing::{Grade, LOCAL};

/// The kinds of grades.
const AGREEMENT: &str = "agreement";
const PREFERENCE: &str = "preference";

/// Who answers samples and has them graded.
pub(super) struct Worker {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) judges: Judges,
}

impl Worker {
    /// Answers samples until nobody can send any more.
    pub(super) async fn work(self, mut samples: Samples) {
        while let Some(sample) = samples.recv().await {
            let became = self.answer(&sample).await;
            self.pipeline.count_sample(&sample.decision.policy.name, became);
        }
    }

    /// What became of a sample.
    async fn answer(&self, sample: &Sample) -> &'static str {
        let mut answer = match self.pipeline.answer_beside(sample).await {
            Ok(answer) => answer,
            Err(refused) => {
                let became = if matches!(refused.why, Why::Overloaded) { "dropped" } else { "failed" };
                let end = refused.why.end();
                refused.recorder.finish(end);
                return became;
            }
        };
        answer.status(200);
        let Ok(Drained { text, beside_text, .. }) = drain(answer).await else { return "failed" };
        // Calls or parts alone cannot be compared; an answer that says nothing can, and is worth nothing.
        let no_text = text.is_empty() && beside_text;
        if let Some(live) = sample.answer.as_ref().filter(|_| !no_text) {
            self.grade(sample, live, &text).await;
        }
        "answered"
    }

    async fn grade(&self, sample: &Sample, live: &str, shadow: &str) {
        if sample.shadow.grade == Grade::None {
            return;
        }
        self.keep(sample, AGREEMENT, agreement(live, shadow)).await;
        if sample.shadow.grade != Grade::Judge {
            return;
        }
        let (local, remote) = if sample.target.as_str() == LOCAL { (shadow, live) } else { (live, shadow) };
        if let Some(preference) = preference(&self.judges, messages(sample), local, remote).await {
            self.keep(sample, PREFERENCE, preference).await;
        }
    }

    async fn keep(&self, sample: &Sample, kind: &'static str, value: f64) {
        self.pipeline.metrics().shadow_grade.with_label_values(&[kind]).observe(value);
        let (ledger, id) = (Arc::clone(self.pipeline.ledger()), sample.id.clone());
        let kept = tokio::task::spawn_blocking(move || ledger.grade(id.as_str(), kind, value)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "a grade was not kept");
        }
    }
}

/// The conversation as it came, for a judge; a sample may leave the boundary by its type.
fn messages(sample: &Sample) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&sample.request.original.body).unwrap_or_default();
    body["messages"].as_array().cloned().unwrap_or_default()
}
