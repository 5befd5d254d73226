//! What an embedding is asked of.

/// One text to embed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Text, to be tokenised by the model's own tokenizer, its special tokens included.
    Text(String),
    /// Ids of the model's own tokens, used as they are.
    Tokens(Vec<u32>),
}
