//! The conversation: roles, content as text or parts, and tool turns that answer a call.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::RequestError;
use super::bounds::{check_values, object, values, wrong_kind};
use crate::chat::{Message, Part, Role};

/// Most messages of one conversation.
const MAX_MESSAGES: usize = 10_000;

/// The conversation, and what its parts need.
pub(super) struct Read {
    pub(super) messages: Vec<Message>,
    pub(super) vision: bool,
    pub(super) audio: bool,
}

#[derive(Deserialize)]
struct WireMessage<'a> {
    role: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    name: Option<String>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    tool_call_id: Option<String>,
    refusal: Option<String>,
    #[serde(default)]
    audio: Option<&'a RawValue>,
}

/// The tool calls made so far.
#[derive(Default)]
struct Calls {
    /// What a result may name: ids, and the names of functions.
    known: HashSet<String>,
    /// The id of each function's last call.
    ids: HashMap<String, String>,
    /// How many JSON values they hold, all together.
    values: usize,
}

impl Calls {
    /// Reads a field that is kept as JSON; there is one bound for those of the whole conversation.
    fn read<T: DeserializeOwned>(
        &mut self,
        raw: Option<&RawValue>,
        path: &str,
        wanted: &str,
    ) -> Result<Option<T>, RequestError> {
        let Some(raw) = raw else { return Ok(None) };
        self.values += values(raw);
        check_values(self.values, path)?;
        serde_json::from_str(raw.get()).map(Some).map_err(|_| wrong_kind(path, wanted))
    }

    fn add(&mut self, call: &Value) {
        let id = call.get("id").and_then(Value::as_str).map(str::to_owned);
        let name = call.pointer("/function/name").and_then(Value::as_str).map(str::to_owned);
        self.known.extend(id.clone());
        self.known.extend(name.clone());
        self.ids.extend(name.zip(id));
    }
}

pub(super) fn read(raw: &RawValue) -> Result<Read, RequestError> {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| {
        RequestError::kind("messages", "Invalid type for 'messages': expected a list of objects.")
    })?;
    if items.is_empty() {
        let message = "Invalid 'messages': the list is empty; at least one message is needed.";
        return Err(RequestError::new("messages", "empty_array", message));
    }
    if items.len() > MAX_MESSAGES {
        return Err(RequestError::value(
            "messages",
            format!("Invalid 'messages': at most {MAX_MESSAGES} items."),
        ));
    }
    let mut calls = Calls::default();
    let mut read = Read { messages: Vec::with_capacity(items.len()), vision: false, audio: false };
    for (index, item) in items.into_iter().enumerate() {
        let message = one(item, index, &mut calls)?;
        let is_unread = |part: &Part| matches!(part, Part::Image | Part::File | Part::Other(_));
        read.vision |= message.content.iter().any(is_unread);
        read.audio |= message.content.iter().any(|part| matches!(part, Part::Audio));
        read.messages.push(message);
    }
    Ok(read)
}

/// Reads one message. Calls and results of the older form, which has no ids, get one.
fn one(raw: &RawValue, index: usize, calls: &mut Calls) -> Result<Message, RequestError> {
    let path = format!("messages[{index}]");
    let path = path.as_str();
    let wire: WireMessage<'_> = object(raw).map_err(|error| {
        let cause = if error.is_data() {
            "a field has the wrong type or stands twice"
        } else {
            "it is not a valid message"
        };
        RequestError::kind(path, format!("Invalid '{path}': {cause}."))
    })?;
    let role = role(wire.role.as_deref(), path)?;
    let mut content = content(wire.content, role, path)?;
    if let Some(refusal) = wire.refusal {
        content.push(Part::Refusal(refusal));
    }
    if wire.audio.is_some_and(|audio| audio.get() != "null") {
        content.push(Part::Audio);
    }
    let at = format!("{path}.tool_calls");
    let mut tool_calls: Vec<Value> = calls.read(wire.tool_calls, &at, "a list")?.unwrap_or_default();
    let at = format!("{path}.function_call");
    let function_call: Option<Value> = calls.read(wire.function_call, &at, "an object")?;
    let older =
        |function: Value| json!({ "id": format!("call_{index}"), "type": "function", "function": function });
    tool_calls.extend(function_call.map(older));
    if content.is_empty()
        && tool_calls.is_empty()
        && wire.content.is_none_or(|content| content.get() == "null")
    {
        let path = format!("{path}.content");
        return Err(RequestError::new(
            &path,
            "missing_required_parameter",
            format!("Missing required parameter: '{path}'."),
        ));
    }
    for call in &tool_calls {
        calls.add(call);
    }
    let mut tool_call_id = wire.tool_call_id;
    if role == Role::Tool {
        let answered = tool_call_id.as_deref().or(wire.name.as_deref());
        answers_a_call(answered, path, &calls.known)?;
        tool_call_id = tool_call_id.or_else(|| calls.ids.get(wire.name.as_deref()?).cloned());
    }
    Ok(Message { role, content, name: wire.name, tool_calls, tool_call_id })
}

fn role(name: Option<&str>, path: &str) -> Result<Role, RequestError> {
    let path = format!("{path}.role");
    match name {
        Some("system") => Ok(Role::System),
        Some("developer") => Ok(Role::Developer),
        Some("user") => Ok(Role::User),
        Some("assistant") => Ok(Role::Assistant),
        Some("tool" | "function") => Ok(Role::Tool),
        Some(_) => {
            let message =
                format!("Invalid '{path}': expected 'system', 'developer', 'user', 'assistant' or 'tool'.");
            Err(RequestError::value(path, message))
        }
        None => {
            let message = format!("Missing required parameter: '{path}'.");
            Err(RequestError::new(path, "missing_required_parameter", message))
        }
    }
}

fn answers_a_call(id: Option<&str>, path: &str, calls: &HashSet<String>) -> Result<(), RequestError> {
    let path = format!("{path}.tool_call_id");
    match id {
        Some(id) if calls.contains(id) => Ok(()),
        Some(_) => {
            let message = format!("Invalid '{path}': no earlier assistant message makes this tool call.");
            Err(RequestError::value(path, message))
        }
        None => {
            let message = format!("Missing required parameter: '{path}'.");
            Err(RequestError::new(path, "missing_required_parameter", message))
        }
    }
}

fn content(raw: Option<&RawValue>, role: Role, path: &str) -> Result<Vec<Part>, RequestError> {
    let path = format!("{path}.content");
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(vec![]) };
    match raw.get().as_bytes().first() {
        Some(b'"') => {
            let text = serde_json::from_str(raw.get()).map_err(|_| {
                RequestError::value(&path, format!("Invalid '{path}': the string holds a broken escape."))
            })?;
            Ok(vec![Part::Text(text)])
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(|_| {
                RequestError::kind(&path, format!("Invalid '{path}': expected a list of parts."))
            })?;
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| part(item, role, &format!("{path}[{index}]")))
                .collect()
        }
        _ => Err(RequestError::kind(
            &path,
            format!("Invalid type for '{path}': expected a string or a list of parts."),
        )),
    }
}

fn part(raw: &RawValue, role: Role, path: &str) -> Result<Part, RequestError> {
    #[derive(Deserialize)]
    struct WirePart {
        r#type: Option<String>,
        text: Option<String>,
        refusal: Option<String>,
    }
    let wire: WirePart = object(raw).map_err(|_| {
        RequestError::kind(path, format!("Invalid '{path}': expected an object with a 'type'."))
    })?;
    let lacks = |field: &str| {
        let path = format!("{path}.{field}");
        let message = format!("Missing required parameter: '{path}'.");
        RequestError::new(path, "missing_required_parameter", message)
    };
    match wire.r#type.as_deref() {
        Some("text") => wire.text.map(Part::Text).ok_or_else(|| lacks("text")),
        Some("refusal") => wire.refusal.map(Part::Refusal).ok_or_else(|| lacks("refusal")),
        Some("image_url") => Ok(Part::Image),
        Some("input_audio") => Ok(Part::Audio),
        Some("file") => Ok(Part::File),
        // What a model said may go back to it, whatever it is.
        Some(_) if role == Role::Assistant => Ok(Part::Other(raw.get().to_owned())),
        Some(_) => Err(RequestError::value(
            format!("{path}.type"),
            format!(
                "Invalid '{path}.type': expected 'text', 'refusal', 'image_url', 'input_audio' or 'file'."
            ),
        )),
        None => Err(lacks("type")),
    }
}
