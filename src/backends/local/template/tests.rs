//! Our renderer against the reference's own output (`training/fixtures/templates/make.py`), and its bounds.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::*;

#[derive(Deserialize)]
struct Cases {
    now: String,
    bos_token: String,
    eos_token: String,
    conversations: Map<String, Json>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    conversation: String,
    text: Option<String>,
}

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/templates")
}

fn scene(conversation: &Json) -> Scene {
    let mut settings = conversation["fields"].as_object().unwrap().clone();
    let begins = settings.remove("add_generation_prompt").is_none_or(|begins| begins == true);
    let tools = settings.remove("tools").and_then(|tools| tools.as_array().cloned()).unwrap_or_default();
    let messages = conversation["messages"].as_array().unwrap().clone();
    Scene { messages, tools, settings, no_answer: !begins }
}

#[test]
fn every_conversation_renders_as_the_reference_renders_it() {
    let cases: Cases =
        serde_json::from_slice(&std::fs::read(fixtures().join("cases.json")).unwrap()).unwrap();
    let now: jiff::civil::DateTime = cases.now.parse().unwrap();
    let now = now.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    let mut wrong = vec![];
    let mut compiled: std::collections::BTreeMap<&str, Template> = std::collections::BTreeMap::new();
    for case in &cases.cases {
        let template = compiled.entry(&case.template).or_insert_with(|| {
            let source =
                std::fs::read_to_string(fixtures().join(format!("{}.jinja", case.template))).unwrap();
            Template::new(&source, cases.bos_token.clone(), cases.eos_token.clone())
                .unwrap_or_else(|error| panic!("{}: {error}", case.template))
        });
        let ours = template.render_at(&scene(&cases.conversations[&case.conversation]), now.clone());
        if ours.as_ref().ok() != case.text.as_ref() {
            let (ours, wanted) = (ours.unwrap_or_else(|error| format!("{error}")), case.text.clone());
            let wanted = wanted.unwrap_or_else(|| "a refusal".to_owned());
            let same = ours.chars().zip(wanted.chars()).take_while(|(ours, wanted)| ours == wanted).count();
            let part = |text: &str| text.chars().skip(same.saturating_sub(20)).take(60).collect::<String>();
            let place = format!("{} / {}", case.template, case.conversation);
            wrong.push(format!("{place}: {:?} instead of {:?}", part(&ours), part(&wanted)));
        }
    }
    assert!(compiled.len() >= 15 && cases.cases.len() >= 15 * 20);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.cases.len(), wrong.join("\n"));
}

fn render(source: &str, messages: Vec<Json>) -> Result<String, Error> {
    let template = Template::new(source, "<s>".to_owned(), "</s>".to_owned())?;
    template.render(&Scene { messages, ..Scene::default() })
}

fn turn(content: &str) -> Vec<Json> {
    vec![json!({ "role": "user", "content": content })]
}

#[test]
fn user_text_is_never_a_template() {
    let text = "{{ 7 * 7 }}{% for x in range(9) %}";
    assert_eq!(render("{{ messages[0].content }}", turn(text)).unwrap(), text);
}

#[test]
fn a_refusal_of_the_template_is_an_error_without_its_words() {
    let error = render("{{ raise_exception('no: ' + messages[0].content) }}", turn("secret"));
    assert!(!format!("{:?}", error.unwrap_err()).contains("secret"));
}

#[test]
fn work_is_bounded() {
    let source = "{% for a in range(10000) %}{% for b in range(10000) %}{{ a }}{% endfor %}{% endfor %}";
    assert_eq!(render(source, turn("x")).unwrap_err().kind(), ErrorKind::OutOfFuel);
}

#[test]
fn settings_never_take_the_place_of_what_is_ours() {
    let template =
        Template::new("{{ messages[0].content }}{{ bos_token }}{{ mood }}", "<s>".into(), "".into());
    let settings = json!({ "messages": "no", "bos_token": "no", "mood": "fine" });
    let settings = settings.as_object().unwrap().clone();
    let scene = Scene { messages: turn("hi"), settings, ..Scene::default() };
    assert_eq!(template.unwrap().render(&scene).unwrap(), "hi<s>fine");
}

#[test]
fn a_moment_is_todays() {
    assert_eq!(render("{{ strftime_now('%Y') | length }}", vec![]).unwrap(), "4");
}
