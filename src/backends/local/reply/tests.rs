//! Thoughts and tool calls on their way from tokens to chunks, one byte a token, with a scripted engine.

use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::mpsc;

use super::super::sampler::{Logprobs, Token};
use super::super::tool_calls::Form;
use super::*;
use crate::chat::Delta;

/// What came out of one answer.
#[derive(Debug, Default, PartialEq)]
struct Told {
    thoughts: String,
    text: String,
    calls: Vec<Value>,
    finish: Option<FinishReason>,
}

/// Plays `script`: text is one token a byte; `‹mark›` is one special token.
async fn play(form: Form, vouched: bool, script: &str, stops: &[&str], end: End) -> Told {
    play_behind(&Thoughts::default(), (form, vouched), script, stops, end).await
}

/// The same where thoughts are looked for.
async fn play_behind(
    thoughts: &Thoughts,
    (form, vouched): (Form, bool),
    script: &str,
    stops: &[&str],
    end: End,
) -> Told {
    let marks: Vec<(u32, &'static str)> = (256..).zip(form.marks()).collect();
    let words: Vec<Vec<u8>> =
        (0..=255_u8).map(|byte| vec![byte]).chain(marks.iter().map(|_| vec![])).collect();
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut ids = vec![];
    for (at, part) in script.split(['‹', '›']).enumerate() {
        if at % 2 == 1 {
            ids.push(marks.iter().find(|(_, mark)| *mark == part).unwrap().0);
        } else {
            ids.extend(part.bytes().map(u32::from));
        }
    }
    let names = ["weather".to_owned(), "now".to_owned()].into();
    let reading = Reading { form, names, vouched, beside_json: false, one: false, marks: marks.into() };
    let (sender, steps) = mpsc::channel(ids.len() + 1);
    let tokens = ids.len() as u64;
    for id in ids {
        let token = Token { id, confidence: None, logprobs: None, last: false };
        sender.send(Step::Token { index: 0, token, cached: 0 }).await.unwrap();
    }
    sender.send(Step::End { index: 0, end, tokens, cached: 0 }).await.unwrap();
    let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
    let vocabulary = Arc::new(Vocabulary::from_words(&words));
    let enough = [AtomicBool::new(false)].into();
    let reply = Reply::new(BackendId::new("local"), vocabulary, steps, enough, &stops);
    let mut reply = reply.with_thoughts(thoughts).with_tools(Some(&reading));
    let mut told = Told::default();
    while let Some(chunk) = reply.next().await {
        for event in chunk.unwrap().events {
            match event {
                Event::Delta { delta: Delta::Text(text), .. } => told.text.push_str(&text),
                Event::Delta { delta: Delta::Reasoning(thoughts), .. } => told.thoughts.push_str(&thoughts),
                Event::Delta { delta: Delta::ToolCalls(pieces), .. } => take(&mut told.calls, &pieces),
                Event::Finish { reason, .. } => told.finish = Some(reason),
                _ => {}
            }
        }
    }
    told
}

/// Joins pieces as a client does, and holds them to OpenAI's form.
fn take(calls: &mut Vec<Value>, pieces: &Value) {
    for piece in pieces.as_array().unwrap() {
        let index = piece["index"].as_u64().unwrap() as usize;
        let arguments = piece["function"]["arguments"].as_str().unwrap();
        if index == calls.len() {
            assert!(piece["id"].is_string() && piece["function"]["name"].is_string(), "{piece}");
            assert_eq!((&piece["type"], arguments), (&"function".into(), ""));
            calls.push(piece["function"].clone());
            continue;
        }
        assert_eq!(index + 1, calls.len(), "pieces of a call come together");
        let mut joined = calls[index]["arguments"].as_str().unwrap().to_owned();
        joined.push_str(arguments);
        calls[index]["arguments"] = joined.into();
    }
}

const TOWN: &str = r#"{"town": "Zürich 🦀", "stop": "END"}"#;

#[tokio::test]
async fn c17_every_family_streams_calls_with_their_finish() {
    let scripts = [
        (
            Form::Hermes,
            format!(
                "Hé!\n‹<tool_call>›\n{{\"name\": \"weather\", \"arguments\": {TOWN}}}\n‹</tool_call>›\n‹<tool_call>›{{\"name\": \"now\", \"arguments\": {{}}}}‹</tool_call>›"
            ),
        ),
        (
            Form::Hermes,
            format!(
                "Hé!<tool_call>{{\"name\": \"weather\", \"arguments\": {TOWN}}}</tool_call><tool_call>{{\"name\": \"now\", \"arguments\": {{}}}}</tool_call>"
            ),
        ),
        (Form::MistralArgs, format!("Hé!‹[TOOL_CALLS]›weather‹[ARGS]›{TOWN}‹[TOOL_CALLS]›now‹[ARGS]›{{}}")),
        (
            Form::MistralList,
            format!(
                "Hé!‹[TOOL_CALLS]› [{{\"name\": \"weather\", \"arguments\": {TOWN}}}, {{\"name\": \"now\", \"arguments\": {{}}}}]"
            ),
        ),
        (
            Form::Phi4,
            format!(
                "Hé!‹<|tool_call|>›[{{\"name\": \"weather\", \"arguments\": {TOWN}}}, {{\"name\": \"now\", \"arguments\": {{}}}}]‹<|/tool_call|>›"
            ),
        ),
        (
            Form::Llama3,
            format!(
                "Hé!‹<|python_tag|>›{{\"name\": \"weather\", \"parameters\": {TOWN}}}; {{\"name\": \"now\", \"parameters\": {{}}}}"
            ),
        ),
    ];
    for (form, script) in scripts {
        for vouched in [false, true] {
            let told = play(form, vouched, &script, &["END"], End::Stop).await;
            assert_eq!((told.text.as_str(), told.finish), ("Hé!", Some(FinishReason::ToolCalls)), "{form:?}");
            let wanted = [("weather", TOWN), ("now", "{}")];
            let calls: Vec<_> = told.calls.iter().map(|call| (&call["name"], &call["arguments"])).collect();
            let wanted = wanted.map(|(name, arguments)| (Value::from(name), Value::from(arguments)));
            assert_eq!(calls, wanted.each_ref().map(|(name, arguments)| (name, arguments)), "{form:?}");
        }
    }
}

#[tokio::test]
async fn stop_sequences_end_content_and_leave_calls_alone() {
    let told = play(Form::Hermes, false, "so END<tool_call>", &["END"], End::Stop).await;
    assert_eq!((told.text.as_str(), told.finish), ("so ", Some(FinishReason::Stop)));
}

#[tokio::test]
async fn a_stop_sequence_is_met_in_the_blanks_before_a_call_too() {
    let call = "‹<tool_call>›\n{\"name\": \"now\", \"arguments\": {}}\n‹</tool_call>›";
    for vouched in [false, true] {
        for (before, stop, text) in [("so\n\n", "\n\n", "so"), ("so.\n", ".\n", "so"), ("\n", "\n", "")] {
            let told = play(Form::Hermes, vouched, &format!("{before}{call}"), &[stop], End::Stop).await;
            assert_eq!((told.text.as_str(), told.calls.len()), (text, 0), "{before:?}");
            assert_eq!(told.finish, Some(FinishReason::Stop));
        }
        // Where it is not met, what it holds back comes out, and the blanks do not.
        let told = play(Form::Hermes, vouched, &format!("so.\n{call}"), &[".\n\n"], End::Stop).await;
        assert_eq!((told.text.as_str(), told.calls.len()), ("so.", 1));
        assert_eq!(told.finish, Some(FinishReason::ToolCalls));
    }
}

#[tokio::test]
async fn an_answer_cut_off_says_so() {
    let cut = "‹<tool_call>›{\"name\": \"weather\", \"arguments\": {\"to";
    let told = play(Form::Hermes, true, cut, &[], End::Length).await;
    assert_eq!((told.text.as_str(), &told.finish), ("", &Some(FinishReason::Length)));
    assert_eq!(told.calls[0]["arguments"], "{\"to");
    let told = play(Form::Hermes, false, cut, &[], End::Length).await;
    assert!(told.calls.is_empty() && told.text.contains("weather"), "{told:?}");
    let told = play(Form::Hermes, true, "I look.\n‹<tool_call>›\n{\"na", &[], End::Length).await;
    assert_eq!((told.text.as_str(), told.finish), ("I look.", Some(FinishReason::Length)));
    assert!(told.calls.is_empty());
}

#[tokio::test]
async fn plain_answers_pass_by() {
    let told = play(Form::Llama3, false, "{\"sum\": 4} is < 5 ", &[], End::Stop).await;
    assert_eq!((told.text.as_str(), told.finish), ("{\"sum\": 4} is < 5 ", Some(FinishReason::Stop)));
    let told = play(Form::Hermes, false, "", &[], End::Stop).await;
    assert_eq!(told, Told { finish: Some(FinishReason::Stop), ..Told::default() });
}

/// What came out of an answer that may think, and the text whose log probabilities were told.
#[derive(Debug, Default)]
struct Thought {
    thoughts: String,
    text: String,
    scored: String,
    finish: Option<FinishReason>,
    usage: Usage,
}

/// Plays `script`, one token a byte.
async fn think(thoughts: &Thoughts, script: &str, stops: &[&str], end: End) -> Thought {
    let bytes: Vec<u8> = (0..=255).collect();
    let words: Vec<&[u8]> = bytes.chunks(1).collect();
    let (sender, steps) = mpsc::channel(script.len() + 1);
    for byte in script.bytes() {
        let logprobs = Some(Logprobs { chosen: -1.0, top: vec![] });
        let token = Token { id: byte.into(), confidence: None, logprobs, last: false };
        sender.send(Step::Token { index: 0, token, cached: 0 }).await.unwrap();
    }
    let tokens = script.len() as u64;
    sender.send(Step::End { index: 0, end, tokens, cached: 0 }).await.unwrap();
    let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
    let (vocabulary, enough) = (Arc::new(Vocabulary::from_words(&words)), [AtomicBool::new(false)].into());
    let reply = Reply::new(BackendId::new("local"), vocabulary, steps, enough, &stops);
    let mut reply = reply.with_thoughts(thoughts);
    let mut told = Thought::default();
    while let Some(chunk) = reply.next().await {
        let chunk = chunk.unwrap();
        told.scored
            .extend(chunk.logprobs.iter().flat_map(|token| &token.bytes).map(|byte| char::from(*byte)));
        for event in chunk.events {
            match event {
                Event::Delta { delta: Delta::Reasoning(thoughts), .. } => {
                    assert!(told.text.is_empty(), "thoughts come first");
                    told.thoughts.push_str(&thoughts);
                }
                Event::Delta { delta: Delta::Text(text), .. } => told.text.push_str(&text),
                Event::Finish { reason, .. } => told.finish = Some(reason),
                Event::Usage(usage) => told.usage = usage,
                _ => {}
            }
        }
    }
    told
}

#[tokio::test]
async fn thoughts_are_no_content_meet_no_stop_sequence_and_are_counted() {
    let script = "<think>\na\n\nb</think>\n\nYes";
    let told = think(&Thoughts::awaited(), script, &["\n\n"], End::Stop).await;
    assert_eq!((told.thoughts.as_str(), told.text.as_str()), ("a\n\nb", "Yes"));
    assert_eq!((told.scored.as_str(), told.finish), ("Yes", Some(FinishReason::Stop)));
    let all = script.len() as u64;
    assert_eq!((told.usage.completion, told.usage.reasoning), (all, all - 3));
    // What follows them is text like any other.
    let told = think(&Thoughts::awaited(), "<think>END</think>so END.", &["END"], End::Stop).await;
    assert_eq!((told.thoughts.as_str(), told.text.as_str()), ("END", "so "));
    assert_eq!((told.scored.as_str(), told.finish), ("so ", Some(FinishReason::Stop)));
    let told = think(&Thoughts::begun(), "\nso</think>Yes", &[], End::Stop).await;
    assert_eq!((told.thoughts.as_str(), told.text.as_str()), ("so", "Yes"));
}

#[tokio::test]
async fn a_call_that_a_grammar_vouches_for_is_never_a_thought() {
    let call = "I look.\n‹<tool_call>›\n{\"name\": \"now\", \"arguments\": {}}\n‹</tool_call>›";
    for (thoughts, before) in [(Thoughts::begun(), ""), (Thoughts::awaited(), "<think>\n")] {
        let script = format!("{before}{call}");
        let told = play_behind(&thoughts, (Form::Hermes, true), &script, &[], End::Stop).await;
        assert_eq!((told.thoughts.as_str(), told.text.as_str()), ("I look.", ""));
        assert_eq!((told.calls.len(), told.finish), (1, Some(FinishReason::ToolCalls)));
        let told = play_behind(&thoughts, (Form::Hermes, false), &script, &[], End::Stop).await;
        assert_eq!(
            (told.calls.len(), told.finish),
            (0, Some(FinishReason::Stop)),
            "it may only speak of one"
        );
    }
}

#[tokio::test]
async fn a_letter_behind_the_thoughts_that_takes_two_tokens_is_told_whole() {
    let told = think(&Thoughts::awaited(), "<think>a</think>é!", &[], End::Stop).await;
    assert_eq!((told.text.as_str(), told.usage.completion - told.usage.reasoning), ("é!", 3));
    assert_eq!(told.scored.chars().count(), 3, "one for each byte");
}

#[tokio::test]
async fn thoughts_without_an_end_are_thoughts() {
    let script = "<think>so </thin";
    let told = think(&Thoughts::awaited(), script, &[], End::Length).await;
    assert_eq!((told.thoughts.as_str(), told.text.as_str()), ("so </thin", ""));
    assert_eq!((told.scored.as_str(), told.finish), ("", Some(FinishReason::Length)));
    assert_eq!(told.usage.reasoning, script.len() as u64);
}

#[tokio::test]
async fn an_answer_that_begins_otherwise_is_text() {
    let other = ["\n <thin> air", " \n", "<th", "Yes. <think>a</think>"];
    let other = other.map(|script| (Thoughts::awaited(), script));
    for (thoughts, script) in other.into_iter().chain([(Thoughts::default(), "<think>a</think>b")]) {
        let told = think(&thoughts, script, &[], End::Stop).await;
        assert_eq!((told.thoughts.as_str(), told.text.as_str()), ("", script));
        assert_eq!((told.scored.as_str(), told.usage.reasoning), (script, 0));
    }
}
