//! The caller's own bytes, edited for the upstream: the model's name, and a usage report asked for on streams, unless the
//! upstream refuses to be asked.
//! Everything else stays byte for byte, so that fields we do not know reach the upstream.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::chat::ChatRequest;

/// Whether the upstream is asked for a usage report that the caller did not ask for.
pub fn adds_report(request: &ChatRequest) -> bool {
    request.stream && !request.include_usage
}

/// Whether an error's body names the field that asks for the report, and the request has it for the report alone.
pub fn blames_report(request: &ChatRequest, error: &[u8]) -> bool {
    request.original.stream_options.is_none() && memchr::memmem::find(error, b"stream_options").is_some()
}

/// The body to send for `request`, asking for `model`, and with `report` for a usage report where [`adds_report`] says so.
/// Not copied where nothing changes.
pub fn body(request: &ChatRequest, model: &str, report: bool) -> Bytes {
    let original = &request.original;
    let mut edits: Vec<(Range<usize>, String)> = Vec::with_capacity(2);
    if request.model != model {
        edits.push((original.model.clone(), Value::from(model).to_string()));
    }
    if report && adds_report(request) {
        edits.push(match &original.stream_options {
            Some(span) => (span.clone(), with_usage(&original.body[span.clone()])),
            None => {
                let inside = memchr::memchr(b'{', &original.body).map_or(0, |brace| brace + 1);
                (inside..inside, r#""stream_options":{"include_usage":true},"#.to_owned())
            }
        });
    }
    splice(&original.body, edits)
}

fn splice(body: &Bytes, mut edits: Vec<(Range<usize>, String)>) -> Bytes {
    if edits.is_empty() {
        return body.clone();
    }
    edits.sort_by_key(|(span, _)| span.start);
    let grown: usize = edits.iter().map(|(_, text)| text.len()).sum();
    let mut new = Vec::with_capacity(body.len() + grown);
    let mut done = 0;
    for (span, text) in edits {
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
mod tests {
    use super::*;
    use crate::chat::{Controls, Dialect, Message, Needs, Original, ResponseFormat, Role, Sampling, Tools};

    fn span(body: &str, value: &str) -> Range<usize> {
        let start = body.find(value).unwrap();
        start..start + value.len()
    }

    fn request(body: &str, model: &str, options: Option<&str>, stream: bool) -> ChatRequest {
        ChatRequest {
            model: serde_json::from_str(model).unwrap(),
            messages: vec![Message::text(Role::User, "hi")],
            sampling: Sampling::default(),
            tools: Tools::default(),
            template_settings: serde_json::Map::new(),
            response_format: ResponseFormat::Text,
            cache_salt: None,
            needs: Needs::default(),
            stream,
            include_usage: options.is_some_and(|options| options.contains("true")),
            original: Original {
                dialect: Dialect::OpenAiChat,
                body: Bytes::copy_from_slice(body.as_bytes()),
                model: span(body, model),
                stream_options: options.map(|options| span(body, options)),
            },
            controls: Controls::default(),
        }
    }

    #[test]
    fn only_the_model_changes_when_nothing_streams() {
        let text =
            " {\"x_new\" : 1.50 , \"model\":\"auto\",\"messages\":[ ],\"seed\":12345678901234567890123}\n";
        let sent = body(&request(text, "\"auto\"", None, false), "gpt-\"4\"", true);
        assert_eq!(sent, text.replace("\"auto\"", "\"gpt-\\\"4\\\"\""));
    }

    #[test]
    fn nothing_is_copied_when_nothing_changes() {
        let text = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
        let request = request(text, "\"m\"", Some(r#"{"include_usage":true}"#), true);
        assert_eq!(body(&request, "m", true).as_ptr(), request.original.body.as_ptr());
    }

    #[test]
    fn c11_usage_is_asked_for_on_streams_without_options() {
        let text = " { \"model\":\"auto\",\"stream\":true}";
        let request = request(text, "\"auto\"", None, true);
        let sent = body(&request, "m", true);
        assert_eq!(sent, " {\"stream_options\":{\"include_usage\":true}, \"model\":\"m\",\"stream\":true}");
        assert_eq!(body(&request, "m", false), " { \"model\":\"m\",\"stream\":true}");
    }

    #[test]
    fn c11_usage_is_asked_for_beside_other_options() {
        let cases = [
            ("null", r#"{"include_usage":true}"#),
            ("{ }", r#"{"include_usage":true}"#),
            (r#"{"include_usage" : false}"#, r#"{"include_usage":true}"#),
            (
                r#"{"include_obfuscation": false, "x":[1.0, {"y":2}],"include_usage":null}"#,
                r#"{"include_obfuscation":false,"x":[1.0, {"y":2}],"include_usage":true}"#,
            ),
        ];
        for (options, want) in cases {
            // The options stand before the model here: edits apply in the order of the body.
            let text = format!(r#"{{"stream_options":{options},"stream":true,"model":"auto","z":0}}"#);
            let sent = body(&request(&text, "\"auto\"", Some(options), true), "m", true);
            assert_eq!(sent, format!(r#"{{"stream_options":{want},"stream":true,"model":"m","z":0}}"#));
        }
    }
}
