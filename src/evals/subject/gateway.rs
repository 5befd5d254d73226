//! The gateway in this process, as evals see it: the house implements [`Gateway`] over its pipeline.
//! One gateway is many subjects: each policy, and each tier on its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::wording::{Manner, Wording};
use super::{ALWAYS_LOCAL, ALWAYS_REMOTE, AUTO, DecisionFacts, Price, Subject, SubjectError, Transcript};
use crate::chat::Control;
use crate::evals::dataset::Sample;

/// One question to a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The conversation, in OpenAI's form.
    pub messages: &'a [Value],
    /// The tools that may be called, in OpenAI's form; empty for none.
    pub tools: &'a [Value],
    /// What stands in `model`: `auto`, `local`, `remote`, a policy's name or a model's.
    pub model: &'a str,
    /// Where it must go.
    pub control: Control,
    /// Most tokens that the answer may take.
    pub max_tokens: u32,
    /// How it is put.
    pub wording: Wording,
}

impl Question<'_> {
    /// The body of the chat completion that asks it: greedy where that is asked, streamed, with usage.
    pub fn body(&self) -> Vec<u8> {
        let mut body = json!({
            "model": self.model,
            "messages": self.messages,
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        let bound = if self.wording.newer { "max_completion_tokens" } else { "max_tokens" };
        body[bound] = json!(self.max_tokens);
        if self.wording.greedy {
            body["temperature"] = json!(0);
        }
        if !self.tools.is_empty() {
            body["tools"] = json!(self.tools);
        }
        body.to_string().into_bytes()
    }
}

/// What is fixed about a gateway for the length of a run.
#[derive(Clone, Debug, Default)]
pub struct GatewayFacts {
    /// The policy in charge.
    pub policy: String,
    /// Every policy, with the hash of its text.
    pub policies: BTreeMap<String, String>,
    /// Hash of the classifier.
    pub classifier: Option<String>,
    /// Hash of the local model.
    pub local_model: Option<String>,
    /// The remote model's prices.
    pub price: Option<Price>,
    /// The rows that the calibration in force was made of.
    pub chosen_on: Option<ChosenOn>,
}

/// The golden set that a steering score and its threshold come of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenOn {
    /// SHA-256 of its rows.
    pub suite: String,
    /// Rows that fitted the score or chose the threshold.
    pub rows: usize,
    /// The same, with those that only measured what came of it.
    pub of: usize,
}

/// A gateway in this process. Everything it is asked here is recorded with the origin `eval`.
pub trait Gateway: Send + Sync {
    /// What is fixed about it.
    fn facts(&self) -> GatewayFacts;

    /// Answers like any request of a client, waiting for the whole answer. Dropping the future stops the work.
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Transcript, SubjectError>>;

    /// Decides like any request, but as if both tiers were ready and idle, and calls nobody: what is judged is the
    /// policy, and the remote tier may be a gold answer. `target` is the plan's first.
    fn decide<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<DecisionFacts, SubjectError>>;
}

/// One way of asking a gateway.
pub struct GatewaySubject {
    gateway: Arc<dyn Gateway>,
    name: String,
    model: String,
    control: Control,
    max_tokens: u32,
    manner: Manner,
}

impl GatewaySubject {
    /// The policy `name`, or whatever else `model` may say.
    pub fn policy(gateway: Arc<dyn Gateway>, name: &str, max_tokens: u32) -> Self {
        let mixed = name == AUTO || gateway.facts().policies.contains_key(name);
        Self { manner: Manner::new(mixed), ..Self::new(gateway, [name, name], Control::Auto, max_tokens) }
    }

    /// The local tier alone.
    pub fn always_local(gateway: Arc<dyn Gateway>, max_tokens: u32) -> Self {
        Self::new(gateway, [ALWAYS_LOCAL, "local"], Control::OnlyLocal, max_tokens)
    }

    /// The remote tier alone, really asked: this costs money.
    pub fn always_remote(gateway: Arc<dyn Gateway>, max_tokens: u32) -> Self {
        Self::new(gateway, [ALWAYS_REMOTE, "remote"], Control::OnlyRemote, max_tokens)
    }

    fn new(gateway: Arc<dyn Gateway>, names: [&str; 2], control: Control, max_tokens: u32) -> Self {
        let [name, model] = names.map(str::to_owned);
        Self { gateway, name, model, control, max_tokens, manner: Manner::default() }
    }

    fn question<'a>(&'a self, sample: &'a Sample, wording: Wording) -> Question<'a> {
        Question {
            messages: &sample.messages,
            tools: &sample.tools,
            model: &self.model,
            control: self.control,
            max_tokens: self.max_tokens,
            wording,
        }
    }
}

impl Subject for GatewaySubject {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        Box::pin(self.manner.ask(move |wording| self.gateway.ask(self.question(sample, wording))))
    }

    fn decide<'a>(
        &'a self,
        sample: &'a Sample,
    ) -> Option<BoxFuture<'a, Result<DecisionFacts, SubjectError>>> {
        (self.control == Control::Auto)
            .then(|| self.gateway.decide(self.question(sample, Wording::default())))
    }
}
