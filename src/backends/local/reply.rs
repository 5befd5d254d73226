//! One request's answers as a stream of chunks: tokens become text here, on the reader's side.
//! Promises: role, thoughts, text, finish for each answer, then one usage for all; an engine that vanishes is an error.
//! Dropping it stops the engine's work at the next token.

mod answer;
mod thoughts;
mod told;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::sync::mpsc::Receiver;

use self::answer::Answer;
pub(super) use self::thoughts::Thoughts;
use self::told::Told;
use super::detokenize::{Detokenizer, Vocabulary};
use super::queue::{End, Step};
use super::refusal;
use super::sampler::Token;
use super::stop::StopWatch;
use super::tool_calls::{Reader, Reading};
use crate::backends::BackendError;
use crate::chat::{BackendId, Chunk, Confidence, Event, FinishReason, Usage};

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
            thoughts: Thoughts::default(),
            stops: StopWatch::new(stops),
            calls: None,
            told: Told::default(),
            tokens: 0,
            reasoning: 0,
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
            if let Some(opener) = reading.and_then(Reading::sure_opener) {
                answer.thoughts.end_with_calls(opener);
            }
        }
        self
    }

    /// Tells thoughts in the answers from their text; comes before [`Self::with_tools`].
    pub(super) fn with_thoughts(mut self, thoughts: &Thoughts) -> Self {
        for answer in &mut self.answers {
            answer.thoughts = thoughts.clone();
        }
        self
    }

    fn take(&mut self, step: Option<Step>) {
        match step {
            Some(Step::Token { index, token, cached }) => {
                self.take_cached(index, cached);
                self.confidence.extend(token.confidence.filter(|_| index == 0));
                self.take_token(index, &token);
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

    fn take_token(&mut self, index: u32, token: &Token) {
        let Some(answer) = self.answers.get_mut(index as usize).filter(|answer| !answer.ended) else {
            return;
        };
        let mut events = vec![];
        answer.begin(index, &mut events);
        answer.tokens += 1;
        let told = answer.tell(&self.vocabulary, token);
        let mark = answer.calls.as_ref().and_then(|calls| calls.mark(token.id));
        let text = match mark.or_else(|| answer.thoughts.mark(self.vocabulary.name(token.id))) {
            Some(mark) => mark.to_owned(),
            None => answer.detokenizer.push(self.vocabulary.bytes(token.id)),
        };
        let split = answer.split(text, told);
        if let Some(reason) = answer.read(index, split, &mut events) {
            answer.ended = true;
            events.push(Event::Finish { index, reason });
            if let Some(enough) = self.enough.get(index as usize) {
                enough.store(true, Relaxed);
            }
        }
        self.give(index, events);
    }

    /// The prompt is counted once, however many answers there are. The end of an answer that was cut may say nothing of it.
    fn take_cached(&mut self, index: u32, tokens: u64) {
        if index == 0 {
            self.cached_tokens = self.cached_tokens.max(tokens);
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
        self.give(index, events);
    }

    /// Hands events out; after the last answer's end the usage follows.
    fn give(&mut self, index: u32, events: Vec<Event>) {
        if !events.is_empty() {
            let confidence = std::mem::take(&mut self.confidence);
            let logprobs = self.answers.get_mut(index as usize).map(|answer| answer.told_of(&events));
            let logprobs = logprobs.unwrap_or_default();
            self.ready.push_back(Ok(Chunk { events, confidence, logprobs, ..Chunk::default() }));
        }
        if self.answers.iter().all(|answer| answer.ended) {
            let usage = Usage {
                prompt: self.prompt_tokens,
                cached_prompt: self.cached_tokens,
                completion: self.answers.iter().map(|answer| answer.tokens).sum(),
                reasoning: self.answers.iter().map(|answer| answer.reasoning).sum(),
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
