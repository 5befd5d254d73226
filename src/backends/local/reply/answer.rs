//! One answer on its way from tokens to events: thoughts, text, tool calls, log probabilities and the end.
//! Promises: what is held back for a stop sequence or a call comes out before what follows it.

use super::thoughts::{Split, Thoughts};
use super::told::Told;
use crate::backends::local::detokenize::{Detokenizer, Vocabulary};
use crate::backends::local::sampler::Token;
use crate::backends::local::stop::{Seen, StopWatch};
use crate::backends::local::tool_calls::{Reader, Said};
use crate::chat::{Delta, Event, FinishReason, TokenLogprob};

/// One of the `n` answers, as far as it has come.
pub(super) struct Answer {
    pub(super) detokenizer: Detokenizer,
    pub(super) thoughts: Thoughts,
    pub(super) stops: StopWatch,
    /// Where tools are offered.
    pub(super) calls: Option<Reader>,
    pub(super) told: Told,
    pub(super) tokens: u64,
    /// Those of them that are thoughts.
    pub(super) reasoning: u64,
    pub(super) begun: bool,
    pub(super) ended: bool,
}

impl Answer {
    pub(super) fn begin(&mut self, index: u32, events: &mut Vec<Event>) {
        if !self.begun {
            self.begun = true;
            events.push(Event::Role { index });
        }
    }

    /// Takes a token's text and what is told of it. Nothing is told of thoughts; they are counted.
    pub(super) fn split(&mut self, text: String, told: Option<TokenLogprob>) -> Split {
        // A token without text yet is the first part of what follows, unless that is white space.
        let half = text.is_empty() && self.thoughts.are_just_over();
        let split = self.thoughts.push(text);
        if self.thoughts.are_under_way() && !half {
            // They come first, so that what looked like text until now was theirs.
            self.reasoning = self.tokens;
            self.told.drop_halves();
        } else if let Some(told) = told {
            self.told.push(told, split.text.len());
        }
        split
    }

    /// Takes new text; gives a reason where the answer ends with it. Stop sequences and calls are not looked for in
    /// thoughts.
    pub(super) fn read(&mut self, index: u32, split: Split, events: &mut Vec<Event>) -> Option<FinishReason> {
        if !split.thoughts.is_empty() {
            events.push(Event::Delta { index, delta: Delta::Reasoning(split.thoughts) });
        }
        let Some(calls) = &mut self.calls else { return self.content(index, split.text, events) };
        for said in calls.push(&split.text) {
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
                // Blanks before a call are not shown, but may stop the answer.
                let blanks = self.calls.as_mut().map(Reader::take_blanks).unwrap_or_default();
                let mut held = match self.stops.push(blanks) {
                    Seen::Text(text) => text,
                    Seen::Stopped(text) => {
                        show(index, text, events);
                        return Some(FinishReason::Stop);
                    }
                };
                held.push_str(&self.stops.finish());
                show(index, held.trim_end().to_owned(), events);
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
    pub(super) fn finish(
        &mut self,
        index: u32,
        reason: FinishReason,
        events: &mut Vec<Event>,
    ) -> FinishReason {
        let held = self.thoughts.finish();
        self.told.complete(held.text.len());
        if let Some(reason) = self.read(index, held, events) {
            return reason;
        }
        let cut = reason == FinishReason::Length;
        for said in self.calls.as_mut().map(|calls| calls.finish(cut)).unwrap_or_default() {
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

    /// What the model thought of a token, where that is asked for; before its text is made.
    pub(super) fn tell(&self, vocabulary: &Vocabulary, token: &Token) -> Option<TokenLogprob> {
        let logprobs = token.logprobs.as_ref()?;
        let shown = |bytes| self.detokenizer.as_shown(bytes).to_vec();
        Some(TokenLogprob {
            // A special token makes no text, so that all tokens' bytes together are the answer's.
            bytes: shown(vocabulary.bytes(token.id)),
            logprob: logprobs.chosen,
            top: logprobs.top.iter().map(|(id, logprob)| (shown(vocabulary.name(*id)), *logprob)).collect(),
        })
    }

    /// What is told of the tokens whose text these events show.
    pub(super) fn told_of(&mut self, events: &[Event]) -> Vec<TokenLogprob> {
        let (mut shown, mut calls) = (0, false);
        for event in events {
            match event {
                Event::Delta { delta: Delta::Text(text), .. } => shown += text.len(),
                Event::Delta { delta: Delta::Reasoning(_), .. } => {}
                Event::Delta { .. } => calls = true,
                Event::Role { .. } | Event::Finish { .. } | Event::Usage(_) | Event::Whole { .. } => {}
            }
        }
        let told = self.told.show(shown, self.ended);
        if calls {
            self.told.close();
        }
        told
    }
}

fn show(index: u32, text: String, events: &mut Vec<Event>) {
    if !text.is_empty() {
        events.push(Event::Delta { index, delta: Delta::Text(text) });
    }
}
