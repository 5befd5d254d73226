//! Tools as applications send them, and what is refused with which field.

use super::super::tests::with;
use crate::chat::{ToolChoice, Tools};
use serde_json::json;

const TWO: &str = r#","tools":[{"type":"function","function":{"name":"a","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"function","function":{"name":"b-2_","parameters":null}}]"#;

fn tools(extra: &str) -> Tools {
    with(&format!("{TWO}{extra}")).unwrap().tools
}

fn refused(extra: &str) -> (String, &'static str) {
    let error = with(extra).unwrap_err();
    (error.param.unwrap(), error.code)
}

#[test]
fn tools_are_kept_as_they_came() {
    let read = tools("");
    assert_eq!(read.offered.len(), 2);
    assert_eq!(read.offered[0]["function"]["strict"], true);
    assert_eq!((read.choice, read.one_at_a_time), (ToolChoice::Auto, false));
    assert!(tools(r#","parallel_tool_calls":false"#).one_at_a_time);
    assert!(!tools(r#","parallel_tool_calls":null"#).one_at_a_time);
    assert_eq!(with("").unwrap().tools, Tools::default());
    let custom = with(r#","tools":[{"type":"custom","custom":{"name":"x"}}]"#).unwrap();
    assert!(custom.needs.tools, "a remote may know more kinds of tools");
}

#[test]
fn every_form_of_tool_choice_is_read() {
    let choice = |value: &str| tools(&format!(r#","tool_choice":{value}"#)).choice;
    assert_eq!(choice("null"), ToolChoice::Auto);
    assert_eq!(choice(r#""auto""#), ToolChoice::Auto);
    assert_eq!(choice(r#""none""#), ToolChoice::Never);
    assert_eq!(choice(r#""required""#), ToolChoice::Required);
    let named = choice(r#"{"type":"function","function":{"name":"b-2_"}}"#);
    assert_eq!(named, ToolChoice::Function("b-2_".into()));
    let allowed = |mode: &str| {
        tools(&format!(
            r#","tool_choice":{{"type":"allowed_tools","allowed_tools":{{"mode":"{mode}","tools":[{{"type":"function","function":{{"name":"b-2_"}}}}]}}}}"#
        ))
    };
    assert_eq!(
        (allowed("auto").choice, allowed("required").choice),
        (ToolChoice::Auto, ToolChoice::Required)
    );
    assert_eq!(allowed("auto").offered.len(), 1);
    assert_eq!(allowed("auto").offered[0]["function"]["name"], "b-2_");
    let custom = r#"{"type":"custom","custom":{"name":"x"}}"#;
    let function = r#"{"type":"function","function":{"name":"a"}}"#;
    let one = with(&format!(r#","tools":[{function},{custom}],"tool_choice":{custom}"#)).unwrap().tools;
    assert_eq!((one.choice, one.offered.len()), (ToolChoice::Required, 1), "no function in its place");
    assert_eq!(one.offered[0]["custom"]["name"], "x");
}

#[test]
fn no_tool_is_needed_when_none_may_be_called() {
    assert!(with(TWO).unwrap().needs.tools);
    assert!(!with(&format!(r#"{TWO},"tool_choice":"none""#)).unwrap().needs.tools);
    assert!(!with(r#","tools":[],"tool_choice":"auto""#).unwrap().needs.tools);
}

#[test]
fn functions_are_tools_under_their_older_names() {
    let old = r#","functions":[{"name":"f","parameters":{"type":"object"}}]"#;
    let read = with(&format!(r#"{old},"function_call":{{"name":"f"}}"#)).unwrap();
    assert!(read.needs.tools);
    let wanted =
        json!({ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } });
    assert_eq!(*read.tools.offered, [wanted]);
    assert_eq!(read.tools.choice, ToolChoice::Function("f".into()));
    assert!(read.tools.older && read.tools.one_at_a_time);
    assert!(!with(&format!("{old}{TWO}")).unwrap().tools.older, "who knows tools reads tool calls");
    let none = with(&format!(r#"{old},"function_call":"none""#)).unwrap();
    assert_eq!(none.tools.choice, ToolChoice::Never);
}

#[test]
fn e1_wrong_tools_are_refused_with_their_path() {
    let tool =
        |function: &str| refused(&format!(r#","tools":[{{"type":"function","function":{function}}}]"#));
    assert_eq!(refused(r#","tools":[3]"#), ("tools[0]".into(), "invalid_type"));
    assert_eq!(refused(r#","tools":[{}]"#), ("tools[0].type".into(), "missing_required_parameter"));
    assert_eq!(
        refused(r#","tools":[{"type":"function"}]"#),
        ("tools[0].function".into(), "missing_required_parameter")
    );
    assert_eq!(tool("[]"), ("tools[0].function".into(), "invalid_type"));
    assert_eq!(tool("{}"), ("tools[0].function.name".into(), "missing_required_parameter"));
    let long = "n".repeat(65);
    for name in ["", "a b", "é", "a.b", "<tool_call>", long.as_str()] {
        let wanted = ("tools[0].function.name".into(), "invalid_value");
        assert_eq!(tool(&format!(r#"{{"name":"{name}"}}"#)), wanted, "{name}");
    }
    for (field, value) in [("description", "3"), ("parameters", "[]"), ("strict", "\"yes\"")] {
        let found = tool(&format!(r#"{{"name":"f","{field}":{value}}}"#));
        assert_eq!(found, (format!("tools[0].function.{field}"), "invalid_type"));
    }
    let schema = |schema: &str| format!(r#"{{"name":"f","parameters":{schema}}}"#);
    for wrong in [r#"{"type":"string"}"#, r#"{"type":["array","null"]}"#, r#"{"type":3}"#] {
        let wanted = ("tools[0].function.parameters.type".into(), "invalid_value");
        assert_eq!(tool(&schema(wrong)), wanted, "{wrong}");
    }
    for right in ["{}", r#"{"type":null}"#, r#"{"type":["null","object"]}"#, r##"{"$ref":"#/$defs/a"}"##] {
        let tools = format!(r#","tools":[{{"type":"function","function":{}}}]"#, schema(right));
        assert!(with(&tools).is_ok(), "{right}");
    }
    assert_eq!(refused(r#","functions":[{"name":"a b"}]"#).0, "functions[0].name");
    assert_eq!(refused(r#","parallel_tool_calls":"no""#).0, "parallel_tool_calls");
}

#[test]
fn e1_wrong_choices_are_refused_with_their_path() {
    let choice = |value: &str| refused(&format!(r#"{TWO},"tool_choice":{value}"#));
    assert_eq!(choice("3"), ("tool_choice".into(), "invalid_type"));
    assert_eq!(choice(r#""any""#), ("tool_choice".into(), "invalid_value"));
    assert_eq!(choice(r#"{"type":"web"}"#), ("tool_choice".into(), "invalid_value"));
    let path = "tool_choice.function.name".to_owned();
    assert_eq!(choice(r#"{"type":"function"}"#), (path.clone(), "missing_required_parameter"));
    assert_eq!(choice(r#"{"type":"function","function":{"name":"c"}}"#), (path, "invalid_value"));
    let path = "tool_choice.custom.name".to_owned();
    assert_eq!(choice(r#"{"type":"custom"}"#), (path.clone(), "missing_required_parameter"));
    assert_eq!(choice(r#"{"type":"custom","custom":{"name":"a"}}"#), (path, "invalid_value"));
    let allowed = |inner: &str| choice(&format!(r#"{{"type":"allowed_tools","allowed_tools":{inner}}}"#)).0;
    assert_eq!(allowed(r#"{"mode":"none","tools":[]}"#), "tool_choice.allowed_tools.mode");
    assert_eq!(allowed(r#"{"mode":"auto"}"#), "tool_choice.allowed_tools.tools");
    assert_eq!(allowed(r#"{"mode":"auto","tools":[]}"#), "tool_choice.allowed_tools.tools");
    assert_eq!(refused(r#","tool_choice":"required""#).0, "tool_choice");
    assert_eq!(refused(r#","function_call":{"name":"f"}"#).0, "function_call.name");
}

#[test]
fn settings_for_the_template_are_plain_values() {
    let read = with(r#","chat_template_kwargs":{"enable_thinking":false,"date":"today","n":3}"#).unwrap();
    assert_eq!(read.template_settings["enable_thinking"], false);
    assert_eq!(read.template_settings.len(), 3);
    for wrong in ["[]", "3", r#"{"a":[]}"#, r#"{"a":{}}"#] {
        assert_eq!(
            refused(&format!(r#","chat_template_kwargs":{wrong}"#)).0,
            "chat_template_kwargs",
            "{wrong}"
        );
    }
}
