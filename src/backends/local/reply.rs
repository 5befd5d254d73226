//! One request's answers as a stream of chunks: tokens become text here, on the reader's side.
//! Promises: role, text, finish for each answer, then one usage for all; an engine that vanishes is an error.
//! Dropping it stops the engine's work at the next token.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::sync::mpsc::Receiver;

use super::detokenize::{Detokenizer, Vocabulary};
use super::queue::{End, Step};
use super::refusal;
use super::stop::{Seen, StopWatch};
use super::tool_calls::{Reader, Reading, Said};
use crate::backends::BackendError;
use crate::chat::{BackendId, Chunk, Confidence, Delta, Event, FinishReason, Usage};

/// One of the `n` answers, as far as it has come.
struct Answer {
    detokenizer: Detokenizer,
    stops: StopWatch,
    /// Where tools are offered.
    calls: Option<Reader>,
    tokens: u64,
    begun: bool,
    ended: bool,
}

/// The answers to one request.
pub(super) struct Reply {
    backend: BackendId,
    vocabulary: Arc<Vocabulary>,
    steps: Receiver<Step>,
    enough: Arc<[AtomicBool]>,
    answers: Vec<Answer>,
    prompt_tokens: u64,
    cached_tokens: u64,
    /// Told, and not yet handed out with a chunk.
    confidence: Vec<Confidence>,
    ready: VecDeque<Result<Chunk, BackendError>>,
    /// Ends when the engine hangs or has gone.
    fall: Pin<Box<dyn Future<Output = ()> + Send>>,
    over: bool,
}

impl Reply {
    /// Reads `steps`; there are as many answers as places in `enough`.
    pub(super) fn new(
        backend: BackendId,
        vocabulary: Arc<Vocabulary>,
        steps: Receiver<Step>,
        enough: Arc<[AtomicBool]>,
        stops: &[String],
    ) -> Self {
        let answer = |_| Answer {
            detokenizer: Detokenizer::new(&vocabulary),
            stops: StopWatch::new(stops),
            calls: None,
            tokens: 0,
            begun: false,
            ended: false,
        };
        let answers = (0..enough.len()).map(answer).collect();
        Self {
            backend,
            vocabulary,
            steps,
            enough,
            answers,
            prompt_tokens: 0,
            cached_tokens: 0,
            confidence: vec![],
            ready: VecDeque::new(),
            fall: Box::pin(std::future::pending()),
            over: false,
        }
    }

    /// Says how long the prompt was, for the usage.
    pub(super) fn with_prompt(self, tokens: usize) -> Self {
        Self { prompt_tokens: tokens as u64, ..self }
    }

    /// The answers end with an error when `fall` ends, whatever the engine does.
    pub(super) fn ended_by(self, fall: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { fall: Box::pin(fall), ..self }
    }

    /// Looks for tool calls in the answers.
    pub(super) fn with_tools(mut self, reading: Option<&Reading>) -> Self {
        for answer in &mut self.answers {
            answer.calls = reading.map(Reader::new);
        }
        self
    }

    fn take(&mut self, step: Option<Step>) {
        match step {
            Some(Step::Token { index, token }) => {
                self.confidence.extend(token.confidence.filter(|_| index == 0));
                self.take_token(index, token.id);
            }
            Some(Step::End { end: End::Failed, .. }) => self.fail(refusal::internal(&self.backend)),
            Some(Step::End { end: End::Expired, .. }) => self.fail(refusal::busy(&self.backend)),
            Some(Step::End { index, end: End::Stop, tokens, cached }) => {
                self.take_cached(index, cached);
                self.take_end(index, FinishReason::Stop, tokens);
            }
            Some(Step::End { index, end: End::Length, tokens, cached }) => {
                self.take_cached(index, cached);
                self.take_end(index, FinishReason::Length, tokens);
            }
            None => self.fail(refusal::down(&self.backend)),
        }
    }

    fn take_token(&mut self, index: u32, id: u32) {
        let Some(answer) = self.answers.get_mut(index as usize).filter(|answer| !answer.ended) else {
            return;
        };
        let mut events = vec![];
        answer.begin(index, &mut events);
        answer.tokens += 1;
        let mark = answer.calls.as_ref().and_then(|calls| calls.mark(id));
        let text = match mark {
            Some(mark) => mark.to_owned(),
            None => answer.detokenizer.push(self.vocabulary.bytes(id)),
        };
        if let Some(reason) = answer.read(index, text, &mut events) {
            answer.ended = true;
            events.push(Event::Finish { index, reason });
            if let Some(enough) = self.enough.get(index as usize) {
                enough.store(true, Relaxed);
            }
        }
        self.give(events);
    }

    /// The prompt is counted once, however many answers there are.
    fn take_cached(&mut self, index: u32, tokens: u64) {
        if index == 0 {
            self.cached_tokens = tokens;
        }
    }

    fn take_end(&mut self, index: u32, reason: FinishReason, tokens: u64) {
        let Some(answer) = self.answers.get_mut(index as usize).filter(|answer| !answer.ended) else {
            return;
        };
        let mut events = vec![];
        answer.begin(index, &mut events);
        answer.tokens = tokens;
        let reason = answer.finish(index, reason, &mut events);
        answer.ended = true;
        events.push(Event::Finish { index, reason });
        self.give(events);
    }

    /// Hands events out; after the last answer's end the usage follows.
    fn give(&mut self, events: Vec<Event>) {
        if !events.is_empty() {
            let confidence = std::mem::take(&mut self.confidence);
            self.ready.push_back(Ok(Chunk { events, confidence, ..Chunk::default() }));
        }
        if self.answers.iter().all(|answer| answer.ended) {
            let usage = Usage {
                prompt: self.prompt_tokens,
                cached_prompt: self.cached_tokens,
                completion: self.answers.iter().map(|answer| answer.tokens).sum(),
                ..Usage::default()
            };
            self.ready.push_back(Ok(Chunk::of(Event::Usage(usage))));
            self.close();
        }
    }

    fn fail(&mut self, error: BackendError) {
        self.ready.push_back(Err(error));
        self.close();
    }

    fn close(&mut self) {
        self.over = true;
        self.steps.close();
    }
}

impl Answer {
    fn begin(&mut self, index: u32, events: &mut Vec<Event>) {
        if !self.begun {
            self.begun = true;
            events.push(Event::Role { index });
        }
    }

    /// Takes new text; gives a reason where the answer ends with it.
    fn read(&mut self, index: u32, text: String, events: &mut Vec<Event>) -> Option<FinishReason> {
        let Some(calls) = &mut self.calls else { return self.content(index, text, events) };
        for said in calls.push(&text) {
            if let Some(reason) = self.say(index, said, events) {
                return Some(reason);
            }
        }
        self.calls.as_ref().is_some_and(Reader::is_over).then_some(FinishReason::ToolCalls)
    }

    fn say(&mut self, index: u32, said: Said, events: &mut Vec<Event>) -> Option<FinishReason> {
        match said {
            Said::Text(text) => self.content(index, text, events),
            Said::Calls(calls) => {
                show(index, self.stops.finish(), events);
                events.push(Event::Delta { index, delta: Delta::ToolCalls(calls) });
                None
            }
        }
    }

    /// Content, up to a stop sequence. Stop sequences are not looked for in tool calls.
    fn content(&mut self, index: u32, text: String, events: &mut Vec<Event>) -> Option<FinishReason> {
        match self.stops.push(text) {
            Seen::Text(text) => {
                show(index, text, events);
                None
            }
            Seen::Stopped(text) => {
                show(index, text, events);
                Some(self.reason())
            }
        }
    }

    /// What was still held; the reason is that of tool calls where the model ended after them.
    fn finish(&mut self, index: u32, reason: FinishReason, events: &mut Vec<Event>) -> FinishReason {
        for said in self.calls.as_mut().map(Reader::finish).unwrap_or_default() {
            if let Some(reason) = self.say(index, said, events) {
                return reason;
            }
        }
        show(index, self.stops.finish(), events);
        if reason == FinishReason::Stop { self.reason() } else { reason }
    }

    /// Why an answer that is not cut off ended.
    fn reason(&self) -> FinishReason {
        let called = self.calls.as_ref().is_some_and(Reader::has_called);
        if called { FinishReason::ToolCalls } else { FinishReason::Stop }
    }
}

fn show(index: u32, text: String, events: &mut Vec<Event>) {
    if !text.is_empty() {
        events.push(Event::Delta { index, delta: Delta::Text(text) });
    }
}

impl Stream for Reply {
    type Item = Result<Chunk, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(item));
            }
            if self.over {
                return Poll::Ready(None);
            }
            if let Poll::Ready(step) = self.steps.poll_recv(cx) {
                self.take(step);
                continue;
            }
            ready!(self.fall.as_mut().poll(cx));
            let down = refusal::down(&self.backend);
            self.fail(down);
        }
    }
}

#[cfg(test)]
mod tests;
