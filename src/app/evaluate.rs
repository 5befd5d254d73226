//! A house as evals drive it: in process, over the same pipeline as clients, with every record of an origin that is not
//! a client's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::House;
use crate::chat::{BackendId, ChatRequest, Confidence, Delta, Event, RequestId};
use crate::config::Paths;
use crate::dialects::openai_chat::{parse_request, upstream};
use crate::evals::{
    ChosenOn, DecisionFacts, Gateway, GatewayFacts, Price, Question, ServedBy, SubjectError, ToolCall,
    ToolCallFold, Transcript,
};
use crate::ledger::{Ledger, Origin};
use crate::onnx::sha256;
use crate::pipeline::{Answer, Pipeline, Refused, Why};
use crate::routing::{LOCAL, REMOTE, Rows, Standing, model_hash};

/// A gateway for evals.
pub struct EvalHouse {
    pipeline: Arc<Pipeline>,
    ledger: Arc<Ledger>,
    facts: GatewayFacts,
    origin: Origin,
    classifier: PathBuf,
    local_model: PathBuf,
}

impl EvalHouse {
    /// Takes over a house that was opened without a store; its ledger keeps nothing. Blocks while it
    /// hashes the models.
    #[expect(clippy::needless_pass_by_value, reason = "nobody else may read the records of this house")]
    pub fn new(house: House, paths: &Paths) -> Self {
        Self::beside(&house, paths, Origin::Eval).hashed()
    }

    /// Asks a house that serves clients too; its ledger keeps the records under `origin`. Its facts have no hashes yet.
    pub(super) fn beside(house: &House, paths: &Paths, origin: Origin) -> Self {
        let model = house.config.remote.model.clone();
        let ledger = Arc::clone(&house.ledger);
        let priced = house.ledger.prices().knows(&model);
        let facts = GatewayFacts {
            policy: house.config.policy.clone(),
            policies: house.pipeline.policy_hashes().collect::<BTreeMap<_, _>>(),
            classifier: None,
            local_model: None,
            price: priced.then(|| {
                let ledger = Arc::clone(&ledger);
                Price::new(model.clone(), move |usage| ledger.prices().cost(&model, usage))
            }),
            chosen_on: chosen_on(&house.calibration),
        };
        let [classifier, local_model] =
            [&house.config.classifier.model, &house.config.local.model].map(|name| paths.model(name));
        let pipeline = Arc::clone(&house.pipeline);
        Self { pipeline, ledger, facts, origin, classifier, local_model }
    }

    /// With the models' hashes in its facts. Blocks for as long as reading every file of theirs takes.
    pub(super) fn hashed(mut self) -> Self {
        self.facts.classifier = graph_hash(&self.classifier);
        // Weights may lie beside the graph, so the whole folder counts.
        self.facts.local_model = model_hash(&self.local_model);
        self
    }

    async fn transcribe(&self, question: Question<'_>) -> Result<Transcript, SubjectError> {
        let request = Arc::new(request_of(question)?);
        let mut recorder = self.pipeline.open(RequestId::fresh(), self.origin);
        let record = recorder.copy();
        let answer = self.pipeline.answer(request, recorder).await.map_err(|refused| closed(*refused))?;
        let Drained { text, tool_calls, begun, .. } = drain(answer).await?;
        let outcome = record.await.map_err(|_| SubjectError::Broken("the record is missing".to_owned()))?;
        if self.origin == Origin::Eval {
            drop(self.ledger.take());
        }
        Ok(Transcript {
            text,
            tool_calls,
            served_by: served_by(outcome.served_by.as_ref()),
            model: outcome.model,
            reason: outcome.reason.map(|reason| reason.label().to_owned()),
            usage: outcome.usage,
            cost: outcome.cost,
            cost_if_remote: outcome.cost_if_remote.map(|if_remote| if_remote.cost),
            ttft: outcome.first_chunk_in,
            total: Some(outcome.total),
            local_ok: outcome.verdict.map(|verdict| verdict.steering()),
            prompt_tokens: Some(outcome.prompt_tokens_estimate),
            begun,
        })
    }

    async fn rehearse(&self, question: Question<'_>) -> Result<DecisionFacts, SubjectError> {
        let request = request_of(question)?;
        let refused = |error: crate::pipeline::UnknownModel| SubjectError::Refused(error.to_string());
        let decision = self.pipeline.rehearse(&request).await.map_err(refused)?;
        Ok(DecisionFacts {
            target: served_by(decision.plan.targets().first().copied()),
            reason: decision.reason.label().to_owned(),
            local_ok: decision.verdict.map(|verdict| verdict.steering()),
            prompt_tokens: decision.prompt_tokens,
            decided_in: decision.decided_in,
        })
    }
}

impl Gateway for EvalHouse {
    fn facts(&self) -> GatewayFacts {
        self.facts.clone()
    }

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        Box::pin(self.transcribe(question))
    }

    fn decide<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<DecisionFacts, SubjectError>> {
        Box::pin(self.rehearse(question))
    }
}

/// Closes the record of a request that was refused or failed, and says what an upstream named as at fault.
fn closed(Refused { why, recorder, .. }: Refused) -> SubjectError {
    let end = why.end();
    recorder.finish(end);
    let (code, param) = match &why {
        Why::Backend(error) => (error.code.as_deref(), error.param.as_deref()),
        _ => (None, None),
    };
    SubjectError::refused(end.label(), code, param)
}

fn request_of(question: Question<'_>) -> Result<ChatRequest, SubjectError> {
    let mut request =
        parse_request(question.body().into()).map_err(|error| SubjectError::Refused(error.to_string()))?;
    request.controls.route = question.control;
    Ok(request)
}

/// What the first choice says.
pub(super) struct Drained {
    pub(super) text: String,
    tool_calls: Vec<ToolCall>,
    /// It says something that is no text: [`Chunk::beside_text`](crate::chat::Chunk::beside_text).
    pub(super) beside_text: bool,
    /// How surely it began, where the local model is watched.
    begun: Vec<Confidence>,
}

/// Reads an answer to its end. The record is closed when this returns.
pub(super) async fn drain(mut answer: Answer) -> Result<Drained, SubjectError> {
    let (mut text, mut begun, mut beside_text) = (String::new(), vec![], false);
    let mut calls = ToolCallFold::default();
    while let Some(step) = answer.next().await {
        let chunk = step.map_err(|error| SubjectError::Broken(error.kind.label().to_owned()))?;
        beside_text |= chunk.beside_text();
        begun.extend(chunk.confidence);
        for event in chunk.events {
            match event {
                Event::Delta { index: 0, delta: Delta::Text(piece) | Delta::Refusal(piece) } => {
                    text.push_str(&piece);
                }
                Event::Delta { index: 0, delta: Delta::ToolCalls(pieces) } => calls.push(&pieces),
                Event::Whole { text: whole } => {
                    text = whole;
                    let raw = chunk.raw.as_deref().unwrap_or_default();
                    calls.push(&calls_of(raw));
                }
                _ => {}
            }
        }
    }
    Ok(Drained { text, tool_calls: calls.finish(), beside_text, begun })
}

/// The tool calls of a whole answer's first choice, in the older form too; null where there are none.
fn calls_of(raw: &[u8]) -> Value {
    let mut body = upstream::read_json(raw).unwrap_or_default();
    let mut taken = |pointer: &str| body.pointer_mut(pointer).map(Value::take).unwrap_or_default();
    match taken("/choices/0/message/function_call") {
        call @ Value::Object(_) => json!([{ "function": call }]),
        _ => taken("/choices/0/message/tool_calls"),
    }
}

fn served_by(id: Option<&BackendId>) -> ServedBy {
    match id.map(BackendId::as_str) {
        Some(LOCAL) => ServedBy::Local,
        Some(REMOTE) => ServedBy::Remote,
        _ => ServedBy::None,
    }
}

/// The rows that chose the threshold, where one steers.
fn chosen_on(standing: &Standing) -> Option<ChosenOn> {
    let Standing::Valid(calibration) = standing else { return None };
    let Rows { fit, calibrate, test } = calibration.rows;
    let suite = calibration.bound.golden.hash.clone();
    Some(ChosenOn { suite, rows: fit + calibrate, of: fit + calibrate + test })
}

/// The hash of a model's graph, where there is one.
fn graph_hash(folder: &Path) -> Option<String> {
    sha256(&folder.join("model.onnx")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_beside_a_character_cut_in_two_are_read() {
        let raw =
            br#"{"choices":[{"message":{"content":"\ud83d","tool_calls":[{"function":{"name":"f"}}]}}]}"#;
        assert_eq!(calls_of(raw)[0]["function"]["name"], "f");
        assert_eq!(calls_of(br#"{"choices":[{"message":{"content":"\ud83d"}}]}"#), Value::Null);
    }

    #[test]
    fn a_call_in_the_older_form_is_a_call() {
        let raw = br#"{"choices":[{"message":{"content":null,"function_call":{"name":"f"}}}]}"#;
        assert_eq!(calls_of(raw)[0]["function"]["name"], "f");
        let raw =
            br#"{"choices":[{"message":{"function_call":null,"tool_calls":[{"function":{"name":"g"}}]}}]}"#;
        assert_eq!(calls_of(raw)[0]["function"]["name"], "g");
    }
}
