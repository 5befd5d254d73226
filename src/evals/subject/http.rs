//! A running gateway, or anything that speaks OpenAI's chat completions, asked over HTTP as a client would.
//! Streams, so that the time to the first content is measured; a stream that breaks off is no answer.
//! Never retries what failed, which is reported as unscored: it only asks again without a parameter that is refused.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

use super::endpoint::{LONGEST_REPLY, refusal, unreachable_by};
use super::wording::{Manner, Wording};
use super::{
    ALWAYS_LOCAL, ALWAYS_REMOTE, Endpoint, Price, Question, ServedBy, Subject, SubjectError, ToolCallFold,
    Transcript,
};
use crate::chat::{Control, Usage};
use crate::dialects::openai_chat::upstream::read_json;
use crate::evals::dataset::Sample;

/// One model of an endpoint.
pub struct Http {
    endpoint: Endpoint,
    name: String,
    model: String,
    control: Control,
    max_tokens: u32,
    price: Option<Price>,
    stands_for: ServedBy,
    of_gateway: bool,
    manner: Manner,
}

impl Http {
    /// Asks `endpoint` for `model`; the report calls it `name`.
    pub fn new(endpoint: Endpoint, name: &str, model: &str, max_tokens: u32) -> Self {
        let (name, model) = (name.to_owned(), model.to_owned());
        Self {
            endpoint,
            name,
            model,
            control: Control::Auto,
            max_tokens,
            price: None,
            stands_for: ServedBy::None,
            of_gateway: false,
            manner: Manner::default(),
        }
    }

    /// The local tier of a Crossover gateway.
    pub fn always_local(endpoint: Endpoint, max_tokens: u32) -> Self {
        let local = Self::new(endpoint, ALWAYS_LOCAL, "local", max_tokens);
        Self { control: Control::OnlyLocal, of_gateway: true, ..local }
    }

    /// The remote tier of a Crossover gateway, really asked: this costs money.
    pub fn always_remote(endpoint: Endpoint, max_tokens: u32) -> Self {
        let remote = Self::new(endpoint, ALWAYS_REMOTE, "remote", max_tokens);
        Self { control: Control::OnlyRemote, of_gateway: true, ..remote }
    }

    /// Prices of the model that answers; behind a gateway, of its remote, for answers that it calls the remote's. What a
    /// local answer costs is not told over HTTP.
    #[must_use]
    pub fn priced(self, price: Option<Price>) -> Self {
        Self { price, ..self }
    }

    /// The tier that answers count for, where the server does not say: for one that is no Crossover gateway.
    #[must_use]
    pub fn standing_for(self, tier: ServedBy) -> Self {
        Self { stands_for: tier, ..self }
    }

    /// Whether either tier may answer, as behind a gateway's policies.
    #[must_use]
    pub fn of_both_tiers(self, mixed: bool) -> Self {
        Self { of_gateway: mixed, manner: Manner::new(mixed), ..self }
    }

    /// Whether the price is of who answered. Of a gateway somebody must say so: its header may be lost on the way.
    fn prices(&self, served_by: ServedBy) -> bool {
        served_by == ServedBy::Remote || served_by == ServedBy::None && !self.of_gateway
    }

    async fn asked(&self, sample: &Sample, wording: Wording) -> Result<Transcript, SubjectError> {
        let question = Question {
            messages: &sample.messages,
            tools: &sample.tools,
            model: &self.model,
            control: self.control,
            max_tokens: self.max_tokens,
            wording,
        };
        let mut headers = self.endpoint.headers();
        let route = match self.control {
            Control::OnlyLocal => Some("only-local"),
            Control::OnlyRemote => Some("only-remote"),
            Control::Auto | Control::PreferLocal | Control::PreferRemote => None,
        };
        if let Some(route) = route {
            headers.insert("x-crossover-route", HeaderValue::from_static(route));
        }
        let started = Instant::now();
        let request = self.endpoint.post("chat/completions").headers(headers).body(question.body());
        let reply = request.send().await.map_err(|error| unreachable_by(&error))?;
        let status = reply.status();
        let mut answer = announced(reply.headers());
        let streamed = (reply.headers().get(CONTENT_TYPE))
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let mut reading = Reading::default();
        let mut body = reply.bytes_stream();
        while let Some(bytes) = body.next().await {
            reading.take(
                &bytes.map_err(|error| unreachable_by(&error))?,
                streamed && status.is_success(),
                started,
            )?;
        }
        if !status.is_success() {
            return Err(refusal(status.as_u16(), &reading.raw));
        }
        reading.end(streamed)?;
        if answer.served_by == ServedBy::None {
            answer.served_by = self.stands_for;
        }
        answer.text = reading.text;
        answer.tool_calls = reading.calls.finish();
        answer.model = answer.model.or(reading.model);
        answer.ttft = reading.ttft;
        answer.total = Some(started.elapsed());
        answer.usage = reading.usage.unwrap_or_default();
        if let (Some(price), Some(usage)) = (&self.price, &reading.usage) {
            let cost = price.of(usage);
            answer.cost_if_remote = cost;
            answer.cost = cost.filter(|_| self.prices(answer.served_by));
        }
        Ok(answer)
    }
}

impl Subject for Http {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask<'a>(&'a self, sample: &'a Sample) -> BoxFuture<'a, Result<Transcript, SubjectError>> {
        self.manner.ask(move |wording| self.asked(sample, wording).boxed()).boxed()
    }
}

/// What the gateway's own headers say; anyone else's answer says nothing.
fn announced(headers: &HeaderMap) -> Transcript {
    let read = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    Transcript {
        served_by: match read("x-crossover-route") {
            Some("local") => ServedBy::Local,
            Some("remote") => ServedBy::Remote,
            _ => ServedBy::None,
        },
        model: read("x-crossover-model").map(str::to_owned),
        reason: read("x-crossover-reason").map(str::to_owned),
        local_ok: read("x-crossover-score")
            .and_then(|score| score.parse().ok())
            .filter(|score| (0.0..=1.0).contains(score)),
        ..Transcript::default()
    }
}

/// An answer as it comes in.
#[derive(Default)]
struct Reading {
    raw: Vec<u8>,
    length: usize,
    text: String,
    calls: ToolCallFold,
    ttft: Option<Duration>,
    usage: Option<Usage>,
    model: Option<String>,
    ended: bool,
}

impl Reading {
    fn take(&mut self, bytes: &[u8], streamed: bool, started: Instant) -> Result<(), SubjectError> {
        self.length += bytes.len();
        if self.length > LONGEST_REPLY {
            return Err(SubjectError::Broken("too long".to_owned()));
        }
        self.raw.extend_from_slice(bytes);
        if streamed {
            // Frames of chat completions are one `data:` line each, so lines are enough.
            while let Some(end) = self.raw.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.raw.drain(..=end).collect();
                self.line(line.trim_ascii(), started)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], started: Instant) -> Result<(), SubjectError> {
        let Some(data) = line.strip_prefix(b"data:") else { return Ok(()) };
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.ended = true;
            return Ok(());
        }
        let frame = read_json(data).ok_or_else(|| SubjectError::Broken("a frame is not JSON".to_owned()))?;
        if !frame["error"].is_null() {
            return Err(SubjectError::Broken("failed in mid-stream".to_owned()));
        }
        let choice = &frame["choices"][0];
        if let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
            self.ttft.get_or_insert_with(|| started.elapsed());
            self.text.push_str(text);
        }
        let calls = &choice["delta"]["tool_calls"];
        if calls.as_array().is_some_and(|calls| !calls.is_empty()) {
            self.ttft.get_or_insert_with(|| started.elapsed());
            self.calls.push(calls);
        }
        self.ended |= choice["finish_reason"].is_string();
        self.usage = usage(&frame).or(self.usage);
        if self.model.is_none() {
            self.model = model(&frame);
        }
        Ok(())
    }

    fn end(&mut self, streamed: bool) -> Result<(), SubjectError> {
        if streamed {
            return if self.ended {
                Ok(())
            } else {
                Err(SubjectError::Broken("the stream broke off".to_owned()))
            };
        }
        let whole =
            read_json(&self.raw).ok_or_else(|| SubjectError::Broken("the body is not JSON".to_owned()))?;
        let message = &whole["choices"][0]["message"];
        if !message.is_object() {
            return Err(SubjectError::Broken("the body is no chat completion".to_owned()));
        }
        self.text = message["content"].as_str().unwrap_or_default().to_owned();
        self.calls.push(&message["tool_calls"]);
        self.usage = usage(&whole);
        self.model = model(&whole);
        Ok(())
    }
}

/// The model that a frame names; a name of any length would end up in reports.
fn model(frame: &Value) -> Option<String> {
    frame["model"].as_str().filter(|name| !name.is_empty() && name.len() <= 128).map(str::to_owned)
}

/// What a reply says that it took, if it says anything that can be believed.
pub(super) fn usage(frame: &Value) -> Option<Usage> {
    let usage = frame["usage"].as_object()?;
    let count = |of: &Value| of.as_u64().unwrap_or_default();
    let part = |group: &str, key: &str| usage.get(group).map_or(0, |group| count(&group[key]));
    let told = Usage {
        prompt: count(usage.get("prompt_tokens")?),
        cached_prompt: part("prompt_tokens_details", "cached_tokens"),
        completion: usage.get("completion_tokens").map_or(0, count),
        reasoning: part("completion_tokens_details", "reasoning_tokens"),
        estimated: false,
    };
    told.with_total(usage.get("total_tokens").map_or(0, count))
}

#[cfg(test)]
#[path = "http/tests.rs"]
mod tests;
