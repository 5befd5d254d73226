//! Tool calls of an answer, put together from the pieces that a stream brings. Nothing is called and nothing is
//! mended: arguments that are no JSON stay a text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most calls that are kept of one answer.
const MOST_CALLS: usize = 1_000;

/// One tool that a model asks to call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// With what: an object, or the text that the model wrote where that is no JSON.
    #[serde(default = "nothing")]
    pub arguments: Value,
}

fn nothing() -> Value {
    Value::Object(Map::new())
}

#[derive(Debug, Default)]
struct Piece {
    name: String,
    arguments: String,
}

/// Puts calls together, in OpenAI's form: pieces with the same `index` belong to one call.
#[derive(Debug, Default)]
pub struct ToolCallFold {
    pieces: BTreeMap<u64, Piece>,
}

impl ToolCallFold {
    /// Takes a list of calls or of pieces of them; what has another form is left out. A call without an index is a
    /// call of its own.
    pub fn push(&mut self, calls: &Value) {
        let calls = match calls {
            Value::Array(calls) => calls.as_slice(),
            Value::Object(_) => std::slice::from_ref(calls),
            _ => return,
        };
        for call in calls {
            let next = self.pieces.last_key_value().map_or(0, |(index, _)| index.saturating_add(1));
            let index = call["index"].as_u64().unwrap_or(next);
            if self.pieces.len() >= MOST_CALLS && !self.pieces.contains_key(&index) {
                continue;
            }
            let function = &call["function"];
            let piece = self.pieces.entry(index).or_default();
            piece.name.push_str(function["name"].as_str().unwrap_or_default());
            match &function["arguments"] {
                Value::String(text) => piece.arguments.push_str(text),
                Value::Null => {}
                whole => piece.arguments.push_str(&whole.to_string()),
            }
        }
    }

    /// The calls, in the order of their indices.
    pub fn finish(self) -> Vec<ToolCall> {
        self.pieces.into_values().map(Piece::whole).collect()
    }
}

impl Piece {
    fn whole(self) -> ToolCall {
        let arguments = if self.arguments.trim().is_empty() {
            nothing()
        } else {
            serde_json::from_str(&self.arguments).unwrap_or(Value::String(self.arguments))
        };
        ToolCall { name: self.name, arguments }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn c17_pieces_become_whole_calls() {
        let mut fold = ToolCallFold::default();
        fold.push(&json!([{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": ""}}]));
        for piece in r#"{"city": "Žilina"}"#.chars() {
            fold.push(&json!([{"index": 0, "function": {"arguments": piece.to_string()}}]));
        }
        fold.push(&json!([{"index": 1, "function": {"name": "clock"}}]));
        let calls = fold.finish();
        assert_eq!(calls[0], ToolCall { name: "weather".into(), arguments: json!({"city": "Žilina"}) });
        assert_eq!(calls[1], ToolCall { name: "clock".into(), arguments: json!({}) });
    }

    #[test]
    fn whole_calls_have_no_index_and_broken_arguments_stay_text() {
        let mut fold = ToolCallFold::default();
        fold.push(&json!([
            {"id": "a", "function": {"name": "a", "arguments": "{\"x\": "}},
            {"id": "b", "function": {"name": "b", "arguments": {"y": 1}}},
        ]));
        fold.push(&json!("no calls"));
        let calls = fold.finish();
        assert_eq!(calls[0].arguments, json!("{\"x\": "));
        assert_eq!((calls[1].name.as_str(), &calls[1].arguments), ("b", &json!({"y": 1})));
    }

    #[test]
    fn a_flood_of_calls_is_held() {
        let mut fold = ToolCallFold::default();
        for index in 0..5_000 {
            fold.push(&json!([{"index": index, "function": {"name": "a"}}]));
        }
        assert_eq!(fold.finish().len(), MOST_CALLS);
    }
}
