//! Answers shadow samples in the background, one after the other, and grades them. Nobody waits for it, a failure is
//! counted and no more, and texts live only as long as it takes to compare them: a grade is a number.

use std::sync::Arc;

use super::evaluate::{Drained, drain};
use crate::evals::agreement;
use crate::ledger::{Sample, Samples};
use crate::pipeline::{Pipeline, Why};
use crate::routing::Grade;

/// The kind of grade that says how much both answers agree.
pub(super) const AGREEMENT: &str = "agreement";

/// Answers samples until nobody can send any more.
pub(super) async fn work(pipeline: Arc<Pipeline>, mut samples: Samples) {
    while let Some(sample) = samples.recv().await {
        let became = answer(&pipeline, &sample).await;
        pipeline.count_sample(&sample.decision.policy.name, became);
    }
}

/// What became of a sample.
async fn answer(pipeline: &Arc<Pipeline>, sample: &Sample) -> &'static str {
    let mut answer = match pipeline.answer_beside(sample).await {
        Ok(answer) => answer,
        Err(refused) => {
            let became = if matches!(refused.why, Why::Overloaded) { "dropped" } else { "failed" };
            let end = refused.why.end();
            refused.recorder.finish(end);
            return became;
        }
    };
    answer.status(200);
    let Ok(Drained { text, .. }) = drain(answer).await else { return "failed" };
    if let (Grade::Agreement, Some(live)) = (sample.shadow.grade, &sample.answer)
        && !text.is_empty()
    {
        keep(pipeline, sample, AGREEMENT, agreement(live, &text)).await;
    }
    "answered"
}

async fn keep(pipeline: &Arc<Pipeline>, sample: &Sample, kind: &'static str, value: f64) {
    pipeline.metrics().shadow_grade.with_label_values(&[kind]).observe(value);
    let (ledger, id) = (Arc::clone(pipeline.ledger()), sample.id.clone());
    let kept = tokio::task::spawn_blocking(move || ledger.grade(id.as_str(), kind, value)).await;
    if let Ok(Err(error)) = kept {
        tracing::warn!(%error, "a grade was not kept");
    }
}
