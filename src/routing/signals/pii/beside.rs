//! What a request's body holds beside its texts and names: tools, schemas, metadata, tool calls, fields of messages that
//! nobody here reads, and whatever else a remote gets as it came. Read as JSON text, from which only values that are
//! scanned elsewhere are cut: neither depth nor a field that stands twice hides anything. Leaves out media's bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Shorter strings are scanned, whatever field they stand in.
const SHORTEST_MEDIUM: usize = 64;

#[derive(Deserialize)]
struct Conversation<'a> {
    #[serde(borrow)]
    messages: &'a RawValue,
}

/// The pieces of the body that remain, in order, none of which cuts a string; `None` where it is no such body.
pub(super) fn rest(body: &[u8]) -> Option<Vec<&str>> {
    let body = std::str::from_utf8(body).ok()?;
    let Conversation { messages } = serde_json::from_str(body).ok()?;
    let messages: Vec<&RawValue> = serde_json::from_str(messages.get()).ok()?;
    let mut cuts = vec![];
    for message in messages {
        cut_message(message, &mut cuts);
    }
    let mut cuts: Vec<&str> = cuts.into_iter().map(RawValue::get).collect();
    cuts.sort_unstable_by_key(|cut| cut.as_ptr());
    let mut pieces = Vec::with_capacity(cuts.len() + 1);
    let mut from = 0;
    for cut in cuts {
        let start = (cut.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        pieces.push(body.get(from..start)?);
        from = start.checked_add(cut.len())?;
    }
    pieces.push(body.get(from..)?);
    Some(pieces)
}

/// An object's members; of those that stand twice only the last. Empty where it is none, so that nothing of it is cut.
fn members(object: &RawValue) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(object.get()).unwrap_or_default()
}

/// Adds what is scanned as the message's text or name, and its media's bytes.
fn cut_message<'a>(message: &'a RawValue, cuts: &mut Vec<&'a RawValue>) {
    for (key, value) in members(message) {
        match key.as_str() {
            "content" if value.get().starts_with('[') => cut_parts(value, cuts),
            "content" | "name" | "refusal" => cuts.push(value),
            "audio" => cut_bytes(value, cuts),
            _ => {}
        }
    }
}

fn cut_parts<'a>(content: &'a RawValue, cuts: &mut Vec<&'a RawValue>) {
    let parts: Vec<&RawValue> = serde_json::from_str(content.get()).unwrap_or_default();
    for part in parts {
        let part = members(part);
        let kind = part.get("type").and_then(|kind| serde_json::from_str::<String>(kind.get()).ok());
        let Some(kind) = kind else { continue };
        match (kind.as_str(), part.get(&kind).copied()) {
            ("text" | "refusal", Some(text)) => cuts.push(text),
            (_, Some(medium)) => cut_bytes(medium, cuts),
            (_, None) => {}
        }
    }
}

/// Adds the bytes of a picture, a sound or a file; its name and an address of it remain.
fn cut_bytes<'a>(medium: &'a RawValue, cuts: &mut Vec<&'a RawValue>) {
    let medium = members(medium);
    let values = ["data", "file_data", "url"].into_iter().filter_map(|key| medium.get(key).copied());
    cuts.extend(values.filter(|value| is_base64(value.get())));
}

/// Whether a JSON value is a long string of base64, alone or behind `data:TYPE;base64,`. Judged by its signs, among which
/// are no space, colon or `@`: words and other addresses are none.
fn is_base64(json: &str) -> bool {
    let Some(string) = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) else { return false };
    let data = string.strip_prefix("data:").unwrap_or(string);
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_.;,\\".contains(&byte);
    data.len() >= SHORTEST_MEDIUM && data.bytes().all(is_sign)
}

/// A JSON text, or a part of one that cuts no string, and behind it what its strings with escapes say without them.
pub(super) fn texts(json: Cow<'_, str>) -> Vec<Cow<'_, str>> {
    let mut found = vec![];
    let mut rest: &str = &json;
    while let Some(begin) = rest.find('"') {
        let (string, behind) = rest[begin..].split_at(string_length(&rest.as_bytes()[begin..]));
        rest = behind;
        if string.contains('\\')
            && let Ok(text) = serde_json::from_str::<String>(string)
        {
            found.push(Cow::Owned(text));
        }
    }
    found.insert(0, json);
    found
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
