//! Frames and whole answers as real upstreams send them, and as broken ones do.

use super::*;
use crate::chat::Usage;

fn frame(text: &str) -> Chunk {
    parse_frame(Bytes::copy_from_slice(text.as_bytes()), false).unwrap()
}

fn text(index: u32, text: &str) -> Event {
    Event::Delta { index, delta: Delta::Text(text.to_owned()) }
}

fn finish(index: u32, reason: FinishReason) -> Event {
    Event::Finish { index, reason }
}

#[test]
fn a_stream_is_read_and_its_bytes_are_kept() {
    let first = r#"{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}"#;
    let chunk = frame(first);
    assert_eq!(chunk.raw.as_deref(), Some(first.as_bytes()));
    assert_eq!(chunk.events, [Event::Role { index: 0 }]);
    assert!(!chunk.commits() && !chunk.hidden);
    assert_eq!(frame(r#"{"choices":[{"index":0,"delta":{"content":"h\u00e4"}}]}"#).events, [text(0, "hä")]);
    let last = frame(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop","logprobs":null}]}"#);
    assert_eq!(last.events, [finish(0, FinishReason::Stop)]);
    assert!(last.commits());
}

#[test]
fn tool_calls_refusals_and_unread_content_commit_but_reasoning_does_not() {
    let calls = frame(r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c"}]}}]}"#);
    assert_eq!(
        calls.events,
        [Event::Delta { index: 0, delta: Delta::ToolCalls(json!([{"index":0,"id":"c"}])) }]
    );
    let refusal = frame(r#"{"choices":[{"index":0,"delta":{"content":null,"refusal":"no"}}]}"#);
    assert_eq!(refusal.events, [Event::Delta { index: 0, delta: Delta::Refusal("no".into()) }]);
    assert!(frame(r#"{"choices":[{"index":0,"delta":{"function_call":{"name":"f"}}}]}"#).commits());
    assert_eq!(frame(r#"{"choices":[{"index":0,"delta":{"audio":{"data":"AA"}}}]}"#).events, [text(0, "")]);
    assert_eq!(
        frame(r#"{"choices":[{"index":0,"delta":{"content":[{"type":"text"}]}}]}"#).events,
        [text(0, "")]
    );
    let thought = frame(r#"{"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#);
    assert!(thought.events.is_empty() && !thought.hidden && !thought.commits());
}

#[test]
fn what_the_first_choice_says_beside_text_is_told() {
    let cases = [
        (r#""role":"assistant","content":"","refusal":null,"tool_calls":[],"function_call":null"#, false),
        (r#""content":"four","reasoning_content":"hm","audio":null"#, false),
        (r#""content":[]"#, false),
        (r#""content":[{"type":"thinking","thinking":[]},{"type":"text","text":"four"}]"#, true),
        (r#""content":null,"tool_calls":[{"id":"c"}]"#, true),
        (r#""function_call":{"name":"f"}"#, true),
        (r#""audio":{"data":"AA"}"#, true),
    ];
    for (said, beside) in cases {
        let streamed = |index| {
            frame(&format!(r#"{{"choices":[{{"index":{index},"delta":{{{said}}}}}]}}"#)).beside_text()
        };
        assert_eq!((streamed(0), streamed(1)), (beside, false), "{said}");
        let whole = |first: &str| {
            let body = format!(r#"{{"choices":[{first}{{"message":{{{said}}}}}]}}"#);
            parse_whole(body.into()).unwrap().beside_text()
        };
        assert_eq!((whole(""), whole(r#"{"message":{"content":"a"}},"#)), (beside, false), "{said}");
    }
}

#[test]
fn c9_thoughts_are_measured_once_and_leniently() {
    let cases = [
        (r#""reasoning_content":"h\u00e4\n""#, 4),
        (r#""reasoning":"hm""#, 2),
        (r#""reasoning_content":"hm","reasoning":"hm""#, 2),
        (r#""reasoning_content":null,"reasoning":"hm","content":"four""#, 2),
        (r#""reasoning_content":{"text":"hm"},"reasoning":["hm"]"#, 0),
        (r#""reasoning":"\ud83d""#, 0),
        (r#""reasoning":7,"content":"four""#, 0),
    ];
    for (delta, bytes) in cases {
        assert_eq!(frame(&format!(r#"{{"choices":[{{"delta":{{{delta}}}}}]}}"#)).unread, bytes, "{delta}");
    }
}

#[test]
fn c9_what_a_whole_answers_text_leaves_out_is_measured() {
    let cases = [
        (r#"{"content":"four","reasoning_content":null,"tool_calls":[]}"#, 0),
        (r#"{"content":"four","refusal":"no","reasoning":"hm"}"#, 4),
        (r#"{"content":null,"tool_calls":[{"id":"c"}]}"#, 12),
        (r#"{"function_call":{"name":"f"}}"#, 12),
    ];
    for (message, bytes) in cases {
        for (others, more) in [("", 0), (r#",{"message":{"content":"five!"}}"#, 5)] {
            let body = format!(r#"{{"choices":[{{"message":{message}}}{others}]}}"#);
            assert_eq!(parse_whole(body.clone().into()).unwrap().unread, bytes + more, "{body}");
        }
    }
}

#[test]
fn a15_unknown_fields_and_finish_reasons_pass() {
    let chunk = frame(
        r#"{"x_new":[1],"choices":[{"index":0,"delta":{"x":{}},"finish_reason":"x_new_reason","y":1}]}"#,
    );
    assert_eq!(chunk.events, [finish(0, FinishReason::Other("x_new_reason".into()))]);
    let ping = frame(r#"{"type":"ping"}"#);
    assert!(ping.hidden && ping.events.is_empty());
}

#[test]
fn c8_usage_beside_choices_is_read_and_the_chunk_relayed() {
    let chunk = frame(
        r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":10,"completion_tokens":4,
            "prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":3}}}"#,
    );
    let usage = Usage { prompt: 10, cached_prompt: 8, completion: 4, reasoning: 3, estimated: false };
    assert_eq!(chunk.events, [text(0, "a"), Event::Usage(usage)]);
    assert!(!chunk.hidden);
}

#[test]
fn g7_tokens_that_only_the_total_counts_are_generated_ones() {
    let cases = [
        // xAI's: reasoning beside the completion.
        (r#""completion_tokens":1499,"total_tokens":14428"#, 2809, (4308, 2809)),
        // Gemini's: thoughts in the total alone.
        (r#""completion_tokens":1499,"total_tokens":14428"#, 0, (4308, 0)),
        // OpenAI's: reasoning within the completion.
        (r#""completion_tokens":4308,"total_tokens":14428"#, 2809, (4308, 2809)),
        (r#""completion_tokens":4308"#, 2809, (4308, 2809)),
        (r#""completion_tokens":1499,"total_tokens":11619"#, 0, (1499, 0)),
        (r#""completion_tokens":1499,"total_tokens":null"#, 2809, (1499, 1499)),
        (r#""completion_tokens":1499,"total_tokens":3"#, 0, (1499, 0)),
    ];
    for (counts, reasoning, (completion, of_them)) in cases {
        let chunk = frame(&format!(
            r#"{{"choices":[],"usage":{{"prompt_tokens":10120,{counts},
                "completion_tokens_details":{{"reasoning_tokens":{reasoning}}}}}}}"#
        ));
        let wanted = Usage { prompt: 10_120, completion, reasoning: of_them, ..Usage::default() };
        assert_eq!(chunk.events, [Event::Usage(wanted)], "{counts} {reasoning}");
    }
}

#[test]
fn c11_a_usage_report_is_hidden_unless_asked_for() {
    let report = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    for asked in [false, true] {
        let chunk = parse_frame(Bytes::from_static(report.as_bytes()), asked).unwrap();
        assert_eq!(chunk.hidden, !asked);
        assert_eq!(chunk.events.len(), 1);
    }
}

#[test]
fn c11_what_the_caller_asked_for_is_not_hidden_with_the_report() {
    let report = r#""choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}"#;
    for (beside, hidden) in [
        (r#""moderation":{"input":{},"output":{}}"#, false),
        (r#""citations":["https://a.example"]"#, false),
        (r#""search_results":[{"url":"https://a.example"}]"#, false),
        (r#""moderation":null,"citations":null,"search_results":null"#, true),
        (r#""moderation":{},"citations":[],"search_results":[]"#, true),
        (r#""provider":"x","timings":{"cache_n":0}"#, true),
    ] {
        let chunk = frame(&format!("{{{report},{beside}}}"));
        assert_eq!((chunk.hidden, chunk.events.len()), (hidden, 1), "{beside}");
    }
}

#[test]
fn g7_odd_usage_never_breaks_a_frame_nor_its_invariants() {
    let cases = [
        (r#"{"prompt_tokens":-3,"completion_tokens":2.0}"#, 0, 2),
        (r#"{"prompt_tokens":"7","completion_tokens":1e8,"total_tokens":1e8}"#, 0, 100_000_000),
        (r#"{"prompt_tokens":7,"completion_tokens":2,"total_tokens":18446744073709551615}"#, 7, 2),
        (r#"{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}}"#, 5, 0),
        (r#"{"prompt_tokens":5,"prompt_tokens_details":null,"completion_tokens":{}}"#, 5, 0),
    ];
    for (usage, prompt, completion) in cases {
        let chunk = frame(&format!(r#"{{"choices":[],"usage":{usage}}}"#));
        let [Event::Usage(read)] = chunk.events.as_slice() else { panic!("{usage}") };
        assert_eq!((read.prompt, read.completion), (prompt, completion), "{usage}");
        assert!(read.cached_prompt <= read.prompt);
    }
    assert!(frame(r#"{"choices":[],"usage":{}}"#).events.is_empty());
}

#[test]
fn g7_usage_beyond_belief_is_not_told_and_still_a_report() {
    for usage in [
        r#"{"prompt_tokens":7,"completion_tokens":1e30}"#,
        r#"{"prompt_tokens":18446744073709551615,"completion_tokens":2}"#,
        r#"{"prompt_tokens":7,"completion_tokens":100000001,"total_tokens":100000008}"#,
    ] {
        let chunk = frame(&format!(r#"{{"choices":[],"usage":{usage}}}"#));
        assert!(chunk.events.is_empty() && chunk.hidden, "{usage}");
    }
}

#[test]
fn c18_early_empty_choices_are_relayed() {
    let chunk = frame(r#"{"choices":[],"prompt_filter_results":[]}"#);
    assert!(chunk.events.is_empty() && !chunk.hidden);
    assert!(frame(r#"{"choices":[{"index":0,"delta":null}]}"#).events.is_empty());
    assert!(frame(r#"{"choices":[{}]}"#).events.is_empty());
}

#[test]
fn c19_indices_are_kept() {
    let chunk =
        frame(r#"{"choices":[{"index":2,"delta":{"content":"c"}},{"index":1,"delta":{"content":"b"}}]}"#);
    assert_eq!(chunk.events, [text(2, "c"), text(1, "b")]);
}

#[test]
fn c2_an_error_in_the_stream_is_an_error() {
    for text in [r#"{"error":{"message":"x","code":"server_error"}}"#, r#"{"object":"error","message":"x"}"#]
    {
        let error = parse_frame(Bytes::from_static(text.as_bytes()), false).unwrap_err();
        assert!(matches!(error, FrameError::Upstream(Complaint { message: Some(_), .. })), "{error:?}");
    }
    assert!(parse_frame(Bytes::from_static(br#"{"error":null,"choices":[]}"#), false).is_ok());
}

#[test]
fn b10_corrupt_frames_are_invalid() {
    for bytes in
        [b"{".as_slice(), b"\xff", b"[]1", b"\"x\"", br#"{"choices":3}"#, b"{\"choices\":[], \"x\":\"\xc3\"}"]
    {
        let error = parse_frame(Bytes::copy_from_slice(bytes), false).unwrap_err();
        assert!(matches!(error, FrameError::Invalid(_)), "{bytes:?}");
    }
}

#[test]
fn c6_data_over_several_lines_is_relayed_on_one() {
    let chunk = frame("{\"choices\":\n[{\"delta\":\n{\"content\":\"a\\nb\"}}]}");
    assert_eq!(chunk.raw.unwrap(), r#"{"choices": [{"delta": {"content":"a\nb"}}]}"#);
    assert_eq!(chunk.events, [text(0, "a\nb")]);
}

#[test]
fn c6_characters_cut_in_two_are_read_as_far_as_they_go_and_relayed_as_they_are() {
    for half in [r"\ud83e", r"\udd80"] {
        let data = format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"a{half}"}}}}]}}"#);
        let chunk = frame(&data);
        assert_eq!(chunk.events, [text(0, "a\u{fffd}")]);
        assert_eq!(chunk.raw.as_deref(), Some(data.as_bytes()));
    }
    let body = r#"{"choices":[{"message":{"content":"\ud83e\udd80 \ud83e"}}]}"#;
    let chunk = parse_whole(Bytes::from_static(body.as_bytes())).unwrap();
    assert_eq!(chunk.events, [Event::Whole { text: "🦀 \u{fffd}".into() }]);
    assert_eq!(chunk.raw.as_deref(), Some(body.as_bytes()));
    let error = r#"{"error":{"message":"\ud83e"}}"#;
    let error = parse_frame(Bytes::from_static(error.as_bytes()), false).unwrap_err();
    assert!(matches!(error, FrameError::Upstream(_)), "{error:?}");
}

#[test]
fn a_whole_answer_is_read() {
    let body = r#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"four"},"finish_reason":"stop"},
        {"index":1,"message":{"content":null,"tool_calls":[{"id":"c"}]},"finish_reason":"tool_calls"}],
        "usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;
    let chunk = parse_whole(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    assert_eq!(chunk.raw.as_deref(), Some(body.as_bytes()));
    let usage = Usage { prompt: 3, completion: 1, ..Usage::default() };
    assert_eq!(
        chunk.events,
        [
            Event::Whole { text: "four".into() },
            finish(0, FinishReason::Stop),
            finish(1, FinishReason::ToolCalls),
            Event::Usage(usage)
        ]
    );
}

#[test]
fn a11_answers_without_an_answer_are_invalid() {
    let bodies = [
        "{}",
        r#"{"choices":null}"#,
        r#"{"choices":[]}"#,
        r#"{"choices":[null]}"#,
        r#"{"choices":[{"index":0,"message":null}]}"#,
        r#"{"choices":[{"message":{"content":"a"}},{"index":1}]}"#,
        r#"{"choices":{}}"#,
        r#"{"choices":[{"message":"x"}]}"#,
        "null",
        "[]",
    ];
    for body in bodies {
        let error = parse_whole(Bytes::from_static(body.as_bytes())).unwrap_err();
        assert!(matches!(error, FrameError::Invalid(_)), "{body}");
    }
}

#[test]
fn a10_html_empty_and_binary_answers_are_invalid() {
    for body in [b"".as_slice(), b"<html></html>", b"\xff\xfe", b"{\"choices\""] {
        let error = parse_whole(Bytes::copy_from_slice(body)).unwrap_err();
        assert!(matches!(error, FrameError::Invalid(_)), "{body:?}");
        assert!(!error.to_string().contains("html"));
    }
}

#[test]
fn a12_an_error_inside_an_answer_is_an_error() {
    let body = br#"{"error":{"message":"slow down","code":429},"choices":[]}"#;
    let FrameError::Upstream(complaint) = parse_whole(Bytes::from_static(body)).unwrap_err() else {
        panic!()
    };
    assert_eq!(complaint.code.as_deref(), Some("429"));
}

#[test]
fn a15_a_usage_that_is_none_is_no_fault() {
    for usage in ["false", "7", "\"x\"", "[]", "null", r#"{"prompt_tokens_details":7}"#] {
        let chunk =
            frame(&format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"h"}}}}],"usage":{usage}}}"#));
        assert_eq!(chunk.events, [text(0, "h")], "{usage}");
    }
    let odd =
        r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"prompt_tokens_details":[]}}"#;
    let usage = Usage { prompt: 3, completion: 1, ..Usage::default() };
    assert_eq!(frame(odd).events, [Event::Usage(usage)]);
}
