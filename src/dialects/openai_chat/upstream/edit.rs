//! The caller's own bytes, edited for the upstream: the model's name, a usage report asked for on streams, unless the
//! upstream refuses to be asked, and the newer name of `max_tokens`, where the model takes no other and is not the caller's
//! choice. Everything else stays byte for byte, so that fields we do not know reach the upstream.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Complaint;
use crate::chat::ChatRequest;

/// What is edited beside the model's name, where there is something to edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edits {
    /// A usage report is asked for where [`adds_report`] says so.
    pub report: bool,
    /// `max_tokens` becomes `max_completion_tokens` where the caller did not choose the model.
    pub newer_bound: bool,
}

/// Whether the upstream is asked for a usage report that the caller did not ask for.
pub fn adds_report(request: &ChatRequest) -> bool {
    request.stream && !request.include_usage
}

/// Whether an error's body names the field that asks for the report, and the request has it for the report alone.
pub fn blames_report(request: &ChatRequest, error: &[u8]) -> bool {
    request.original.stream_options.is_none() && memchr::memmem::find(error, b"stream_options").is_some()
}

/// Whether an error refuses `max_tokens` by its name, of a model that the caller did not choose: models that think know it
/// as `max_completion_tokens` alone.
pub fn blames_bound(request: &ChatRequest, model: &str, error: &Complaint) -> bool {
    error.code.as_deref() == Some("unsupported_parameter")
        && error.param.as_deref() == Some("max_tokens")
        && request.model != model
        && bound_key(request).is_some()
}

/// The body to send for `request`, asking for `model`. Not copied where nothing changes.
pub fn body(request: &ChatRequest, model: &str, edits: Edits) -> Bytes {
    let original = &request.original;
    let mut pieces: Vec<(Range<usize>, String)> = Vec::with_capacity(3);
    if request.model != model {
        pieces.push((original.model.clone(), Value::from(model).to_string()));
        let key = edits.newer_bound.then(|| bound_key(request)).flatten();
        pieces.extend(key.map(|key| (key, r#""max_completion_tokens""#.to_owned())));
    }
    if edits.report && adds_report(request) {
        pieces.push(match &original.stream_options {
            Some(span) => (span.clone(), with_usage(&original.body[span.clone()])),
            None => {
                let inside = memchr::memchr(b'{', &original.body).map_or(0, |brace| brace + 1);
                (inside..inside, r#""stream_options":{"include_usage":true},"#.to_owned())
            }
        });
    }
    splice(&original.body, pieces)
}

fn splice(body: &Bytes, mut pieces: Vec<(Range<usize>, String)>) -> Bytes {
    if pieces.is_empty() {
        return body.clone();
    }
    // What goes in where a piece begins goes before it.
    pieces.sort_by_key(|(span, _)| (span.start, span.end));
    let grown: usize = pieces.iter().map(|(_, text)| text.len()).sum();
    let mut new = Vec::with_capacity(body.len() + grown);
    let mut done = 0;
    for (span, text) in pieces {
        new.extend_from_slice(&body[done..span.start]);
        new.extend_from_slice(text.as_bytes());
        done = span.end;
    }
    new.extend_from_slice(&body[done..]);
    new.into()
}

/// The object with `include_usage` true and its other members as they were; `null` becomes the bare object.
fn with_usage(options: &[u8]) -> String {
    let Members(members) = serde_json::from_slice(options).unwrap_or_default();
    let mut text = String::from("{");
    for (key, value) in members.iter().filter(|(key, _)| key != "include_usage") {
        text.push_str(&Value::from(key.as_str()).to_string());
        text.push(':');
        text.push_str(value.get());
        text.push(',');
    }
    text.push_str(r#""include_usage":true}"#);
    text
}

/// Where the key `max_tokens` stands, quotes included; `None` where nothing is bounded or the newer name stands there too.
/// The body is read for it once more, which only few models need.
fn bound_key(request: &ChatRequest) -> Option<Range<usize>> {
    request.sampling.max_tokens?;
    let body = &request.original.body;
    let bounds: Bounds<'_> = serde_json::from_slice(body).ok()?;
    let value = bounds.max_tokens.filter(|_| !bounds.newer)?.get();
    let value = (value.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    // Between a key and its value stand blanks and a colon; within this one stands no quote, however it is written.
    let end = memchr::memrchr(b'"', body.get(..value)?)?;
    let start = memchr::memrchr(b'"', body.get(..end)?)?;
    Some(start..end + 1)
}

/// The fields that bound an answer.
#[derive(Deserialize)]
struct Bounds<'a> {
    #[serde(borrow, default)]
    max_tokens: Option<&'a RawValue>,
    /// Whether the newer name stands there, `null` included.
    #[serde(rename = "max_completion_tokens", deserialize_with = "stands", default)]
    newer: bool,
}

fn stands<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// An object's members in order, values as written.
#[derive(Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members, A::Error> {
        let mut members = vec![];
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests;
