//! Tokens back to text, one at a time: a table from token to bytes, and bytes held until they are whole characters.
//! Promises: never half a character, never a replacement character of our own making: bytes that can begin or
//! continue no character are dropped. Reads byte-level and SentencePiece-like tokenizers; refuses others at load.

use std::collections::HashMap;

use serde_json::Value;
use tokenizers::Tokenizer;

/// What each token of a vocabulary is in bytes. Special tokens are nothing.
pub(super) struct Vocabulary {
    bytes: Vec<u8>,
    /// Token `id` is `bytes[starts[id]..starts[id + 1]]`.
    starts: Vec<u32>,
    /// Texts of special tokens, for telling of them only.
    specials: HashMap<u32, String>,
    longest: usize,
    leading_space_dropped: bool,
}

/// How a tokenizer writes bytes as characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// GPT-2's: every byte has a printable character of its own.
    ByteLevel,
    /// `▁` is a space, `<0xE2>` a byte, everything else itself.
    SentencePiece,
}

impl Vocabulary {
    /// Builds the table, or says why the tokenizer's decoder cannot be read.
    pub(super) fn of(tokenizer: &Tokenizer, size: usize) -> Result<Self, String> {
        let decoder = serde_json::to_value(tokenizer.get_decoder()).map_err(|error| error.to_string())?;
        let spelling = spelling(&decoder)?;
        let added = tokenizer.get_added_tokens_decoder();
        let count = tokenizer.get_vocab_size(true).max(size);
        let mut table = Self {
            bytes: vec![],
            starts: Vec::with_capacity(count + 1),
            specials: HashMap::new(),
            longest: 1,
            leading_space_dropped: drops_leading_space(&decoder),
        };
        table.starts.push(0);
        for id in 0..u32::try_from(count).map_err(|error| error.to_string())? {
            let before = table.bytes.len();
            match added.get(&id) {
                Some(token) if token.special => {
                    table.specials.insert(id, token.content.clone());
                }
                // As it stands in this spelling alone: Gemma's are runs of `▁`.
                Some(token) if spelling == Spelling::ByteLevel => {
                    table.bytes.extend_from_slice(token.content.as_bytes());
                }
                _ => {
                    if let Some(token) = tokenizer.id_to_token(id) {
                        spell(spelling, &token, &mut table.bytes);
                    }
                }
            }
            table.longest = table.longest.max(table.bytes.len() - before);
            table.starts.push(u32::try_from(table.bytes.len()).map_err(|error| error.to_string())?);
        }
        Ok(table)
    }

    /// A token's bytes; none for a special or unknown token.
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let at = id as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(from), Some(to)) => &self.bytes[*from as usize..*to as usize],
            _ => &[],
        }
    }

    /// A table of these tokens, as if a byte-level tokenizer had them.
    #[cfg(test)]
    pub(super) fn from_words(words: &[&[u8]]) -> Self {
        let ends = words.iter().scan(0, |end, word| {
            *end += u32::try_from(word.len()).unwrap();
            Some(*end)
        });
        Self {
            bytes: words.concat(),
            starts: std::iter::once(0).chain(ends).collect(),
            specials: HashMap::new(),
            longest: words.iter().map(|word| word.len()).max().unwrap_or(1),
            leading_space_dropped: false,
        }
    }

    /// A token's bytes, or a special token's text: what to call it.
    pub(super) fn name(&self, id: u32) -> &[u8] {
        self.specials.get(&id).map_or_else(|| self.bytes(id), |text| text.as_bytes())
    }

    /// How many tokens there are, special and unused ones included.
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Bytes of the longest token: a text of `n` times as many bytes has at least `n` tokens.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }
}

/// A decoder's JSON is one step or a sequence of them.
fn steps(decoder: &Value) -> &[Value] {
    decoder["decoders"].as_array().map_or(std::slice::from_ref(decoder), Vec::as_slice)
}

/// Whether the decoder takes the space off a text's beginning that the tokenizer put there.
fn drops_leading_space(decoder: &Value) -> bool {
    steps(decoder).iter().any(|step| match step["type"].as_str() {
        Some("Strip") => step["content"] == " " && step["start"].as_u64() >= Some(1),
        Some("Metaspace") => step["prepend_scheme"] != "never",
        _ => false,
    })
}

/// How the decoder's tokens are written.
fn spelling(decoder: &Value) -> Result<Spelling, String> {
    let steps = steps(decoder);
    let named = |name: &str| steps.iter().any(|step| step["type"] == name);
    if named("ByteLevel") {
        Ok(Spelling::ByteLevel)
    } else if named("Metaspace") || (named("Replace") && named("ByteFallback")) {
        Ok(Spelling::SentencePiece)
    } else {
        let types: Vec<&str> = steps.iter().filter_map(|step| step["type"].as_str()).collect();
        Err(format!("its decoder ({}) is neither byte-level nor SentencePiece-like", types.join(", ")))
    }
}

fn spell(spelling: Spelling, token: &str, bytes: &mut Vec<u8>) {
    match spelling {
        Spelling::ByteLevel => {
            for letter in token.chars() {
                match byte_of(letter) {
                    Some(byte) => bytes.push(byte),
                    None => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
        }
        Spelling::SentencePiece => {
            let hex = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
            match hex.filter(|hex| hex.len() == 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend_from_slice(token.replace('▁', " ").as_bytes()),
            }
        }
    }
}

/// The byte that GPT-2's alphabet writes as `letter`: printable Latin-1 stands for itself, the other bytes,
/// in order, for the characters from U+0100.
fn byte_of(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    let itself = |code: u32| matches!(code, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    if itself(code) {
        return u8::try_from(code).ok();
    }
    let nth = code.checked_sub(0x100)?;
    (0..=0xFF_u8).filter(|byte| !itself(u32::from(*byte))).nth(nth as usize)
}

/// The bytes of one answer that are not yet a whole character.
pub(super) struct Detokenizer {
    held: Vec<u8>,
    leading_space_dropped: bool,
}

impl Detokenizer {
    /// Begins an answer.
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        Self { held: vec![], leading_space_dropped: vocabulary.leading_space_dropped }
    }

    /// The part of the next token's bytes that becomes text.
    pub(super) fn as_shown<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        if self.leading_space_dropped { bytes.strip_prefix(b" ").unwrap_or(bytes) } else { bytes }
    }

    /// Takes a token's bytes and gives every character that is whole now. What is still held when the answer ends is
    /// half a character, and is never given.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> String {
        if !bytes.is_empty() {
            bytes = self.as_shown(bytes);
            self.leading_space_dropped = false;
        }
        self.held.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.held.len());
        let mut read = 0;
        for chunk in self.held.utf8_chunks() {
            text.push_str(chunk.valid());
            read += chunk.valid().len();
            let broken = chunk.invalid();
            let at_end = read + broken.len() == self.held.len();
            if at_end && may_go_on(broken) {
                break;
            }
            read += broken.len();
        }
        self.held.drain(..read);
        text
    }
}

/// Whether bytes that are no character yet may become one.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pieces(pieces: &[&[u8]]) -> Vec<String> {
        let mut detokenizer = Detokenizer { held: vec![], leading_space_dropped: false };
        pieces.iter().map(|piece| detokenizer.push(piece)).collect()
    }

    #[test]
    fn c20_a_character_split_over_tokens_comes_out_whole() {
        let crab = "🦀".as_bytes();
        assert_eq!(pieces(&[b"a", &crab[..1], &crab[1..3], &crab[3..]]), ["a", "", "", "🦀"]);
        let euro = "x€y".as_bytes();
        assert_eq!(pieces(&[&euro[..2], &euro[2..]]), ["x", "€y"]);
    }

    #[test]
    fn c20_every_split_of_a_text_gives_the_text_and_no_replacement_character() {
        let text = "ä€🦀 é漢字\u{200d}👩‍🚀.";
        let bytes = text.as_bytes();
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let parts = pieces(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
                assert_eq!(parts.concat(), text);
                assert!(parts.iter().all(|part| !part.contains('\u{FFFD}')));
            }
        }
    }

    #[test]
    fn c20_bytes_that_are_no_text_are_dropped_not_replaced() {
        assert_eq!(pieces(&[b"a\xFF", b"b", b"\xE2\x82", b"c", b"\x80d"]).concat(), "abcd");
        assert_eq!(pieces(&[b"half \xF0\x9F"]), ["half "]);
    }

    #[test]
    fn a_real_replacement_character_passes() {
        assert_eq!(pieces(&["\u{FFFD}".as_bytes()]), ["\u{FFFD}"]);
    }

    #[test]
    fn the_alphabet_of_gpt2_covers_every_byte_once() {
        let letters = (0..=0x17F_u32).filter_map(char::from_u32);
        let mut bytes: Vec<u8> = letters.filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!((byte_of('Ġ'), byte_of('Ċ'), byte_of('A')), (Some(b' '), Some(b'\n'), Some(b'A')));
    }

    #[test]
    fn sentencepiece_tokens_are_spelled() {
        let mut bytes = vec![];
        for token in ["▁hi", "<0xE2>", "<0x82>", "<0xAC>", "<0xZZ>"] {
            spell(Spelling::SentencePiece, token, &mut bytes);
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), " hi€<0xZZ>");
    }

    #[test]
    fn a_leading_space_goes_where_the_decoder_takes_it() {
        let replace = json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " });
        let strip = json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 });
        let (bytes, fuse) = (json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" }));
        let sequence = |steps: &[&Value]| json!({ "type": "Sequence", "decoders": steps });
        let metaspace = |scheme: &str| {
            drops_leading_space(&json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme }))
        };
        let (plain, stripped) =
            (sequence(&[&replace, &bytes, &fuse]), sequence(&[&replace, &bytes, &fuse, &strip]));
        let added = json!([{ "id": 0, "content": "▁▁", "special": false, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false }]);
        for (decoder, added, text) in [
            (&plain, json!([]), "  x"),
            (&stripped, json!([]), " x"),
            (&plain, added.clone(), "  x"),
            (&stripped, added, " x"),
        ] {
            let model = json!({ "type": "BPE", "vocab": { "▁▁": 0, "x": 1 }, "merges": [] });
            let file = json!({ "version": "1.0", "added_tokens": added, "decoder": decoder, "model": model });
            let tokenizer = Tokenizer::from_bytes(file.to_string()).unwrap();
            let vocabulary = Vocabulary::of(&tokenizer, 2).unwrap();
            let mut detokenizer = Detokenizer::new(&vocabulary);
            let told = [0, 1].map(|id| detokenizer.push(vocabulary.bytes(id)));
            assert_eq!(told.concat(), text, "{decoder}");
        }
        assert_eq!(["always", "first", "never"].map(metaspace), [true, true, false]);
    }

    #[test]
    fn unknown_decoders_are_refused_by_name() {
        let error = spelling(&json!({"type": "CTC"})).unwrap_err();
        assert!(error.contains("CTC"));
    }
}
