//! Pieces of streamed tool calls, put together into whole ones.

use serde_json::Value;

/// The tool calls of one answer, as far as they were told.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Each with its index among the pieces; none for calls that came whole.
    calls: Vec<(Option<u64>, Value)>,
}

impl Calls {
    /// Takes more: a list of pieces, or one. Arguments of the same index are joined; a call without one is whole.
    pub(super) fn push(&mut self, pieces: Value) {
        match pieces {
            Value::Array(pieces) => pieces.into_iter().for_each(|piece| self.push_one(piece)),
            piece => self.push_one(piece),
        }
    }

    fn push_one(&mut self, mut piece: Value) {
        let index = piece.as_object_mut().and_then(|fields| fields.shift_remove("index")?.as_u64());
        let known = self.calls.iter_mut().find(|(known, _)| index.is_some() && *known == index);
        let Some((_, call)) = known else {
            self.calls.push((index, piece));
            return;
        };
        let more = piece.pointer("/function/arguments").and_then(Value::as_str).unwrap_or_default();
        match call.pointer_mut("/function/arguments") {
            Some(Value::String(arguments)) => arguments.push_str(more),
            _ if more.is_empty() => {}
            _ => {
                if let Some(function) = call.pointer_mut("/function").and_then(Value::as_object_mut) {
                    function.insert("arguments".to_owned(), more.into());
                }
            }
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The first call's name and arguments: all that the older form has place for.
    pub(super) fn into_older(self) -> Option<Value> {
        Some(self.calls.into_iter().next()?.1.get_mut("function")?.take())
    }

    /// The calls, as a whole answer lists them.
    pub(super) fn into_value(self) -> Value {
        self.calls.into_iter().map(|(_, call)| call).collect()
    }
}

/// What a list of pieces says of the first call: its name or more of its arguments.
pub(super) fn older(pieces: &Value) -> Option<&Value> {
    let first = |piece: &&Value| piece.get("index").and_then(Value::as_u64).unwrap_or_default() == 0;
    pieces.as_array()?.iter().find(first)?.get("function")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn c17_pieces_become_whole_calls() {
        let mut calls = Calls::default();
        let begin = |index: u32, name: &str| json!([{ "index": index, "id": format!("call_{index}"), "type": "function", "function": { "name": name, "arguments": "" } }]);
        let more = |index: u32, text: &str| json!([{ "index": index, "function": { "arguments": text } }]);
        for piece in [begin(0, "a"), more(0, "{\"x\""), begin(1, "b"), more(0, ": \"é\"}"), more(1, "{}")] {
            calls.push(piece);
        }
        let call = |index: u32, name: &str, arguments: &str| json!({ "id": format!("call_{index}"), "type": "function", "function": { "name": name, "arguments": arguments } });
        assert_eq!(calls.into_value(), json!([call(0, "a", "{\"x\": \"é\"}"), call(1, "b", "{}")]));
    }

    #[test]
    fn calls_without_an_index_are_whole() {
        let mut calls = Calls::default();
        let call = json!({ "id": "c", "function": { "name": "f", "arguments": "{}" } });
        calls.push(call.clone());
        calls.push(json!([call]));
        assert_eq!(calls.into_value(), json!([call, call]));
    }
}
