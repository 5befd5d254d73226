//! What gateway and worker process say to each other: frames of a length and a postcard body, over one socket.
//! Promises: a frame that is too long or makes no sense is an error, never a panic. Both ends are the same program, so
//! the form needs no versions.

use std::path::PathBuf;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::engine::Rates;
use super::super::queue::{Job, Step};
use crate::metrics::EngineFigures;

/// Longest body, in bytes: a prompt of a million tokens fits many times.
const LONGEST: usize = 64 << 20;
/// Bytes of the length before each body.
const HEAD: usize = 4;

/// Names one request on one connection.
pub(super) type Number = u64;

/// From the gateway.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Order {
    /// Load this model; the first frame. The settings are JSON, a form in which fields may be left out.
    Load { folder: PathBuf, settings: String, longest: Duration },
    /// Answer this; `waits` is how long it may wait for its turn.
    Job { number: Number, waits: Duration, job: Job },
    /// So many more tokens may be sent.
    More { number: Number, tokens: u32 },
    /// One of the answers is long enough.
    Enough { number: Number, index: u32 },
    /// Nobody listens any more.
    Cancel { number: Number },
}

/// From the worker.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The model is loaded.
    Ready(Facts),
    /// It cannot be loaded.
    Refused { why: String },
    /// What the engine tells a reply.
    Step { number: Number, step: Step },
    /// No more steps come.
    Gone { number: Number },
    /// The worker lives; how long its engine's step under way has taken, whether its last steps have all failed, and what
    /// it counts.
    Beat { running: Option<Duration>, failing: bool, told: Told },
}

/// What only an open graph knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Facts {
    /// Tokens that the graph gives logits for.
    pub(in super::super) vocabulary: usize,
    /// Longest prompt plus answer that the cache has room for.
    pub(in super::super) context: usize,
}

/// The engine's figures, for routing and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) tokens_per_second: f64,
    pub(super) rates: Rates,
    pub(super) active_prompt: usize,
    pub(super) figures: EngineFigures,
}

/// A frame that cannot be written or read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("a frame of {0} bytes is longer than any may be")]
    TooLong(usize),
    #[error("a frame makes no sense: {0}")]
    Form(#[from] postcard::Error),
}

/// Appends a frame.
pub(super) fn put<T: Serialize>(frame: &T, to: &mut BytesMut) -> Result<(), Broken> {
    let body = postcard::to_stdvec(frame)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= LONGEST);
    let length = length.ok_or(Broken::TooLong(body.len()))?;
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(&body);
    Ok(())
}

/// Takes the next frame off the front, if it is there whole.
pub(super) fn take<T: DeserializeOwned>(from: &mut BytesMut) -> Result<Option<T>, Broken> {
    let Some(head) = from.first_chunk::<HEAD>() else { return Ok(None) };
    let length = u32::from_le_bytes(*head) as usize;
    if length > LONGEST {
        return Err(Broken::TooLong(length));
    }
    if from.len() < HEAD + length {
        from.reserve(HEAD + length - from.len());
        return Ok(None);
    }
    from.advance(HEAD);
    let body = from.split_to(length);
    Ok(Some(postcard::from_bytes(&body)?))
}

#[cfg(test)]
mod tests {
    use super::super::super::queue::End;
    use super::super::super::sampler::{Choice, Logprobs, Token};
    use super::*;
    use crate::chat::Confidence;

    fn job() -> Job {
        let choice = Choice {
            temperature: 0.7,
            top_p: 0.9,
            top_k: 3,
            min_p: 0.01,
            repetition_penalty: 1.1,
            frequency_penalty: -0.5,
            presence_penalty: 0.25,
            logit_bias: vec![(7, f32::NEG_INFINITY)],
            logprobs: Some(2),
            watched: 4,
            seed: Some(-1),
        };
        Job {
            prompt: [1, 70_000, 3].into(),
            choice,
            max_tokens: usize::MAX,
            answers: 2,
            grammar: Some("{\"a\": 1}".into()),
            owner: Some("key".into()),
            scope: None,
        }
    }

    #[test]
    fn every_field_arrives_as_it_was_sent() {
        let orders = [
            Order::Load {
                folder: "/m".into(),
                settings: "{}".to_owned(),
                longest: Duration::from_millis(1500),
            },
            Order::Job { number: 9, waits: Duration::from_secs(3), job: job() },
            Order::More { number: 9, tokens: 16 },
            Order::Enough { number: 9, index: 1 },
            Order::Cancel { number: u64::MAX },
        ];
        let mut bytes = BytesMut::new();
        for order in &orders {
            put(order, &mut bytes).unwrap();
        }
        for order in &orders {
            assert_eq!(take::<Order>(&mut bytes).unwrap().as_ref(), Some(order));
        }
        assert!(bytes.is_empty());
        let token = Token {
            id: 5,
            confidence: Some(Confidence { logprob: -0.5, entropy: 1.0 }),
            logprobs: Some(Logprobs { chosen: -0.5, top: vec![(5, -0.5), (6, f32::NEG_INFINITY)] }),
            last: true,
        };
        let ends = [End::Stop, End::Length, End::Failed, End::Expired];
        let steps = ends.map(|end| Step::End { index: 1, end, tokens: 8, cached: 2 });
        for step in steps.into_iter().chain([Step::Token { index: 0, token, cached: 2 }]) {
            let report = Report::Step { number: 9, step };
            put(&report, &mut bytes).unwrap();
            assert_eq!(take::<Report>(&mut bytes).unwrap(), Some(report));
        }
    }

    #[test]
    fn a_frame_comes_only_when_it_is_whole() {
        let mut whole = BytesMut::new();
        put(&Order::Job { number: 1, waits: Duration::ZERO, job: job() }, &mut whole).unwrap();
        let mut part = BytesMut::new();
        for (at, byte) in whole.iter().enumerate() {
            assert_eq!(take::<Order>(&mut part).unwrap(), None, "{at} bytes are no frame");
            part.extend_from_slice(&[*byte]);
        }
        assert!(take::<Order>(&mut part).unwrap().is_some());
    }

    #[test]
    fn nonsense_is_an_error() {
        let mut long = BytesMut::from(&u32::MAX.to_le_bytes()[..]);
        assert_eq!(take::<Order>(&mut long), Err(Broken::TooLong(u32::MAX as usize)));
        let mut wrong = BytesMut::from(&[1, 0, 0, 0, 250][..]);
        assert!(matches!(take::<Order>(&mut wrong), Err(Broken::Form(_))));
    }
}
