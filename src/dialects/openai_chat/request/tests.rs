//! What is read, what is refused and with which field.

use super::*;
use crate::chat::{Part, Role};

fn parse(body: &str) -> Result<ChatRequest, RequestError> {
    parse_request(Bytes::copy_from_slice(body.as_bytes()))
}

/// A valid body with `extra` fields.
pub(super) fn with(extra: &str) -> Result<ChatRequest, RequestError> {
    parse(&format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"hi"}}]{extra}}}"#))
}

/// The field that `messages` are refused for.
fn refused(messages: &str) -> String {
    parse(&format!(r#"{{"model":"auto","messages":{messages}}}"#)).unwrap_err().param.unwrap()
}

#[test]
fn reads_the_fields_and_keeps_the_places_to_rewrite() {
    let body = r#"{"x_new": {"a":1}, "stream": true, "model" : "gpt-4o", "stream_options":{"include_usage":true,"z":1},
        "messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"hi"}]}],
        "n":3.0,"stop":"END","max_tokens":5,"max_completion_tokens":7,"seed":-4,"temperature":0}"#;
    let request = parse(body).unwrap();
    assert_eq!(&request.original.body[request.original.model.clone()], br#""gpt-4o""#);
    let options = request.original.stream_options.clone().unwrap();
    assert_eq!(&request.original.body[options], br#"{"include_usage":true,"z":1}"#);
    assert_eq!((request.model.as_str(), request.stream, request.include_usage), ("gpt-4o", true, true));
    assert_eq!(request.messages[0].role, Role::Developer);
    assert_eq!(request.texts().collect::<Vec<_>>(), ["Be brief.", "hi"]);
    assert_eq!(request.sampling.max_tokens, Some(7));
    assert_eq!(
        (request.sampling.n, request.sampling.seed, request.sampling.temperature),
        (3, Some(-4), Some(0.0))
    );
    assert_eq!(request.sampling.stop, ["END"]);
}

#[test]
fn needs_are_what_the_fields_say() {
    assert_eq!(with("").unwrap().needs, Needs::default());
    assert!(with(r#","logprobs":true"#).unwrap().needs.logprobs);
    assert!(with(r#","response_format":{"type":"json_object"}"#).unwrap().needs.structured);
    assert!(!with(r#","response_format":{"type":"text"}"#).unwrap().needs.structured);
    assert!(with(r#","presence_penalty":0.5"#).unwrap().needs.other_sampling);
    let image = r#"{"model":"a","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}"#;
    assert!(parse(image).unwrap().needs.vision);
    assert!(with(r#","web_search_options":{}"#).unwrap().needs.hosted);
    assert!(with(r#","moderation":{"model":"omni-moderation-latest"}"#).unwrap().needs.hosted);
    let unset = r#","web_search_options":null,"moderation":null"#;
    assert_eq!(with(unset).unwrap().needs, Needs::default());
}

#[test]
fn parts_of_an_earlier_answer_may_be_of_any_type() {
    let thinking = r#"{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}"#;
    let said = |role: &str, part: &str| format!(r#"[{{"role":"{role}","content":[{part}]}}]"#);
    let parts = said("assistant", &format!(r#"{thinking},{{"type":"text","text":"four"}}"#));
    let request = parse(&format!(r#"{{"model":"auto","messages":{parts}}}"#)).unwrap();
    assert_eq!(
        request.messages[0].content,
        [Part::Other(thinking.to_owned()), Part::Text("four".to_owned())]
    );
    assert!(request.needs.vision, "for a remote only");
    let nameless = said("assistant", r#"{"thinking":"hm"}"#);
    for messages in [said("user", thinking), said("system", thinking), nameless] {
        assert_eq!(refused(&messages), "messages[0].content[0].type", "{messages}");
    }
}

#[test]
fn sampling_is_read_whole() {
    let sampling = with(
        r#","logit_bias":{"50":-100,"7":1.5,"9":0},"presence_penalty":0.5,"frequency_penalty":-2,"min_p":0.1,
        "repetition_penalty":1.1,"logprobs":true,"top_logprobs":20"#,
    )
    .unwrap()
    .sampling;
    assert_eq!(sampling.logit_bias, [(7, 1.5), (50, -100.0)]);
    assert_eq!((sampling.presence_penalty, sampling.frequency_penalty), (0.5, -2.0));
    assert_eq!((sampling.min_p, sampling.repetition_penalty), (Some(0.1), Some(1.1)));
    assert_eq!(sampling.logprobs, Some(20));
    for (k, kept) in [(-1, 0), (0, 0), (5, 5)] {
        assert_eq!(with(&format!(r#","top_k":{k}"#)).unwrap().sampling.top_k, Some(kept), "{k}");
    }
    assert_eq!(with(r#","logprobs":true"#).unwrap().sampling.logprobs, Some(0));
    let without = with(r#","logprobs":false,"top_logprobs":0"#).unwrap();
    assert_eq!((without.sampling.logprobs, without.needs.logprobs), (None, false));
}

#[test]
fn cached_prefixes_are_shared_by_those_of_the_same_names_only() {
    let salt = |fields| with(fields).unwrap().cache_salt;
    let alike = r#","user":"u","prompt_cache_key":"k""#;
    assert_eq!(salt(alike), salt(r#","prompt_cache_key":"k","user":"u","safety_identifier":null"#));
    let others = [
        alike,
        r#","user":"v","prompt_cache_key":"k""#,
        r#","user":"u""#,
        r#","prompt_cache_key":"u""#,
        r#","user":"ku""#,
        r#","user":"1:ku""#,
        r#","user":"","prompt_cache_key":"ku""#,
        r#","safety_identifier":"u""#,
        r#","safety_identifier":"v""#,
        r#","prompt_cache_key":"k","safety_identifier":"u""#,
        r#","prompt_cache_key":"k","user":"u","safety_identifier":"s""#,
        r#","prompt_cache_key":"k","user":"us""#,
        "",
    ];
    let mut salts = others.map(salt).to_vec();
    salts.sort_unstable();
    salts.dedup();
    assert_eq!((salts.len(), salt("")), (others.len(), None));
    for name in ["prompt_cache_key", "user", "safety_identifier"] {
        let long = format!(r#","{name}":"{}""#, "u".repeat(1025));
        assert_eq!(with(&long).unwrap_err().param.as_deref(), Some(name));
    }
}

#[test]
fn response_formats_are_read_and_their_shape_is_checked() {
    let format = |format: &str| with(&format!(r#","response_format":{format}"#));
    let read = |text| format(text).unwrap().response_format;
    assert_eq!(read(r#"{"type":"text"}"#), ResponseFormat::Text);
    assert_eq!(read(r#"{"type":"json_object"}"#), ResponseFormat::JsonObject);
    let named =
        r#"{"type":"json_schema","json_schema":{"name":"a-b_1","strict":true,"schema":{"type":"object"}}}"#;
    let schema = Arc::new(serde_json::json!({ "type": "object" }));
    assert_eq!(read(named), ResponseFormat::JsonSchema { schema, strict: true });
    assert_eq!(
        read(r#"{"type":"json_schema","json_schema":{"name":"n","schema":null}}"#),
        ResponseFormat::JsonObject
    );
    let whole = "response_format.json_schema";
    for (text, param) in [
        (r#""json""#, "response_format"),
        (r#"{"type":"xml"}"#, "response_format.type"),
        (r#"{"type":"json_schema"}"#, whole),
        (r#"{"type":"json_schema","json_schema":[]}"#, whole),
        (r#"{"type":"json_schema","json_schema":{}}"#, "response_format.json_schema.name"),
        (r#"{"type":"json_schema","json_schema":{"name":"a b"}}"#, "response_format.json_schema.name"),
        (r#"{"type":"json_schema","json_schema":{"name":3}}"#, "response_format.json_schema.name"),
        (
            r#"{"type":"json_schema","json_schema":{"name":"n","strict":1}}"#,
            "response_format.json_schema.strict",
        ),
        (
            r#"{"type":"json_schema","json_schema":{"name":"n","schema":[]}}"#,
            "response_format.json_schema.schema",
        ),
    ] {
        assert_eq!(format(text).unwrap_err().param.as_deref(), Some(param), "{text}");
    }
    // Deeper than the parser reads: refused by name, not by a crash.
    let deep = format!("{}{}", r#"{"a":"#.repeat(1000), "1".to_owned() + &"}".repeat(1000));
    let deep = format!(r#"{{"type":"json_schema","json_schema":{{"name":"n","schema":{deep}}}}}"#);
    assert_eq!(format(&deep).unwrap_err().param.as_deref(), Some("response_format"));
}

#[test]
fn e1_what_is_no_json_object_is_refused() {
    for body in ["", "{", "[]", "\"x\"", "3", "null", "{\"model\":\"a\"", "nonsense", "\u{feff}{}"] {
        let error = parse(body).unwrap_err();
        assert_eq!(error.code, "invalid_json", "{body}");
    }
    assert_eq!(parse("{}").unwrap_err().param.as_deref(), Some("model"));
    assert_eq!(parse(r#"{"model":"a"}"#).unwrap_err().param.as_deref(), Some("messages"));
}

#[test]
fn e3_broken_texts_are_refused_and_depth_is_survived() {
    assert_eq!(parse_request(Bytes::from_static(b"{\"model\":\"\xff\"}")).unwrap_err().code, "invalid_json");
    assert_eq!(refused(r#"[{"role":"user","content":"\ud800"}]"#), "messages[0].content");
    assert!(parse(r#"{"model":"a","messages":[{"role":"user","content":"a\u0000b"}]}"#).is_ok());
    let deep = format!(r#","x":{}{}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert!(with(&deep).is_ok());
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(parse(&format!(r#"{{"model":"a","messages":{deep}}}"#)).is_err());
    assert_eq!(with(r#","n":1e999"#).unwrap_err().param.as_deref(), Some("n"));
    assert_eq!(with(r#","stream":"yes""#).unwrap_err().param.as_deref(), Some("stream"));
}

#[test]
fn e5_e6_absurd_numbers_are_refused_by_name() {
    for (field, value) in [
        ("n", "1000000000"),
        ("n", "0"),
        ("n", "2.5"),
        ("max_tokens", "1000000000000"),
        ("max_tokens", "-1"),
        ("max_completion_tokens", "9223372036854775808"),
        ("top_logprobs", "21"),
        ("best_of", "1000000000"),
        ("temperature", "-0.1"),
        ("temperature", "\"hot\""),
        ("temperature", "1e999"),
        ("top_p", "1.5"),
        ("seed", "1e300"),
        ("logprobs", "1000000000"),
        ("presence_penalty", "3"),
        ("stop", "[\"a\",\"b\",\"c\",\"d\",\"e\"]"),
        ("stop", "[\"\"]"),
        ("tools", "{}"),
        ("logit_bias", "[]"),
        ("logit_bias", "{\"-1\":1}"),
        ("logit_bias", "{\"4294967296\":1}"),
        ("logit_bias", "{\"hello\":1}"),
        ("logit_bias", "{\"1\":100.5}"),
        ("min_p", "-0.01"),
        ("min_p", "1.01"),
        ("min_p", "\"low\""),
        ("repetition_penalty", "0"),
        ("repetition_penalty", "1e-38"),
        ("repetition_penalty", "-1"),
        ("repetition_penalty", "101"),
        ("top_logprobs", "2"),
        ("user", "7"),
        ("prompt_cache_key", "[]"),
    ] {
        let error = with(&format!(r#","{field}":{value}"#)).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(field), "{field}={value}");
    }
    let biases: Vec<String> = (0..2000).map(|token| format!("\"{token}\":1")).collect();
    let error = with(&format!(r#","logit_bias":{{{}}}"#, biases.join(","))).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("logit_bias"));
}

#[test]
fn e11_conversations_that_make_no_sense_are_refused_with_their_place() {
    assert_eq!(refused("[]"), "messages");
    assert_eq!(refused("{}"), "messages");
    assert_eq!(refused(r#"["hi"]"#), "messages[0]");
    assert_eq!(refused(r#"[{"content":"x"}]"#), "messages[0].role");
    assert_eq!(refused(r#"[{"role":"alien","content":"x"}]"#), "messages[0].role");
    assert_eq!(refused(r#"[{"role":"user"}]"#), "messages[0].content");
    assert_eq!(refused(r#"[{"role":"user","content":3}]"#), "messages[0].content");
    assert_eq!(
        refused(r#"[{"role":"user","content":[{"type":"hologram"}]}]"#),
        "messages[0].content[0].type"
    );
    assert_eq!(refused(r#"[{"role":"user","content":[{"type":"text"}]}]"#), "messages[0].content[0].text");
    assert_eq!(
        refused(r#"[{"role":"user","content":"a"},{"role":"tool","tool_call_id":"c","content":"1"}]"#),
        "messages[1].tool_call_id"
    );
    let call = r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}"#;
    let whole = format!(
        r#"{{"model":"a","messages":[{{"role":"user","content":"a"}},{call},{{"role":"tool","tool_call_id":"c","content":"1"}}]}}"#
    );
    assert_eq!(parse(&whole).unwrap().messages[1].tool_calls.len(), 1);
}

#[test]
fn older_calls_and_their_results_get_ids() {
    let body = |asked: &str, answered: &str| {
        format!(
            r#"{{"model":"a","messages":[{{"role":"user","content":"a"}},{{"role":"assistant","content":null,{asked}}},{answered}]}}"#
        )
    };
    let asked = r#""function_call":{"name":"now","arguments":"{}"}"#;
    let answered = r#"{"role":"function","name":"now","content":"noon"}"#;
    let messages = parse(&body(asked, answered)).unwrap().messages;
    assert_eq!(messages[1].tool_calls[0]["id"], "call_1");
    assert_eq!(messages[2].tool_call_id.as_deref(), Some("call_1"));
    let asked = r#""tool_calls":[{"id":"c","type":"function","function":{"name":"now","arguments":"{}"}}]"#;
    let messages = parse(&body(asked, answered)).unwrap().messages;
    assert_eq!(messages[2].tool_call_id.as_deref(), Some("c"));
}

#[test]
fn f1_e12_fields_that_would_steer_the_gateway_are_refused() {
    for field in ["api_base", "base_url", "custom_host", "api_key", "user_role"] {
        let error = with(&format!(r#","{field}":"http://evil.example""#)).unwrap_err();
        assert_eq!((error.param.as_deref(), error.code), (Some(field), "unsupported_parameter"));
    }
    assert!(with(r#","metadata":{"user_role":"admin"},"extra_thing":1"#).is_ok());
}

#[test]
fn e20_a_doubled_model_is_refused() {
    let error = with(r#","model":"gpt-4o""#).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("model"));
    assert!(with(r#","Model":"x""#).is_ok(), "another case is another, unknown field");
}

#[test]
fn stream_options_need_a_stream() {
    assert_eq!(
        with(r#","stream_options":{"include_usage":true}"#).unwrap_err().param.as_deref(),
        Some("stream_options")
    );
    assert!(!with(r#","stream":true,"stream_options":{}"#).unwrap().include_usage);
}

#[test]
fn e1_a_list_is_no_object_below_the_top_either() {
    assert_eq!(refused(r#"[["user","hi",null,null,null,null,null,null]]"#), "messages[0]");
    assert_eq!(refused(r#"[{"role":"user","content":[["text","hi",null]]}]"#), "messages[0].content[0]");
    for (field, value) in [("response_format", r#"["json_object"]"#), ("stream_options", "[true]")] {
        let error = with(&format!(r#","stream":true,"{field}":{value}"#)).unwrap_err();
        assert_eq!((error.param.as_deref(), error.code), (Some(field), "invalid_type"));
    }
}

#[test]
fn d19_what_is_kept_as_json_holds_a_bounded_number_of_values() {
    let list = |items: usize| format!("[{}0]", "[],".repeat(items));
    let (few, many) = (list(30_000), list(100_000));
    let called = |calls: &str| format!(r#"{{"role":"assistant","content":"a","tool_calls":{calls}}}"#);
    assert_eq!(refused(&format!("[{}]", called(&many))), "messages[0].tool_calls");
    // Each message alone would do.
    assert_eq!(refused(&format!("[{},{}]", called(&few), called(&few))), "messages[1].tool_calls");
    let format = |values: &str| {
        let schema = format!(r#"{{"name":"n","schema":{{"enum":{values}}}}}"#);
        with(&format!(r#","response_format":{{"type":"json_schema","json_schema":{schema}}}"#))
    };
    let tools = |values: &str| {
        let schema = format!(r#"{{"name":"f","parameters":{{"enum":{values}}}}}"#);
        with(&format!(r#","tools":[{{"type":"function","function":{schema}}}]"#))
    };
    assert!(format(&few).is_ok() && tools(&few).is_ok());
    for (refused, field) in [(format(&many), "response_format"), (tools(&many), "tools")] {
        let error = refused.unwrap_err();
        assert_eq!((error.param.as_deref(), error.code), (Some(field), "invalid_value"));
    }
    let text = format!(r#"["\"{}"]"#, ",[{".repeat(100_000));
    assert!(format(&text).is_ok() && tools(&text).is_ok(), "a text is one value");
}
