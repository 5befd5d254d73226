//! What of a body changes on its way out, and that nothing else does.

use super::*;
use crate::chat::{Controls, Dialect, Message, Needs, Original, ResponseFormat, Role, Sampling, Tools};

const PLAIN: Edits = Edits { report: false, newer_bound: false };
const ASKING: Edits = Edits { report: true, newer_bound: false };

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
    let text = " {\"x_new\" : 1.50 , \"model\":\"auto\",\"messages\":[ ],\"seed\":12345678901234567890123}\n";
    let sent = body(&request(text, "\"auto\"", None, false), "gpt-\"4\"", ASKING);
    assert_eq!(sent, text.replace("\"auto\"", "\"gpt-\\\"4\\\"\""));
}

#[test]
fn nothing_is_copied_when_nothing_changes() {
    let text = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    let request = request(text, "\"m\"", Some(r#"{"include_usage":true}"#), true);
    assert_eq!(body(&request, "m", ASKING).as_ptr(), request.original.body.as_ptr());
}

#[test]
fn c11_usage_is_asked_for_on_streams_without_options() {
    let text = " { \"model\":\"auto\",\"stream\":true}";
    let request = request(text, "\"auto\"", None, true);
    let sent = body(&request, "m", ASKING);
    assert_eq!(sent, " {\"stream_options\":{\"include_usage\":true}, \"model\":\"m\",\"stream\":true}");
    assert_eq!(body(&request, "m", PLAIN), " { \"model\":\"m\",\"stream\":true}");
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
        let sent = body(&request(&text, "\"auto\"", Some(options), true), "m", ASKING);
        assert_eq!(sent, format!(r#"{{"stream_options":{want},"stream":true,"model":"m","z":0}}"#));
    }
}

#[test]
fn a_bound_that_is_refused_by_name_gets_its_newer_one() {
    let newer = Edits { newer_bound: true, ..PLAIN };
    let (param, code) = (Some("max_tokens".to_owned()), Some("unsupported_parameter".to_owned()));
    let refusal = Complaint { param, code, ..Complaint::default() };
    let of_value = Complaint { code: Some("invalid_value".to_owned()), ..refusal.clone() };
    let cases = [
        (
            r#"{"model":"auto" , "max_tokens" : 5,"stop":"\"max_tokens\":"}"#,
            Some(r#"{"model":"m" , "max_completion_tokens" : 5,"stop":"\"max_tokens\":"}"#),
        ),
        (r#"{"max\u005ftokens":5,"model":"auto"}"#, Some(r#"{"max_completion_tokens":5,"model":"m"}"#)),
        (r#"{"max_completion_tokens":null,"max_tokens":5,"model":"auto"}"#, None),
    ];
    for (text, want) in cases {
        let mut request = request(text, "\"auto\"", None, false);
        request.sampling.max_tokens = Some(5);
        assert_eq!(blames_bound(&request, "m", &refusal), want.is_some(), "{text}");
        assert!(!blames_bound(&request, "m", &of_value));
        assert!(!blames_bound(&request, "auto", &refusal), "the caller's own choice");
        assert_eq!(body(&request, "auto", newer), text);
        let want = want.map_or_else(|| text.replace("auto", "m"), str::to_owned);
        assert_eq!(body(&request, "m", newer), want);
    }
}

#[test]
fn a_bound_that_comes_first_and_a_report_are_edited_together() {
    let text = r#"{"max_tokens":5,"metadata":{"max_tokens":"1"},"model":"auto","stream":true}"#;
    let mut request = request(text, "\"auto\"", None, true);
    request.sampling.max_tokens = Some(5);
    let sent = body(&request, "m", Edits { report: true, newer_bound: true });
    let want = r#"{"stream_options":{"include_usage":true},"max_completion_tokens":5,"metadata":{"max_tokens":"1"},"model":"m","stream":true}"#;
    assert_eq!(sent, want);
}
