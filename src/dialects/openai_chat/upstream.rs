//! Chat completions towards an upstream: edits the caller's bytes for it, reads the few facts we need off its answers.
//! The answer's bytes travel on unchanged. What is no chat chunk is hidden; of reasoning texts only the length is read;
//! content of a kind that we do not read (audio, content in parts) counts as an empty text, so that it commits a reply.

mod complaint;
mod edit;
mod surrogates;
mod wire;

use bytes::Bytes;
use serde_json::{Value, json};

pub use complaint::{Complaint, parse_error};
pub use edit::{Edits, adds_report, blames_bound, blames_report, body};
pub use surrogates::read_json;

use crate::chat::{Chunk, Delta, Event, FinishReason};
use wire::{Choice, Content, Envelope};

/// What an upstream sent is not a piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is no chat completion; says why without quoting it.
    #[error("the upstream's answer is invalid: {0}")]
    Invalid(&'static str),
    /// It is an error that the upstream reports.
    #[error("the upstream reported an error")]
    Upstream(Complaint),
}

/// Reads the data of one streamed event. The chunk's `raw` is `data`, on one line.
///
/// A usage report without choices is hidden when the caller did not ask for it (`asked_usage`), unless a moderation or the
/// sources of a search stand beside it. One that comes with choices is read, and the chunk is relayed as it is: the choices
/// belong to the caller, and usage beside them is harmless. A JSON object with neither choices nor usage nor an error (a
/// provider's ping) is hidden.
///
/// # Errors
/// When it is no JSON object in UTF-8, when its choices have the wrong shape, or when it is an error report.
pub fn parse_frame(data: Bytes, asked_usage: bool) -> Result<Chunk, FrameError> {
    let raw = one_line(data);
    let text = std::str::from_utf8(&raw).map_err(|_| FrameError::Invalid("not UTF-8"))?;
    let mut copy = None;
    let envelope: Envelope<'_> =
        surrogates::parse(text, &mut copy).ok_or(FrameError::Invalid("not a chat completion chunk"))?;
    refuse_errors(&envelope, text)?;
    let is_report = envelope.usage.0.as_ref().is_some_and(wire::WireUsage::is_report);
    let usage = envelope.usage.0.as_ref().and_then(wire::WireUsage::read);
    let stranger = envelope.choices.is_none() && !is_report;
    let tells_more = envelope.tells_more();
    let choices = envelope.choices.unwrap_or_default();
    // Other fields go with it (llama.cpp's `timings`): clients that asked for no report expect a choice in every chunk.
    let report_only = choices.is_empty() && is_report && !tells_more;
    let mut events = Vec::with_capacity(choices.len() + usize::from(usage.is_some()));
    let (mut unread, mut opaque) = (0, false);
    for mut choice in choices {
        let index = index_of(&choice);
        if let Some(delta) = choice.delta.take() {
            unread += delta.thought();
            opaque |= index == 0 && beside_text(&delta);
            push_content(delta, index, &mut events);
        }
        push_finish(&choice, index, &mut events);
    }
    events.extend(usage.map(Event::Usage));
    let hidden = stranger || (report_only && !asked_usage);
    Ok(Chunk { raw: Some(raw), hidden, events, unread, opaque, ..Chunk::default() })
}

/// Reads a whole, unstreamed answer. The chunk's `raw` is `body`.
///
/// # Errors
/// When it is no JSON object in UTF-8, holds no choice or a choice without message, or is an error report.
pub fn parse_whole(body: Bytes) -> Result<Chunk, FrameError> {
    let text = std::str::from_utf8(&body).map_err(|_| FrameError::Invalid("not UTF-8"))?;
    let mut copy = None;
    let envelope: Envelope<'_> =
        surrogates::parse(text, &mut copy).ok_or(FrameError::Invalid("not a chat completion"))?;
    refuse_errors(&envelope, text)?;
    let choices = envelope.choices.as_deref().unwrap_or_default();
    let Some(first) = choices.first() else { return Err(FrameError::Invalid("no choices")) };
    if choices.iter().any(|choice| choice.message.is_none()) {
        return Err(FrameError::Invalid("a choice without message"));
    }
    let message = first.message.as_ref();
    let text = message.and_then(|message| message.content.filled().or(message.refusal.filled()));
    let text = text.unwrap_or_default();
    let opaque = message.is_some_and(beside_text);
    let messages = choices.iter().filter_map(|choice| choice.message.as_ref());
    let unread = messages.map(Content::generated).sum::<usize>() - text.len();
    let mut events = vec![Event::Whole { text: text.to_owned() }];
    for choice in choices {
        push_finish(choice, index_of(choice), &mut events);
    }
    events.extend(envelope.usage.0.as_ref().and_then(wire::WireUsage::read).map(Event::Usage));
    Ok(Chunk { raw: Some(body), events, unread, opaque, ..Chunk::default() })
}

/// Data over several lines is JSON with line breaks between its tokens: as spaces they mean the same, and the relay
/// may write the text behind one `data:`.
fn one_line(data: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &data).is_none() {
        return data;
    }
    data.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect()
}

fn refuse_errors(envelope: &Envelope<'_>, text: &str) -> Result<(), FrameError> {
    if envelope.error.is_none() && (envelope.choices.is_some() || envelope.usage.0.is_some()) {
        return Ok(());
    }
    complaint::find(text.as_bytes()).map_or(Ok(()), |complaint| Err(FrameError::Upstream(complaint)))
}

fn index_of(choice: &Choice<'_>) -> u32 {
    u32::try_from(choice.index.0).unwrap_or(u32::MAX)
}

/// Whether it holds what is neither text nor a thought.
fn beside_text(it: &Content<'_>) -> bool {
    let calls = matches!(&it.tool_calls, Some(Value::Array(calls)) if !calls.is_empty());
    let call = matches!(&it.function_call, Some(Value::Object(_)));
    calls || call || it.content.opaque || it.audio.is_some()
}

fn push_content(delta: Content<'_>, index: u32, events: &mut Vec<Event>) {
    if delta.role.is_some() {
        events.push(Event::Role { index });
    }
    let mut push = |delta| events.push(Event::Delta { index, delta });
    if let Some(text) = delta.content.filled() {
        push(Delta::Text(text.to_owned()));
    } else if delta.content.opaque || delta.audio.is_some() {
        push(Delta::Text(String::new()));
    }
    if let Some(text) = delta.refusal.filled() {
        push(Delta::Refusal(text.to_owned()));
    }
    if let Some(Value::Array(calls)) = delta.tool_calls
        && !calls.is_empty()
    {
        push(Delta::ToolCalls(Value::Array(calls)));
    }
    if let Some(call @ Value::Object(_)) = delta.function_call {
        push(Delta::ToolCalls(json!([{ "index": 0, "type": "function", "function": call }])));
    }
}

fn push_finish(choice: &Choice<'_>, index: u32, events: &mut Vec<Event>) {
    if let Some(reason) = choice.finish_reason.filled() {
        events.push(Event::Finish { index, reason: FinishReason::parse(reason) });
    }
}

#[cfg(test)]
mod tests;
