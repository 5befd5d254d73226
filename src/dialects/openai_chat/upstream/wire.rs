//! The few fields of an upstream's JSON that we interpret, borrowed from its bytes. Lenient where upstreams differ:
//! a value of an unexpected type reads as absent, and unknown fields are skipped, not kept (the raw bytes travel).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::chat::Usage;

/// A streamed chunk or a whole answer.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub(super) usage: Object<WireUsage>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    moderation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    citations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    search_results: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// Whether it has what a caller asked for beside the answer's text: a moderation, or where a search found it.
    pub(super) fn tells_more(&self) -> bool {
        let beside = [self.moderation, self.citations, self.search_results].into_iter().flatten();
        beside.map(RawValue::get).any(|value| !matches!(value, "null" | "[]" | "{}"))
    }
}

/// One of the `n` answers: `delta` in a stream, `message` in a whole answer.
#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) delta: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Content<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Text<'a>,
}

/// What an answer, or a piece of it, holds.
#[derive(Deserialize)]
pub(super) struct Content<'a> {
    pub(super) role: Option<IgnoredAny>,
    #[serde(borrow, default)]
    pub(super) content: Text<'a>,
    #[serde(borrow, default)]
    pub(super) refusal: Text<'a>,
    pub(super) tool_calls: Option<Value>,
    /// The older form of one tool call.
    pub(super) function_call: Option<Value>,
    pub(super) audio: Option<IgnoredAny>,
    #[serde(default)]
    reasoning_content: Length,
    #[serde(default)]
    reasoning: Length,
}

impl Content<'_> {
    /// Bytes of the thoughts. Some upstreams send the same ones under both names: they count once.
    pub(super) fn thought(&self) -> usize {
        self.reasoning_content.0.max(self.reasoning.0)
    }

    /// Bytes of all that was generated: texts, thoughts, and calls as JSON.
    pub(super) fn generated(&self) -> usize {
        let texts = [&self.content, &self.refusal].into_iter().filter_map(Text::filled).map(str::len);
        let is_call = |value: &&Value| match value {
            Value::Array(calls) => !calls.is_empty(),
            value => value.is_object(),
        };
        let calls = [&self.tool_calls, &self.function_call].into_iter().flatten().filter(is_call);
        let calls = calls.map(|value| value.to_string().len());
        self.thought() + texts.sum::<usize>() + calls.sum::<usize>()
    }
}

/// The length of a string in bytes; 0 for anything else, and for a string that is no Unicode.
#[derive(Default)]
struct Length(usize);

/// A string; `opaque` when something else that is not null stood there.
#[derive(Default)]
pub(super) struct Text<'a> {
    pub(super) value: Option<Cow<'a, str>>,
    pub(super) opaque: bool,
}

impl Text<'_> {
    const OPAQUE: Self = Self { value: None, opaque: true };

    /// The string, unless absent or empty.
    pub(super) fn filled(&self) -> Option<&str> {
        self.value.as_deref().filter(|text| !text.is_empty())
    }
}

/// An object; anything else reads as none.
pub(super) struct Object<T>(pub(super) Option<T>);

/// A number of tokens, or an index: whole and not negative, else 0.
#[derive(Clone, Copy, Default)]
pub(super) struct Count(pub(super) u64);

/// `usage`, with OpenAI's subset meaning.
#[derive(Deserialize)]
pub(super) struct WireUsage {
    prompt_tokens: Option<Count>,
    completion_tokens: Option<Count>,
    #[serde(default)]
    total_tokens: Count,
    #[serde(default)]
    prompt_tokens_details: Object<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Object<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Count,
}

#[derive(Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Count,
}

impl WireUsage {
    /// Whether the object names prompt or completion.
    pub(super) fn is_report(&self) -> bool {
        self.prompt_tokens.is_some() || self.completion_tokens.is_some()
    }

    /// The counts; `None` when it is no report, or one beyond belief. Parts never exceed their whole.
    pub(super) fn read(&self) -> Option<Usage> {
        if !self.is_report() {
            return None;
        }
        let prompt = self.prompt_tokens.unwrap_or_default().0;
        let completion = self.completion_tokens.unwrap_or_default().0;
        let cached = self.prompt_tokens_details.0.as_ref().map_or(0, |details| details.cached_tokens.0);
        let reasoning =
            self.completion_tokens_details.0.as_ref().map_or(0, |details| details.reasoning_tokens.0);
        let usage = Usage { prompt, cached_prompt: cached, completion, reasoning, estimated: false };
        usage.with_total(self.total_tokens.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text { value: Some(Cow::Borrowed(text)), opaque: false })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text { value: Some(Cow::Owned(text.to_owned())), opaque: false })
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text::OPAQUE)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text::OPAQUE)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text::OPAQUE)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text::OPAQUE)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut opaque = false;
        while items.next_element::<IgnoredAny>()?.is_some() {
            opaque = true;
        }
        Ok(Text { value: None, opaque })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::OPAQUE)
    }
}

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let object = raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok());
        Ok(Self(object.flatten()))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let text = serde_json::from_str::<Text<'_>>(raw.get()).unwrap_or_default();
        Ok(Self(text.filled().map_or(0, str::len)))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
        Ok(Count(count))
    }

    fn visit_i64<E>(self, count: i64) -> Result<Self::Value, E> {
        Ok(Count(u64::try_from(count).unwrap_or(0)))
    }

    fn visit_f64<E>(self, count: f64) -> Result<Self::Value, E> {
        // The cast saturates, and takes NaN and what is below zero to 0.
        Ok(Count(count as u64))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Count(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Count(0))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Count(0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count(0))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Count(0))
    }
}
