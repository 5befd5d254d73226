//! What an embedding request asks for, read as it stands in the body. Promises: nothing is built but the texts and ids
//! themselves, and no more of them than one request may have; quotes no input.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{MOST_INPUTS, wrong};
use crate::chat::Passage;
use crate::dialects::openai_chat::RequestError;

/// Reads `input`.
pub(super) fn passages(raw: &RawValue) -> Result<Vec<Passage>, RequestError> {
    let found = match serde_json::from_str::<Input>(raw.get()) {
        Ok(Input(found, 0)) => found,
        Ok(Input(found, more)) => {
            let why =
                format!("'input' holds {} inputs, at most {MOST_INPUTS} are allowed.", found.len() + more);
            return Err(wrong(Some("input"), "invalid_value", &why));
        }
        Err(error) if error.is_data() => {
            let why =
                "'input' must be a text, a list of texts, a list of token ids, or a list of such lists.";
            return Err(wrong(Some("input"), "invalid_type", why));
        }
        Err(_) => {
            let why = "'input' holds a broken escape, or a number that is out of range.";
            return Err(wrong(Some("input"), "invalid_value", why));
        }
    };
    let is_empty = |passage: &Passage| match passage {
        Passage::Text(text) => text.is_empty(),
        Passage::Tokens(ids) => ids.is_empty(),
    };
    if found.is_empty() || found.iter().any(is_empty) {
        let why = "'input' must hold at least one text, and none may be empty.";
        return Err(wrong(Some("input"), "empty_array", why));
    }
    Ok(found)
}

/// The inputs, at most as many as are allowed, and how many more there are.
struct Input(Vec<Passage>, usize);

/// One item of the list.
enum Item {
    Passage(Passage),
    /// Of the only input.
    Id(u32),
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Input, E> {
        Ok(Input(vec![Passage::Text(text.to_owned())], 0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Input, A::Error> {
        let (mut found, mut ids) = (vec![], vec![]);
        while let Some(item) = list.next_element()? {
            match item {
                Item::Id(id) if found.is_empty() => ids.push(id),
                Item::Passage(passage) if ids.is_empty() => found.push(passage),
                Item::Id(_) | Item::Passage(_) => return Err(A::Error::custom("ids beside texts or lists")),
            }
            if found.len() == MOST_INPUTS {
                break;
            }
        }
        if !ids.is_empty() {
            return Ok(Input(vec![Passage::Tokens(ids)], 0));
        }
        let mut more = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        Ok(Input(found, more))
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a token id or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Passage(Passage::Text(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<Item, E> {
        u32::try_from(id).map(Item::Id).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Item, A::Error> {
        let mut ids = vec![];
        while let Some(id) = list.next_element()? {
            ids.push(id);
        }
        Ok(Item::Passage(Passage::Tokens(ids)))
    }
}
