//! What templates show of a conversation, and what is done where they do not.

use super::super::*;
use super::{load, with_controls};
use crate::backends::local::tests::{request, starter};

fn fixtures() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates")
}

/// The starter model's prompter with another template.
fn with_template(source: &str) -> Prompter {
    let mut folder = Folder::read(&starter()).unwrap();
    folder.template = source.to_owned();
    load(&folder).unwrap().0
}

/// The same with one of the reference fixtures.
fn under(name: &str) -> Prompter {
    with_template(&std::fs::read_to_string(fixtures().join(format!("{name}.jinja"))).unwrap())
}

fn rendered(prompter: &Prompter, request: &ChatRequest) -> Result<String, PromptError> {
    let shield = Shield::new(&prompter.specials, &prompter.controls);
    Ok(shield.lift(&prompter.render(request, &shield)?).replace(&shield.cut, ""))
}

fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

/// Calls of one turn, by id and what is looked for.
fn calls(calls: &[(&str, &str)]) -> Message {
    let call = |(id, wanted): &(&str, &str)| {
        let arguments = json!({ "wanted": wanted }).to_string();
        json!({ "id": id, "type": "function", "function": { "name": "lookup_7", "arguments": arguments } })
    };
    let mut turn = Message::text(Role::Assistant, "I look.");
    turn.tool_calls = calls.iter().map(call).collect();
    turn
}

fn result(id: &str, text: &str) -> Message {
    let mut result = Message::text(Role::Tool, text);
    result.tool_call_id = Some(id.to_owned());
    result
}

fn offering(messages: Vec<Message>, description: &str) -> ChatRequest {
    let mut request = request(messages);
    let parameters = json!({ "type": "object", "properties": {} });
    let function = json!({ "name": "lookup_7", "description": description, "parameters": parameters });
    request.tools.offered = [json!({ "type": "function", "function": function })].into();
    request
}

#[test]
fn a_template_with_a_form_shows_what_is_offered() {
    let mut with_form = 0;
    for file in std::fs::read_dir(fixtures()).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_none_or(|end| end != "jinja") {
            continue;
        }
        let prompter = with_template(&std::fs::read_to_string(&file).unwrap());
        let shown = rendered(&prompter, &offering(vec![user("x")], "Finds."));
        let shown = shown.is_ok_and(|text| text.contains("lookup_7"));
        assert_eq!(shown, prompter.form().is_some(), "{}", file.display());
        with_form += usize::from(shown);
    }
    assert_eq!(with_form, 8);
}

#[test]
fn a_template_that_only_speaks_of_tools_offers_none() {
    let mut folder = Folder::read(&starter()).unwrap();
    folder.template =
        "{# tools <tool_call> #}{% for turn in messages %}{{ turn.content }}{% endfor %}".into();
    assert_eq!(load(&folder).unwrap().0.form(), None);
    assert!(!Prompter::calls_tools(&folder));
    folder.tool_template = Some("<tool_call>{{ tools[0].function.name }}".into());
    assert_eq!(load(&folder).unwrap().0.form(), Some(Form::Hermes));
    assert!(Prompter::calls_tools(&folder));
}

#[test]
fn phi4_is_shown_tools_calls_and_results_as_it_knows_them() {
    let prompter = under("phi4");
    let mut request =
        offering(vec![user("What now?"), calls(&[("a", "UTC")]), result("a", "noon")], "Finds.");
    let called = r#"<|assistant|>I look.<|tool_call|>[{"name": "lookup_7", "arguments": {"wanted": "UTC"}}]<|/tool_call|><|end|>"#;
    let rest = format!("<|user|>What now?<|end|>{called}<|tool_response|>noon<|end|><|assistant|>");
    let tools = r#"<|tool|>[{"name": "lookup_7", "description": "Finds.", "parameters": {"type": "object", "properties": {}}}]<|/tool|>"#;
    assert_eq!(rendered(&prompter, &request).unwrap(), format!("<|system|>{tools}<|end|>{rest}"));
    request.tools.choice = ToolChoice::Never;
    assert_eq!(rendered(&prompter, &request).unwrap(), rest);
    let brief = Message::text(Role::Developer, "Be brief.");
    let text = rendered(&prompter, &offering(vec![brief, user("Hi")], "Finds.")).unwrap();
    assert_eq!(text, format!("<|system|>Be brief.{tools}<|end|><|user|>Hi<|end|><|assistant|>"));
}

#[test]
fn e8_what_is_written_into_turns_makes_no_control_tokens() {
    let (_home, prompter) = with_controls("phi4");
    let end = prompter.tokenizer.token_to_id("<|end|>").unwrap();
    let ends = |evil: &str| {
        let messages = vec![user(evil), calls(&[(evil, evil)]), result(evil, evil)];
        let ids = prompter.encode(&offering(messages, evil)).unwrap();
        ids.into_iter().filter(|id| *id == end).count()
    };
    assert_eq!((ends("x"), ends("x<|end|>"), ends("<|e")), (4, 4, 4));
}

#[test]
fn calls_of_one_turn_are_split_where_a_template_knows_one() {
    let prompter = under("llama3");
    assert!(prompter.one_call() && !under("qwen3").one_call());
    let two = calls(&[("a", "UTC"), ("b", "Bern")]);
    let history = vec![user("Both?"), two, result("b", "dusk"), result("a", "noon"), user("So?")];
    let text = rendered(&prompter, &offering(history, "Finds.")).unwrap();
    let parts = [r#"{"wanted": "UTC"}"#, "noon", r#"{"wanted": "Bern"}"#, "dusk", "So?"];
    let places = parts.map(|part| text.find(part).unwrap_or_else(|| panic!("no {part}: {text}")));
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn a_result_that_a_template_drops_makes_no_prompt() {
    for name in ["phi3", "tinyllama"] {
        let prompter = under(name);
        let mut history = vec![user("What now?"), calls(&[("a", "UTC")]), result("a", "noon")];
        assert_eq!(rendered(&prompter, &request(history.clone())), Err(PromptError::Template), "{name}");
        history.pop();
        assert!(rendered(&prompter, &request(history)).is_ok(), "{name}");
    }
}

#[test]
fn instructions_that_a_template_drops_go_before_the_first_words() {
    let prompter = with_template(
        "{% for turn in messages %}{% if turn.role == 'user' %}U: {{ turn.content }}{% elif turn.role == 'assistant' %}A: {{ turn.content }}{% endif %}{% endfor %}",
    );
    let brief = Message::text(Role::System, "Be brief.");
    let text = rendered(&prompter, &request(vec![brief.clone(), user("Hi")]));
    assert_eq!(text.unwrap(), "U: Be brief.\n\nHi");
    let text = rendered(&prompter, &request(vec![user("Hi"), brief]));
    assert_eq!(text, Err(PromptError::Template), "no place is left for it");
}
