//! What a request's body holds beside its texts and names: tools, schemas, metadata, tool calls, fields of messages that
//! nobody here reads, and whatever else a remote gets as it came. Read as JSON text, from which only values that are
//! scanned elsewhere are cut: neither depth nor a field that stands twice hides anything but a file's text.
//! Leaves out media's bytes, but not the text of files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::attached::{self, Attached};

/// Shorter strings are scanned, whatever field they stand in.
const SHORTEST_MEDIUM: usize = 64;

#[derive(Deserialize)]
struct Conversation<'a> {
    #[serde(borrow)]
    messages: &'a RawValue,
}

/// What is found in the messages.
#[derive(Default)]
struct Found<'a> {
    /// Values, or the ends of such, that are scanned elsewhere or not at all.
    cuts: Vec<&'a str>,
    /// Fields in which a file may stand, cut or not.
    files: Vec<&'a RawValue>,
}

/// The pieces of the body that remain, in order, none of which begins within a string, and behind them the texts of files.
/// `None` where it is no such body, or such a text cannot be read.
pub(super) fn rest(body: &[u8]) -> Option<Vec<Cow<'_, str>>> {
    let body = std::str::from_utf8(body).ok()?;
    let Conversation { messages } = serde_json::from_str(body).ok()?;
    let messages: Vec<&RawValue> = serde_json::from_str(messages.get()).ok()?;
    let mut found = Found::default();
    for message in messages {
        cut_message(message, &mut found);
    }
    found.cuts.sort_unstable_by_key(|cut| cut.as_ptr());
    let mut pieces = Vec::with_capacity(found.cuts.len() + 1);
    let mut from = 0;
    for cut in found.cuts {
        let start = (cut.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        pieces.push(Cow::Borrowed(body.get(from..start)?));
        from = start.checked_add(cut.len())?;
    }
    pieces.push(Cow::Borrowed(body.get(from..)?));
    for file in found.files {
        match attached::read(file.get()) {
            Attached::Bytes => {}
            Attached::Text(text) => pieces.push(Cow::Owned(text)),
            Attached::Unreadable => return None,
        }
    }
    Some(pieces)
}

/// An object's members; of those that stand twice only the last. Empty where it is none, so that nothing of it is cut.
fn members(object: &RawValue) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(object.get()).unwrap_or_default()
}

/// Adds what is scanned as the message's text or name, and its media's bytes.
fn cut_message<'a>(message: &'a RawValue, found: &mut Found<'a>) {
    for (key, value) in members(message) {
        match key.as_str() {
            "content" if value.get().starts_with('[') => cut_parts(value, found),
            "content" | "name" | "refusal" => found.cuts.push(value.get()),
            "audio" => cut_bytes(value, found),
            _ => {}
        }
    }
}

fn cut_parts<'a>(content: &'a RawValue, found: &mut Found<'a>) {
    let parts: Vec<&RawValue> = serde_json::from_str(content.get()).unwrap_or_default();
    for part in parts {
        let part = members(part);
        let kind = part.get("type").and_then(|kind| serde_json::from_str::<String>(kind.get()).ok());
        let Some(kind) = kind else { continue };
        match (kind.as_str(), part.get(&kind).copied()) {
            ("text" | "refusal", Some(text)) => found.cuts.push(text.get()),
            (_, Some(medium)) => cut_bytes(medium, found),
            (_, None) => {}
        }
    }
}

/// Adds the bytes of a picture, a sound or a file; its name, an address of it and what stands before the bytes remain.
fn cut_bytes<'a>(medium: &'a RawValue, found: &mut Found<'a>) {
    let medium = members(medium);
    for value in ["data", "file_data", "url"].into_iter().filter_map(|key| medium.get(key).copied()) {
        found.files.push(value);
        found.cuts.extend(bytes(value.get()));
    }
}

/// The long base64 in a JSON value that is a string of it, alone or behind `data:TYPE;base64,`, to the closing quote.
/// Judged by its signs, among which are no space, dot, colon or `@`: words and other addresses are none.
fn bytes(json: &str) -> Option<&str> {
    let string = json.strip_prefix('"')?.strip_suffix('"')?;
    let (kind, data) = attached::data_url(string).unwrap_or((";base64", string));
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_\\".contains(&byte);
    let is_bytes = attached::is_base64(kind) && data.len() >= SHORTEST_MEDIUM && data.bytes().all(is_sign);
    is_bytes.then(|| &json[json.len() - data.len() - 1..])
}

/// What the strings with escapes of a JSON text, or of a part of one that begins in no string, say without them, one at a
/// time, and then the text itself.
pub(super) fn texts(json: Cow<'_, str>) -> impl Iterator<Item = Cow<'_, str>> {
    let mut left = Some(json);
    let mut at = 0;
    std::iter::from_fn(move || {
        let json = left.as_deref()?;
        while let Some(skipped) = json[at..].find('"') {
            let begin = at + skipped;
            at = begin + string_length(&json.as_bytes()[begin..]);
            let string = &json[begin..at];
            if string.contains('\\')
                && let Ok(text) = serde_json::from_str::<String>(string)
            {
                return Some(Cow::Owned(text));
            }
        }
        left.take()
    })
}

/// Bytes of the JSON string that begins here, quotes included.
fn string_length(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}
