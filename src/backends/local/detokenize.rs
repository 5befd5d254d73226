//! Tokens back to text, one at a time: a table from token to bytes, and bytes held until they are whole characters.
//! Promises: never half a character, never a replacement character of our own making: bytes that can begin or
//! continue no character are dropped. Reads byte-level and SentencePiece-like tokenizers; refuses others at load.

use std::collections::HashMap;
use std::num::TryFromIntError;

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
    spelling: Spelling,
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
    pub(super) fn of(tokenizer: &Tokenizer) -> Result<Self, String> {
        let decoder = serde_json::to_value(tokenizer.get_decoder()).map_err(|error| error.to_string())?;
        let mut table = Self {
            bytes: vec![],
            starts: vec![0],
            specials: HashMap::new(),
            longest: 1,
            spelling: spelling(&decoder)?,
            leading_space_dropped: drops_leading_space(&decoder),
        };
        table.reach(tokenizer, tokenizer.get_vocab_size(true))?;
        Ok(table)
    }

    /// Reads on to the token before `count`, as far as a graph's logits go: where ids have gaps there are tokens past the number of
    /// them, and a graph may have more than the tokenizer.
    pub(super) fn reach(&mut self, tokenizer: &Tokenizer, count: usize) -> Result<(), String> {
        let wrong = |error: TryFromIntError| error.to_string();
        let added = tokenizer.get_added_tokens_decoder();
        for id in u32::try_from(self.len()).map_err(wrong)?..u32::try_from(count).map_err(wrong)? {
            let before = self.bytes.len();
            match added.get(&id) {
                Some(token) if token.special => {
                    self.specials.insert(id, token.content.clone());
                }
                // As it stands in this spelling alone: Gemma's are runs of `▁`.
                Some(token) if self.spelling == Spelling::ByteLevel => {
                    self.bytes.extend_from_slice(token.content.as_bytes());
                }
                _ => {
                    if let Some(token) = tokenizer.id_to_token(id) {
                        spell(self.spelling, &token, &mut self.bytes);
                    }
                }
            }
            self.longest = self.longest.max(self.bytes.len() - before);
            self.starts.push(u32::try_from(self.bytes.len()).map_err(wrong)?);
        }
        Ok(())
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
            spelling: Spelling::ByteLevel,
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
mod tests;
