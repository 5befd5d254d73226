//! What an upstream says when it refuses or fails. Reads only the known fields of a JSON error envelope, cut to a
//! bounded length, without control characters: HTML, binary and private fields of an error body go nowhere.

use serde_json::Value;

use super::surrogates::read_json;

/// Longest message passed on, in characters.
const MAX_MESSAGE: usize = 512;
/// Longest code, type or parameter path passed on, in characters.
const MAX_NAME: usize = 128;

/// An upstream's error, cleaned. Every field may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// The sentence for people. Fit for the caller only where the caller is at fault.
    pub message: Option<String>,
    /// OpenAI's `type`.
    pub kind: Option<String>,
    /// Which parameter of the request is at fault.
    pub param: Option<String>,
    /// OpenAI's `code`; a number is written out.
    pub code: Option<String>,
}

/// Reads an error body: `{"error":{..}}`, also in a list as Gemini's; `{"error":"text"}`; the bare object with
/// `"object":"error"` that vLLM and Mistral send; FastAPI's `{"detail":..}`. Anything else is an empty complaint.
pub fn parse_error(body: &[u8]) -> Complaint {
    let Some(value) = read_json(body) else { return Complaint::default() };
    let detail = sentence(&value).filter(|_| value.is_object()).and_then(clean_message);
    find_in(value).unwrap_or(Complaint { message: detail, ..Complaint::default() })
}

/// Like [`parse_error`], but `None` when the JSON is no error at all; a `detail` alone makes none.
pub(super) fn find(body: &[u8]) -> Option<Complaint> {
    find_in(read_json(body)?)
}

fn find_in(body: Value) -> Option<Complaint> {
    let mut envelope = match body {
        Value::Object(envelope) => envelope,
        Value::Array(list) => return find_in(list.into_iter().next()?),
        _ => return None,
    };
    match envelope.remove("error") {
        Some(Value::String(message)) => {
            Some(Complaint { message: clean_message(&message), ..Complaint::default() })
        }
        Some(error @ Value::Object(_)) => Some(read(&error)),
        Some(Value::Null) | None if envelope.get("object").and_then(Value::as_str) == Some("error") => {
            Some(read(&Value::Object(envelope)))
        }
        Some(Value::Null | Value::Bool(false)) | None => None,
        Some(_) => Some(Complaint::default()),
    }
}

fn read(error: &Value) -> Complaint {
    let name = |key: &str| match error.get(key) {
        Some(Value::String(name)) => clean_name(name),
        Some(Value::Number(number)) => clean_name(&number.to_string()),
        _ => None,
    };
    Complaint {
        message: error.get("message").and_then(sentence).and_then(clean_message),
        kind: name("type"),
        param: name("param"),
        code: name("code"),
    }
}

/// A text, or the first one of what FastAPI and Pydantic say: `{"detail":"text"}`, `{"detail":[{"msg":"text"}]}`.
fn sentence(message: &Value) -> Option<&str> {
    match message {
        Value::String(text) => Some(text),
        Value::Object(object) => sentence(object.get("detail")?),
        Value::Array(list) => list.first()?.get("msg")?.as_str(),
        _ => None,
    }
}

fn clean_message(text: &str) -> Option<String> {
    let markup = ["<html", "<!doctype", "<body", "<script"];
    let head: String = text.chars().take(MAX_MESSAGE).collect();
    let lower = head.to_ascii_lowercase();
    if markup.iter().any(|tag| lower.contains(tag)) {
        return None;
    }
    let clean: String = head.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

fn clean_name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.chars().count() <= MAX_NAME;
    let plain = text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '\\'));
    (fits && plain).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a7_only_the_known_fields_of_an_envelope_are_read() {
        let complaint = parse_error(
            br#"{"error":{"message":"no such\nmodel","type":"invalid_request_error","param":"messages[0].role",
                "code":"model_not_found","internal_host":"10.0.0.1"},"trace":"secret"}"#,
        );
        assert_eq!(complaint.message.as_deref(), Some("no such model"));
        assert_eq!(complaint.kind.as_deref(), Some("invalid_request_error"));
        assert_eq!(complaint.param.as_deref(), Some("messages[0].role"));
        assert_eq!(complaint.code.as_deref(), Some("model_not_found"));
        assert!(!format!("{complaint:?}").contains("10.0.0.1"));
    }

    #[test]
    fn a7_other_providers_forms_are_read() {
        let vllm =
            parse_error(br#"{"object":"error","message":"too long","type":"BadRequestError","code":400}"#);
        assert_eq!((vllm.message.as_deref(), vllm.code.as_deref()), (Some("too long"), Some("400")));
        assert_eq!(parse_error(br#"{"error":"nope"}"#).message.as_deref(), Some("nope"));
        let gemini = parse_error(br#"[{"error":{"code":400,"message":"bad key","status":"X"}}]"#);
        assert_eq!((gemini.message.as_deref(), gemini.code.as_deref()), (Some("bad key"), Some("400")));
        let mistral =
            parse_error(br#"{"object":"error","message":{"detail":[{"msg":"no field"}]},"code":"3"}"#);
        assert_eq!((mistral.message.as_deref(), mistral.code.as_deref()), (Some("no field"), Some("3")));
        for fastapi in [r#"{"detail":"not you"}"#, r#"{"detail":[{"loc":["body"],"msg":"not you"}]}"#] {
            assert_eq!(parse_error(fastapi.as_bytes()).message.as_deref(), Some("not you"));
            assert_eq!(find(fastapi.as_bytes()), None, "in a success it is no error");
        }
        assert_eq!(parse_error(br#"{"error":"half \ud83d"}"#).message.as_deref(), Some("half \u{fffd}"));
    }

    #[test]
    fn a10_nothing_of_html_binary_or_odd_json_is_passed_on() {
        let bodies: [&[u8]; 9] = [
            b"",
            b"<html><h1>502</h1></html>",
            b"\xff\xfe\x00",
            b"null",
            b"[1]",
            b"{}",
            br#"{"error":null}"#,
            br#"{"error":{"message":"<!DOCTYPE html><p>x","code":["x"],"param":"<b>"}}"#,
            br#"{"error":{"message":"  ","type":"a b"}}"#,
        ];
        for body in bodies {
            assert_eq!(parse_error(body), Complaint::default(), "{body:?}");
        }
    }

    #[test]
    fn a10_long_texts_are_cut() {
        let body =
            format!(r#"{{"error":{{"message":"{}","code":"{}"}}}}"#, "ä".repeat(9999), "c".repeat(999));
        let complaint = parse_error(body.as_bytes());
        assert_eq!(complaint.message.unwrap().chars().count(), MAX_MESSAGE);
        assert_eq!(complaint.code, None);
    }
}
