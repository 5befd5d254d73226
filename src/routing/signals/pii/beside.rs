//! What a request's body holds beside its messages: tools, schemas, metadata and whatever else a remote gets as it came.
//! Read as JSON text, of which no value is built: neither depth nor a field that stands twice hides anything.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Conversation<'a> {
    #[serde(borrow)]
    messages: &'a RawValue,
}

/// The body before and behind the messages' value; `None` where it is no such body.
pub(super) fn around_messages(body: &[u8]) -> Option<[&str; 2]> {
    let body = std::str::from_utf8(body).ok()?;
    let Conversation { messages } = serde_json::from_str(body).ok()?;
    let start = (messages.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
    let end = start.checked_add(messages.get().len())?;
    Some([body.get(..start)?, body.get(end..)?])
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
