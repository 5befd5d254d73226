//! What clients do, drawn with seeded dice. Every answer to a seeded question is held against what was said to it first,
//! when nobody else was there.

use std::time::Duration;

use anyhow::{bail, ensure};
use futures_util::future::join_all;
use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::super::prompts;
use super::Visit;
use super::client::{Client, Reply, Said};

/// Questions whose answers are known.
const QUESTIONS: usize = 24;
/// Requests of one burst: with the other clients, more than slots and queue hold.
const BURST: usize = 48;

pub(super) type Dice = ChaCha8Rng;

pub(super) fn dice(number: u64) -> Dice {
    ChaCha8Rng::seed_from_u64(number)
}

/// Questions with what was said to them first.
pub(super) struct Questions {
    known: Vec<(Value, Said)>,
    /// Whether this build obeys schemas.
    structured: bool,
}

/// What a client does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Whole,
    Stream,
    LongPrompt,
    TooLong,
    Structured,
    SlowReader,
    LeaveEarly,
    LeaveUnheard,
    Burst,
}

impl Kind {
    pub(super) fn draw(dice: &mut Dice, questions: &Questions) -> Self {
        match dice.random_range(0..100) {
            0..24 => Self::Whole,
            24..48 => Self::Stream,
            48..58 => Self::LongPrompt,
            58..62 => Self::TooLong,
            62..70 if questions.structured => Self::Structured,
            62..76 => Self::SlowReader,
            76..90 => Self::LeaveEarly,
            90..99 => Self::LeaveUnheard,
            _ => Self::Burst,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Stream => "stream",
            Self::LongPrompt => "long prompt",
            Self::TooLong => "too long",
            Self::Structured => "structured",
            Self::SlowReader => "slow reader",
            Self::LeaveEarly => "leaves early",
            Self::LeaveUnheard => "leaves unheard",
            Self::Burst => "burst",
        }
    }
}

/// A request for the local model.
fn body(text: &str, seed: usize) -> Value {
    json!({
        "model": "local", "messages": [{ "role": "user", "content": text }],
        "temperature": 1.2, "seed": seed, "max_tokens": 16 + seed * 37 % 150, "n": if seed % 6 == 5 { 3 } else { 1 },
    })
}

fn schema() -> Value {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["label", "sure"],
        "properties": { "label": { "enum": ["billing", "shipping", "returns"] }, "sure": { "type": "boolean" } },
    });
    json!({ "type": "json_schema", "json_schema": { "name": "label", "strict": true, "schema": schema } })
}

impl Questions {
    /// Asks each question alone.
    pub(super) async fn learn(client: &Client) -> anyhow::Result<Self> {
        let mut known = vec![];
        let golden = prompts::golden()?;
        for seed in 0..QUESTIONS {
            // Every fifth prompt is longer than several prefill chunks.
            let text =
                if seed % 5 == 4 { prompts::long(2_400) } else { golden[seed * 7 % golden.len()].clone() };
            let body = body(&text, seed);
            let said = client.ask(&body, Duration::ZERO).await?.said()?;
            known.push((body, said));
        }
        let mut probe = known[0].0.clone();
        probe["response_format"] = schema();
        let structured = match client.ask(&probe, Duration::ZERO).await? {
            Reply::Said(_) => true,
            Reply::Refused(400, _) => false,
            Reply::Refused(status, code) => bail!("a schema is refused with {status} {code}"),
        };
        Ok(Self { known, structured })
    }

    fn one(&self, dice: &mut Dice) -> &(Value, Said) {
        &self.known[dice.random_range(0..self.known.len())]
    }
}

/// Does one of the things that clients do.
pub(super) async fn play(
    kind: Kind,
    client: &Client,
    questions: &Questions,
    dice: &mut Dice,
) -> anyhow::Result<Visit> {
    match kind {
        Kind::Whole => ask(client, questions.one(dice), false, Duration::ZERO).await,
        Kind::Stream => ask(client, questions.one(dice), true, Duration::ZERO).await,
        Kind::LongPrompt => {
            let long: Vec<_> = (0..QUESTIONS).filter(|seed| seed % 5 == 4).collect();
            let question = &questions.known[long[dice.random_range(0..long.len())]];
            ask(client, question, true, Duration::ZERO).await
        }
        Kind::SlowReader => {
            let pause = Duration::from_millis(dice.random_range(5..60));
            ask(client, questions.one(dice), true, pause).await
        }
        Kind::TooLong => match client.ask(&body(&prompts::long(60_000), 1), Duration::ZERO).await? {
            Reply::Refused(400, code) if code == "context_length_exceeded" => Ok(Visit::Answered(1)),
            Reply::Refused(status, code) => bail!("refused with {status} {code}"),
            Reply::Said(_) => bail!("a prompt beyond the context was answered"),
        },
        Kind::Structured => structured(client, questions, dice).await,
        Kind::LeaveEarly => leave_early(client, questions, dice).await,
        Kind::LeaveUnheard => {
            let question = &questions.one(dice).0;
            let patience = Duration::from_millis(dice.random_range(0..120));
            // Mostly before the head: dropping the request closes its connection.
            drop(tokio::time::timeout(patience, client.open(question)).await);
            Ok(Visit::Left)
        }
        Kind::Burst => burst(client, questions, dice).await,
    }
}

async fn ask(
    client: &Client,
    (body, known): &(Value, Said),
    stream: bool,
    pause: Duration,
) -> anyhow::Result<Visit> {
    let mut body = body.clone();
    body["stream"] = json!(stream);
    match client.ask(&body, pause).await? {
        // A burst of others fills the queue for a moment.
        Reply::Refused(429, _) => {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        reply => ensure!(reply.said()? == *known, "the same question had another answer"),
    }
    Ok(Visit::Answered(1))
}

async fn structured(client: &Client, questions: &Questions, dice: &mut Dice) -> anyhow::Result<Visit> {
    let mut body = questions.one(dice).0.clone();
    body["response_format"] = schema();
    body["seed"] = json!(dice.random_range(0..1_000_000));
    let said = match client.ask(&body, Duration::ZERO).await? {
        Reply::Refused(429, _) => return Ok(Visit::Answered(1)),
        reply => reply.said()?,
    };
    for (text, reason) in said.texts.iter().zip(&said.reasons) {
        if reason == "stop" {
            let value: Value = serde_json::from_str(text)?;
            let sure = value["sure"].is_boolean();
            ensure!(sure && value["label"].is_string(), "an answer that its schema refuses");
        }
    }
    Ok(Visit::Answered(1))
}

async fn leave_early(client: &Client, questions: &Questions, dice: &mut Dice) -> anyhow::Result<Visit> {
    let mut body = questions.one(dice).0.clone();
    body["stream"] = json!(true);
    body["max_tokens"] = json!(400);
    let mut response = client.open(&body).await?;
    let status = response.status().as_u16();
    ensure!(matches!(status, 200 | 429), "refused with {status}");
    for _ in 0..dice.random_range(0..30) {
        if response.chunk().await?.is_none() {
            break;
        }
    }
    Ok(Visit::Left)
}

async fn burst(client: &Client, questions: &Questions, dice: &mut Dice) -> anyhow::Result<Visit> {
    let chosen: Vec<_> = (0..BURST).map(|_| questions.one(dice)).collect();
    let asked = chosen.iter().map(|question| ask(client, question, true, Duration::ZERO));
    let mut answers = 0;
    for visit in join_all(asked).await {
        if let Visit::Answered(more) = visit? {
            answers += more;
        }
    }
    Ok(Visit::Answered(answers))
}
