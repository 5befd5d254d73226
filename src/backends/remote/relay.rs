//! One streamed answer: SSE in, chunks out. An answer counts as whole at `[DONE]`, or at a clean end when every choice
//! that began has its finish reason; any other end is an error. Named events that hold no chat chunk are dropped, but
//! `event: error` is an error. Between reads the idle timeout holds once there was content; before, the caller's does.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::time::{Instant, timeout};

use super::account::Account;
use super::faults::Blame;
use crate::backends::{BackendError, Call, ChunkStream, Fault, Kind, Retry};
use crate::chat::{Chunk, Event};
use crate::dialects::openai_chat::upstream::{FrameError, parse_error, parse_frame};
use crate::dialects::sse::{Decoder, Frame};

/// Most answers (`n`) that one stream may carry.
const MAX_CHOICES: usize = 1024;
/// Most bytes of a stream that are held before its first content; room for ten thousand tokens of thoughts.
const MAX_HELD: usize = 4 * 1024 * 1024;
/// How long, and how many reads, a stream's rest is awaited after `[DONE]` so that its connection can be used again.
const REST: (Duration, usize) = (Duration::from_secs(1), 16);

/// The reads of a response body.
pub(super) type Reads = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

/// A stream under way.
pub(super) struct Relay {
    reads: Option<Reads>,
    decoder: Decoder,
    account: Account,
    blame: Arc<Blame>,
    idle: Duration,
    /// The caller wants the usage report relayed.
    asked_usage: bool,
    choices: Choices,
    committed: bool,
    /// From when nobody holds what comes before content.
    relayed_from: Option<Instant>,
    /// Bytes read before there was content, as long as they are held.
    held: usize,
}

/// What one event of the stream comes to.
enum Step {
    Chunk(Chunk),
    Nothing,
    Done,
}

impl Relay {
    /// A stream at its start.
    pub(super) fn new(
        reads: Reads,
        account: Account,
        blame: Arc<Blame>,
        idle: Duration,
        call: &Call,
    ) -> Self {
        Self {
            reads: Some(reads),
            decoder: Decoder::new(),
            account,
            blame,
            idle,
            asked_usage: call.request.include_usage,
            choices: Choices::default(),
            committed: false,
            relayed_from: call.relayed_from,
            held: 0,
        }
    }

    /// The chunks, and at most one error, which is last.
    pub(super) fn into_chunks(self) -> ChunkStream {
        Box::pin(stream::unfold(Some(Box::new(self)), |relay| async {
            let mut relay = relay?;
            match relay.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(relay))),
                Ok(None) => {
                    relay.account.succeed();
                    None
                }
                Err(error) => {
                    relay.account.fail(&error);
                    Some((Err(error), None))
                }
            }
        }))
    }

    async fn next(&mut self) -> Result<Option<Chunk>, BackendError> {
        loop {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => match self.step(frame)? {
                    Step::Chunk(chunk) => return Ok(Some(chunk)),
                    Step::Nothing => {}
                    Step::Done => {
                        self.finish_reading();
                        return self.end(true).map(|()| None);
                    }
                },
                Ok(None) => match self.read().await? {
                    Some(read) => {
                        self.hold(read.len())?;
                        self.decoder.push(read);
                    }
                    None => return self.end(false).map(|()| None),
                },
                Err(_) => return Err(self.blame.invalid("an event is too long")),
            }
        }
    }

    /// What comes before content is held by whoever waits for it, unless it is relayed: only so much of it.
    fn hold(&mut self, bytes: usize) -> Result<(), BackendError> {
        if self.committed || self.relayed_from.is_some_and(|from| from <= Instant::now()) {
            return Ok(());
        }
        self.held += bytes;
        if self.held <= MAX_HELD {
            return Ok(());
        }
        let message = "the upstream sent too much before any content";
        Err(self.blame.plain(Kind::FirstTokenTimeout, Fault::Upstream, Retry::Elsewhere, message))
    }

    async fn read(&mut self) -> Result<Option<Bytes>, BackendError> {
        let Some(reads) = &mut self.reads else { return Ok(None) };
        let read = if self.committed {
            timeout(self.idle, reads.next()).await.map_err(|_| {
                let message = "the upstream fell silent in mid-stream";
                self.blame.plain(Kind::IdleTimeout, Fault::Upstream, Retry::Elsewhere, message)
            })?
        } else {
            reads.next().await
        };
        read.transpose().map_err(|_| self.blame.truncated())
    }

    fn step(&mut self, frame: Frame) -> Result<Step, BackendError> {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(Step::Nothing);
        }
        if data == b"[DONE]" {
            return Ok(Step::Done);
        }
        let stranger = match frame.event.as_deref() {
            Some(b"error") => return Err(self.fault(FrameError::Upstream(parse_error(data)))),
            None | Some(b"message") => false,
            Some(_) => true,
        };
        let chunk = match parse_frame(frame.data, self.asked_usage) {
            Ok(chunk) if chunk.hidden && chunk.events.is_empty() => return Ok(Step::Nothing),
            Ok(chunk) => chunk,
            Err(FrameError::Invalid(_)) if stranger => return Ok(Step::Nothing),
            Err(error) => return Err(self.fault(error)),
        };
        for event in &chunk.events {
            self.choices.take(event);
        }
        if self.choices.too_many() {
            return Err(self.blame.invalid("too many choices"));
        }
        if !self.committed && chunk.commits() {
            self.committed = true;
            self.account.content();
        } else if chunk.unread > 0 {
            self.account.thought();
        }
        Ok(Step::Chunk(chunk))
    }

    fn fault(&self, error: FrameError) -> BackendError {
        if self.committed { self.blame.mid_stream(&error) } else { self.blame.frame(error) }
    }

    /// The verdict at the stream's end; `done`: the upstream said so.
    fn end(&self, done: bool) -> Result<(), BackendError> {
        match (self.committed, done) {
            (true, true) => Ok(()),
            (true, false) if self.choices.all_finished() => Ok(()),
            (false, true) => Err(self.blame.invalid("a stream without content")),
            (_, false) => Err(self.blame.truncated()),
        }
    }

    /// Reads what follows `[DONE]` (the end of the chunked body), or the connection could not be used again.
    fn finish_reading(&mut self) {
        let Some(mut reads) = self.reads.take() else { return };
        if let Some(None | Some(Err(_))) = reads.next().now_or_never() {
            return;
        }
        let (time, most) = REST;
        tokio::spawn(async move {
            let rest = reads.take(most).for_each(|_| async {});
            // Late is as good as over: the connection is then closed.
            let _ = timeout(time, rest).await;
        });
    }
}

/// Which of the `n` answers began and which ended.
#[derive(Default)]
struct Choices {
    running: Vec<u32>,
    finished: Vec<u32>,
}

impl Choices {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Role { index } | Event::Delta { index, .. } => {
                if !self.running.contains(index) && !self.finished.contains(index) {
                    self.running.push(*index);
                }
            }
            Event::Finish { index, .. } => {
                self.running.retain(|running| running != index);
                if !self.finished.contains(index) {
                    self.finished.push(*index);
                }
            }
            Event::Usage(_) | Event::Whole { .. } => {}
        }
    }

    fn too_many(&self) -> bool {
        self.running.len() + self.finished.len() > MAX_CHOICES
    }

    fn all_finished(&self) -> bool {
        self.running.is_empty() && !self.finished.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backends::remote::account::tests::books;
    use crate::chat::BackendId;
    use crate::dialects::openai_chat::parse_request;
    use crate::metrics::Metrics;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn event(what: &str, text: &str) -> Bytes {
        let event = json!({ "choices": [{ "index": 0, "delta": { what: text } }] });
        format!("data: {event}\n\n").into()
    }

    /// Six MiB of thoughts, with a pause of 20 s in the middle, and a word.
    fn thinking() -> Reads {
        let thought = event("reasoning_content", &"x".repeat(64 * 1024));
        let thoughts = stream::iter(0..96).then(move |at| {
            let thought = thought.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(if at == 48 { 20 } else { 0 })).await;
                Ok(thought)
            }
        });
        let word = [event("content", "word"), Bytes::from_static(b"data: [DONE]\n\n")];
        thoughts.chain(stream::iter(word.map(Ok))).boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn c14_only_thoughts_that_are_held_are_bounded() {
        let books = books(&Arc::new(Metrics::new().unwrap()));
        let body = r#"{"model":"auto","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
        let request = Arc::new(parse_request(body.into()).unwrap());
        for relayed in [true, false] {
            let mut call = Call::new(Arc::clone(&request), "m", HOUR);
            call.relayed_from = relayed.then(|| Instant::now() + Duration::from_secs(15));
            let account = books.begin(&call.model, call.until).ok().unwrap();
            let blame = Arc::new(Blame { backend: BackendId::new("remote"), key: None });
            let relay = Relay::new(thinking(), account, blame, HOUR, &call);
            let mut chunks: Vec<_> = relay.into_chunks().collect().await;
            let last = chunks.pop().unwrap();
            assert_eq!(last.err().map(|error| error.kind), (!relayed).then_some(Kind::FirstTokenTimeout));
            assert_eq!(chunks.len() == 96, relayed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn d6_who_thinks_too_long_is_late_but_does_not_fail() {
        let body = r#"{"model":"auto","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
        let patience = Duration::from_secs(30);
        let cases = [
            ("reasoning_content", usize::MAX, true),
            ("role", usize::MAX, false),
            ("reasoning_content", 1, false),
        ];
        for (what, events, thinks) in cases {
            let metrics = Arc::new(Metrics::new().unwrap());
            let books = books(&metrics);
            let call = Call::new(Arc::new(parse_request(body.into()).unwrap()), "m", patience);
            let account = books.begin(&call.model, call.until).ok().unwrap();
            let blame = Arc::new(Blame { backend: BackendId::new("remote"), key: None });
            let reads = stream::repeat(event(what, "hm")).take(events).then(|event| async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(event)
            });
            let reads = reads.chain(stream::pending()).boxed();
            let relay = Relay::new(reads, account, blame, HOUR, &call);
            let read = relay.into_chunks().for_each(|chunk| async move { assert!(chunk.is_ok()) });
            assert!(timeout(patience, read).await.is_err());
            let labels = ["remote", Kind::FirstTokenTimeout.label()];
            assert_eq!(metrics.upstream_failures_total.with_label_values(&labels).get(), 1);
            assert_eq!(books.closed_for("m").is_none(), thinks, "{events} of {what}");
        }
    }
}
