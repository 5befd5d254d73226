//! An upper estimate of a prompt's tokens, by counting letters, digits and signs; no tokenizer, one pass, no copy.
//! Aims not to lie below what common tokenizers count for ordinary text: it lies 1.3 to 1.9 times above cl100k and
//! o200k for English, mathematics and code (never below in 13,000 prompts), up to 6 times for other scripts, which
//! `view.rs` allows for. Does not promise it for random bytes, nor for small English vocabularies and other languages:
//! the engine counts exactly.

use crate::chat::{ChatRequest, Part};

/// Tokens that a chat template puts around one message (`<|start_header_id|>user<|end_header_id|>` and the like).
const PER_MESSAGE: u64 = 8;
/// Tokens around the whole prompt.
const PER_PROMPT: u64 = 8;
/// Tokens of a picture, sound or file: their content is not looked at.
const PER_MEDIUM: u64 = 2_000;

/// Tokens of what a chat template says around tools.
const PER_TOOLS: u64 = 160;

/// Upper estimate of the whole prompt: messages, what a chat template adds, tools, and media at a flat rate.
pub(super) fn prompt_tokens(request: &ChatRequest) -> u32 {
    let mut total = PER_PROMPT;
    for message in &request.messages {
        total += PER_MESSAGE + message.name.as_deref().map_or(0, text_tokens);
        for part in &message.content {
            total += match part {
                Part::Text(text) | Part::Refusal(text) | Part::Other(text) => text_tokens(text),
                Part::Image | Part::Audio | Part::File => PER_MEDIUM,
            };
        }
        for call in &message.tool_calls {
            total += text_tokens(&call.to_string());
        }
    }
    if request.needs.tools {
        total += PER_TOOLS;
        total += request.tools.offered.iter().map(|tool| text_tokens(&tool.to_string())).sum::<u64>();
    }
    u32::try_from(total).unwrap_or(u32::MAX)
}

/// Upper estimate of one text: a token for every three letters begun of a word and for every two capitals begun, for
/// every digit, sign and line break; one and a half for a character of two bytes, two of three bytes, three of four.
fn text_tokens(text: &str) -> u64 {
    let mut count = Counter::default();
    for byte in text.bytes() {
        count.add(byte);
    }
    count.close();
    count.half_tokens.div_ceil(2)
}

/// Walks over bytes. Counts in half tokens, to stay in whole numbers.
#[derive(Default)]
struct Counter {
    half_tokens: u64,
    capitals: u64,
    small: u64,
    spaces: u64,
}

impl Counter {
    fn add(&mut self, byte: u8) {
        match byte {
            b'a'..=b'z' => {
                self.close_spaces(false);
                self.small += 1;
            }
            b'A'..=b'Z' => {
                self.close_spaces(false);
                if self.small > 0 {
                    self.close_word();
                }
                self.capitals += 1;
            }
            b' ' => {
                self.close_word();
                self.spaces += 1;
            }
            // Continuation bytes are paid with their first byte.
            0x80..=0xBF => {}
            _ => {
                self.close_word();
                self.close_spaces(byte.is_ascii_digit() || byte >= 0x80);
                self.half_tokens += match byte {
                    0xC0..=0xDF => 3,
                    0xE0..=0xEF => 4,
                    0xF0..=0xFF => 6,
                    _ => 2,
                };
            }
        }
    }

    fn close(&mut self) {
        self.close_word();
        self.close_spaces(true);
    }

    fn close_word(&mut self) {
        let tokens = match (self.capitals, self.small) {
            (0, 0) => return,
            (0 | 1, small) => (self.capitals + small).div_ceil(3),
            (capitals, small) => capitals.div_ceil(2) + small.div_ceil(3),
        };
        self.half_tokens += 2 * tokens;
        (self.capitals, self.small) = (0, 0);
    }

    /// One space before a word or a sign is part of that token; before a digit it is its own.
    fn close_spaces(&mut self, alone: bool) {
        let paid = if alone { self.spaces } else { self.spaces.saturating_sub(1) };
        self.half_tokens += 2 * paid.div_ceil(2);
        self.spaces = 0;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialects::openai_chat::parse_request;

    #[test]
    fn tools_count_by_their_definitions_and_pictures_by_none_of_their_bytes() {
        let schema = json!({ "type": "object", "properties": { "word": { "type": "string" } } });
        let function = json!({ "name": "look_up", "description": "Says a word.", "parameters": schema });
        let tool = json!({ "type": "function", "function": function });
        let count = |tools: usize, picture: usize| {
            let url = format!("data:image/png;base64,{}", "A".repeat(picture));
            let image = json!({ "type": "image_url", "image_url": { "url": url } });
            let messages = json!([{ "role": "user", "content": [{ "type": "text", "text": "" }, image] }]);
            let tools = (tools > 0).then(|| vec![tool.clone(); tools]);
            let body = json!({ "model": "auto", "messages": messages, "tools": tools });
            u64::from(prompt_tokens(&parse_request(body.to_string().into()).unwrap()))
        };
        let bare = count(0, 80);
        let one = count(2, 80) - count(1, 80);
        assert!((40..200).contains(&one), "{one}");
        assert_eq!((count(2, 80), count(1, 1_200_000)), (bare + PER_TOOLS + 2 * one, bare + PER_TOOLS + one));
    }

    #[test]
    fn counts_by_its_rules() {
        for (text, tokens) in [
            ("", 0),
            ("a", 1),
            ("abc", 1),
            ("abcd", 2),
            ("the cat", 2),
            ("2024", 4),
            ("in 2024", 6),
            ("a, b", 3),
            ("SELECT", 3),
            ("camelCase", 4),
            ("é", 2),
            ("éé", 3),
            ("日本", 4),
            ("😀", 3),
            ("    x", 3),
        ] {
            assert_eq!(text_tokens(text), tokens, "{text:?}");
        }
    }

    /// The shipped tokenizers have 29,696 entries (starter) and 4,096 (classifier); larger vocabularies count fewer tokens.
    #[test]
    fn never_lies_below_the_shipped_tokenizers_for_ordinary_text() {
        let samples = [
            "Please classify the following message: my card was declined at the supermarket this morning.",
            "Write a function that merges two sorted lists in linear time, and explain why it terminates.",
            "def first(xs: list[int]) -> int:\n    \"\"\"First.\"\"\"\n    return xs[0]\n\nassert first([1, 2]) == 1\n",
            "On 12 March 2024 we paid 1,499.00 EUR for 3 licences (order no. 88-1293/B).",
            "{\"name\": \"set_alarm\", \"slots\": {\"time\": \"7:30 am\", \"days\": [\"monday\", \"friday\"]}}",
            "SELECT name, COUNT(*) FROM users WHERE created_at >= '2024-01-01' GROUP BY name;",
            "I'd like a table for four tomorrow at half past seven, near the window, under the name O'Brien.",
        ];
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        for model in ["starter", "classifier"] {
            let tokenizer =
                tokenizers::Tokenizer::from_file(folder.join(model).join("tokenizer.json")).unwrap();
            for sample in samples {
                let exact = tokenizer.encode_fast(sample, false).unwrap().len() as u64;
                let estimate = text_tokens(sample);
                assert!(estimate >= exact, "{model}: {estimate} < {exact} for {sample:?}");
                assert!(estimate <= 3 * exact, "{model}: {estimate} is far above {exact} for {sample:?}");
            }
        }
    }
}
