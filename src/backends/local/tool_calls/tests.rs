//! Every form, split everywhere; what is no call stays text.

mod grammars;

use super::*;

/// Content, and calls as name and arguments.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Read {
    text: String,
    calls: Vec<(String, String)>,
}

fn parser(form: Form, vouched: bool) -> Parser {
    Parser::new(&reading(form, vouched))
}

fn reading(form: Form, vouched: bool) -> Reading {
    let names = ["weather".to_owned(), "now".to_owned()].into();
    Reading { form, names, vouched, beside_json: false, one: false, marks: [].into() }
}

fn read(mut parser: Parser, pieces: &[&str]) -> Read {
    let mut read = Read::default();
    let mut out: Vec<Piece> = pieces.iter().flat_map(|piece| parser.push(piece)).collect();
    out.extend(parser.finish(false));
    for piece in out {
        match piece {
            Piece::Text(text) => read.text.push_str(&text),
            Piece::Call { name } => read.calls.push((name, String::new())),
            Piece::Arguments(text) => read.calls.last_mut().unwrap().1.push_str(&text),
        }
    }
    read
}

/// Reads `text` whole, split in two everywhere, and byte by byte (letter by letter).
fn everywhere(form: Form, text: &str, wanted: &Read) {
    for vouched in [false, true] {
        assert_eq!(&read(parser(form, vouched), &[text]), wanted, "{form:?} {vouched} {text}");
        for (at, _) in text.char_indices() {
            let halves = [&text[..at], &text[at..]];
            assert_eq!(&read(parser(form, vouched), &halves), wanted, "{form:?} {vouched} {halves:?}");
        }
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(&read(parser(form, vouched), &letters), wanted, "{form:?} {vouched} by letters");
    }
}

fn calls(text: &str, calls: &[(&str, &str)]) -> Read {
    let calls = calls.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned())).collect();
    Read { text: text.to_owned(), calls }
}

const BERN: &str = r#"{"town": "Zürich \"}{\\", "days": [1, {"a": null}]}"#;

#[test]
fn c17_hermes_calls_come_out_however_they_are_split() {
    let one = format!("<tool_call>\n{{\"name\": \"weather\", \"arguments\": {BERN}}}\n</tool_call>");
    everywhere(Form::Hermes, &one, &calls("", &[("weather", BERN)]));
    let two = format!("I look.\n{one}\n<tool_call>\n{{\"name\":\"now\",\"arguments\":{{}}}}\n</tool_call>\n");
    everywhere(Form::Hermes, &two, &calls("I look.", &[("weather", BERN), ("now", "{}")]));
}

#[test]
fn c17_mistral_calls_come_out_however_they_are_split() {
    let list = format!(
        r#"[TOOL_CALLS] [{{"name": "weather", "arguments": {BERN}, "id": "abcdefghi"}}, {{"name": "now", "arguments": {{}}}}]"#
    );
    everywhere(Form::MistralList, &list, &calls("", &[("weather", BERN), ("now", "{}")]));
    let args = format!("Well.[TOOL_CALLS]weather[ARGS]{BERN}[TOOL_CALLS]now[CALL_ID]abcdefghi[ARGS]{{}}");
    everywhere(Form::MistralArgs, &args, &calls("Well.", &[("weather", BERN), ("now", "{}")]));
}

#[test]
fn c17_phi_calls_come_out_however_they_are_split() {
    for (open, close) in [("<|tool_call|>", "<|/tool_call|>"), ("functools", "")] {
        let text = format!(
            r#"{open}[{{"name": "weather", "arguments": {BERN}}}, {{"name": "now", "arguments": {{}}}}]{close}"#
        );
        everywhere(Form::Phi4, &text, &calls("", &[("weather", BERN), ("now", "{}")]));
    }
}

#[test]
fn c17_llama_calls_come_out_however_they_are_split() {
    for open in ["", "<|python_tag|>", "\n "] {
        let text = format!(
            r#"{open}{{"name": "weather", "parameters": {BERN}}}; {{"name": "now", "parameters": {{}}}}"#
        );
        everywhere(Form::Llama3, &text, &calls("", &[("weather", BERN), ("now", "{}")]));
    }
}

#[test]
fn calls_in_other_shapes_are_understood() {
    for text in [
        r#"{"arguments": {"a": 1}, "name": "now"}"#,
        r#"{"type": "function", "function": {"name": "now", "arguments": {"a": 1}}}"#,
        r#"{"function": "now", "arguments": {"a": 1}}"#,
        r#"[{"id": 3, "name": "now", "arguments": {"a": 1}}]"#,
    ] {
        let mut read = read(parser(Form::Hermes, false), &[&format!("<tool_call>{text}</tool_call>")]);
        read.calls[0].1.retain(|letter| letter != ' ');
        assert_eq!(read, calls("", &[("now", r#"{"a":1}"#)]), "{text}");
    }
    let quoted = r#"<tool_call>{"name": "now", "arguments": "{\"a\": 1}"}</tool_call>"#;
    everywhere(Form::Hermes, quoted, &calls("", &[("now", r#"{"a": 1}"#)]));
    everywhere(Form::Hermes, r#"<tool_call>{"name": "now"}</tool_call>"#, &calls("", &[("now", "{}")]));
}

#[test]
fn what_is_no_call_stays_text() {
    for text in [
        "  plain, with < and {braces} \n",
        "<tool_call> is a tag",
        "<tool_cal",
        r#"<tool_call>{"name": "weather"#,
        r#"<tool_call>{"name": "rm_rf", "arguments": {}}</tool_call>"#,
        r#"<tool_call>{"name": 3, "arguments": {}}</tool_call>"#,
        r#"<tool_call>{"nom": "now"}</tool_call>"#,
        "a <tool_call> b",
    ] {
        everywhere(Form::Hermes, text, &calls(text, &[]));
    }
    for text in [r#"{"answer": 42}"#, r#"{"name": "Ann", "age": 3}"#, "{", "{}", "{not json", " [1, 2]"] {
        everywhere(Form::Llama3, text, &calls(text, &[]));
        let indented = format!("\n  {text} ");
        everywhere(Form::Llama3, &indented, &calls(&indented, &[]));
    }
    for (form, text) in [
        (Form::MistralArgs, "[TOOL_CALLS]rm[ARGS]{}"),
        (Form::Phi4, "from functools import x"),
        (Form::Llama3, "see\n <|python_tag|>x"),
    ] {
        everywhere(form, text, &calls(text, &[]));
    }
}

#[test]
fn the_beginning_of_a_call_that_is_cut_off_is_no_text_where_the_grammar_lets_it_be_nothing_else() {
    for (form, text) in [
        (Form::Hermes, "<tool_call>\n{\"name\": \"wea"),
        (Form::MistralArgs, "[TOOL_CALLS]wea"),
        (Form::MistralList, "[TOOL_CALLS] [{"),
        (Form::Phi4, "<|tool_call|>[{\"name\""),
        (Form::Llama3, "{\"name\": \"weather\", \"par"),
    ] {
        for (vouched, cut) in [(true, true), (true, false), (false, true)] {
            let mut parser = parser(form, vouched);
            let mut out = parser.push(text);
            out.extend(parser.finish(cut));
            let told = if vouched && cut { vec![] } else { vec![Piece::Text(text.to_owned())] };
            assert_eq!(out, told, "{form:?} {vouched} {cut}");
        }
    }
    let mut parser = parser(Form::Hermes, true);
    parser.push("<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"na");
    assert_eq!(parser.finish(true), [], "nor is that of another one");
}

#[test]
fn broken_arguments_are_text_where_no_grammar_vouches_for_them() {
    let text = r#"<tool_call>{"name": "now", "arguments": {"a": 1,}}</tool_call>"#;
    assert_eq!(read(parser(Form::Hermes, false), &[text]), calls(text, &[]));
}

#[test]
fn no_grammar_vouches_for_the_other_opener() {
    let broken = r#"functools[{"name": "now", "arguments": {"a": 1,}}]"#;
    everywhere(Form::Phi4, broken, &calls(broken, &[]));
    let mut parser = parser(Form::Phi4, true);
    assert_eq!(
        parser.push(r#"functools[{"name": "now", "arguments": {"a"#),
        [],
        "nothing before all is read"
    );
}

#[test]
fn json_beside_calls_is_content_whatever_it_holds() {
    let beside = |form| Parser::new(&Reading { beside_json: true, ..reading(form, true) });
    let [bare, spelled] = [r#"{"name": "now", "parameters": {}}"#, r#"{"a": "[TOOL_CALLS]now[ARGS]{}"}"#];
    for (form, text) in
        [(Form::Llama3, bare), (Form::MistralArgs, spelled), (Form::Hermes, "\"<tool_call>\"")]
    {
        assert_eq!(read(beside(form), &[text]), calls(text, &[]), "{form:?}");
        let letters: Vec<&str> = text.split_inclusive(|_: char| true).collect();
        assert_eq!(read(beside(form), &letters), calls(text, &[]), "{form:?} by letters");
    }
    let called = "[TOOL_CALLS]now[ARGS]{}";
    let letters: Vec<&str> = called.split_inclusive(|_: char| true).collect();
    assert_eq!(read(beside(Form::MistralArgs), &letters), calls("", &[("now", "{}")]));
}

#[test]
fn vouched_arguments_are_told_as_they_come() {
    let mut parser = parser(Form::Hermes, true);
    assert_eq!(
        parser.push("Yes. <tool_call>\n{\"name\": \"now\", \"arguments\": "),
        [Piece::Text("Yes.".into())]
    );
    let name = Piece::Call { name: "now".into() };
    assert_eq!(parser.push("{\"a"), [name, Piece::Arguments("{\"a".into())]);
    assert_eq!(parser.push("\": 1"), [Piece::Arguments("\": 1".into())]);
    assert_eq!(parser.push("}}\n</tool"), [Piece::Arguments("}".into())]);
    assert_eq!(parser.finish(false), []);
    assert!(parser.has_called());
}

#[test]
fn one_call_at_a_time_is_one() {
    let one = || Parser::new(&Reading { one: true, ..reading(Form::Llama3, false) });
    let text = r#"{"name": "now", "parameters": {}}; {"name": "now", "parameters": {}} and more"#;
    assert_eq!(read(one(), &[text]), calls("", &[("now", "{}")]));
}

#[test]
fn text_behind_calls_is_content() {
    let text = r#"<tool_call>{"name": "now", "arguments": {}}</tool_call>

That was it."#;
    everywhere(Form::Hermes, text, &calls("That was it.", &[("now", "{}")]));
}

#[test]
fn forms_are_found_in_templates() {
    let of = |name: &str| {
        let path = format!("{}/tests/fixtures/templates/{name}.jinja", env!("CARGO_MANIFEST_DIR"));
        Form::of(&std::fs::read_to_string(path).unwrap())
    };
    assert_eq!(of("llama3"), Some(Form::Llama3));
    assert_eq!(of("qwen25"), Some(Form::Hermes));
    assert_eq!(of("qwen3"), Some(Form::Hermes));
    assert_eq!(of("hermes_types"), Some(Form::Hermes));
    assert_eq!(of("mistral3"), Some(Form::MistralList));
    assert_eq!(of("mistral_args"), Some(Form::MistralArgs));
    assert_eq!(of("phi4"), Some(Form::Phi4));
    assert_eq!(of("phi4_tools"), Some(Form::Phi4));
    for name in ["phi3", "gemma2", "gemma3", "smollm2", "tinyllama", "chatml_generation", "deepseek"] {
        assert_eq!(of(name), None, "{name}");
    }
}

#[test]
fn ids_are_as_the_template_wants_them() {
    assert!(Form::Hermes.fresh_id().starts_with("call_"));
    assert_ne!(Form::Hermes.fresh_id(), Form::Hermes.fresh_id());
    assert_eq!(Form::MistralList.fresh_id().len(), 9);
    assert_eq!(Form::Hermes.known_id("call_1"), "call_1");
    assert_eq!(Form::MistralArgs.known_id("abcDEF123"), "abcDEF123");
    let known = Form::MistralArgs.known_id("call_1");
    assert_eq!((known.len(), &known), (9, &Form::MistralArgs.known_id("call_1")));
    assert_ne!(known, Form::MistralArgs.known_id("call_2"));
}
