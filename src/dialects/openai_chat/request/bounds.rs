//! One field of a request: its type and bounds, checked with the field's name in every complaint.
//! Promises: what is kept as JSON values is counted in its text first; an object is never read out of a list.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{RequestError, missing, span_in};

/// Most stop sequences, as OpenAI allows.
const MAX_STOPS: usize = 4;
/// Longest stop sequence, in bytes; ours, so that text is never held back for long.
const MAX_STOP_BYTES: usize = 1024;
/// Most entries of `logit_bias`, as OpenAI allows.
const MAX_BIASES: usize = 1024;
/// Most JSON values of one field; ours. A value takes a hundred bytes of memory and more, and two of text.
const MAX_VALUES: usize = 100_000;

/// The raw text of a field's value; absent and `null` are unset.
#[derive(Clone, Copy, Default)]
pub(super) struct Field<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a RawValue>::deserialize(deserializer).map(|raw| Self(Some(raw)))
    }
}

impl<'a> Field<'a> {
    pub(super) fn set(self) -> Option<&'a RawValue> {
        self.0.filter(|raw| raw.get() != "null")
    }

    pub(super) fn is_set(self) -> bool {
        self.set().is_some()
    }

    pub(super) fn required(self, name: &str) -> Result<&'a RawValue, RequestError> {
        self.set().ok_or_else(|| missing(name))
    }

    /// Where the value stands in the body, `null` included.
    pub(super) fn span(self, text: &str) -> Option<Range<usize>> {
        span_in(text, self.0?)
    }

    pub(super) fn read<T: Deserialize<'a>>(
        self,
        name: &str,
        wanted: &str,
    ) -> Result<Option<T>, RequestError> {
        let Some(raw) = self.set() else { return Ok(None) };
        check_values(values(raw), name)?;
        serde_json::from_str(raw.get()).map(Some).map_err(|_| wrong_kind(name, wanted))
    }

    /// As [`Self::read`], an object.
    pub(super) fn object<T: Deserialize<'a>>(
        self,
        name: &str,
        wanted: &str,
    ) -> Result<Option<T>, RequestError> {
        let Some(raw) = self.set() else { return Ok(None) };
        check_values(values(raw), name)?;
        object(raw).map(Some).map_err(|_| wrong_kind(name, wanted))
    }

    pub(super) fn text(self, name: &str) -> Result<Option<String>, RequestError> {
        self.read(name, "a string")
    }

    /// A text of at most `most` bytes.
    pub(super) fn short_text(self, name: &str, most: usize) -> Result<Option<String>, RequestError> {
        let text = self.text(name)?;
        if text.as_ref().is_some_and(|text| text.len() > most) {
            return Err(RequestError::value(name, format!("Invalid '{name}': at most {most} bytes.")));
        }
        Ok(text)
    }

    pub(super) fn flag(self, name: &str) -> Result<Option<bool>, RequestError> {
        self.read(name, "a boolean")
    }

    pub(super) fn strings(self, name: &str) -> Result<Vec<String>, RequestError> {
        Ok(self.read(name, "a list of strings")?.unwrap_or_default())
    }

    /// A whole number within `bounds`; `3.0` counts as 3.
    pub(super) fn integer(
        self,
        name: &str,
        bounds: RangeInclusive<i64>,
    ) -> Result<Option<i64>, RequestError> {
        let Some(value) = self.read::<serde_json::Number>(name, "an integer")? else { return Ok(None) };
        let whole = value.as_i64().or_else(|| {
            let float = value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
            Some(float as i64)
        });
        match whole {
            Some(whole) if bounds.contains(&whole) => Ok(Some(whole)),
            None if value.as_f64().is_some_and(|float| float.fract() != 0.0) => {
                Err(RequestError::kind(name, format!("Invalid type for '{name}': expected an integer.")))
            }
            Some(_) | None => Err(RequestError::value(
                name,
                format!("Invalid '{name}': expected an integer from {} to {}.", bounds.start(), bounds.end()),
            )),
        }
    }

    /// A number within `bounds`.
    pub(super) fn number(self, name: &str, bounds: RangeInclusive<f32>) -> Result<Option<f32>, RequestError> {
        match self.read::<f32>(name, "a number")? {
            Some(value) if !bounds.contains(&value) => Err(RequestError::value(
                name,
                format!("Invalid '{name}': expected a number from {} to {}.", bounds.start(), bounds.end()),
            )),
            value => Ok(value),
        }
    }

    pub(super) fn stop_sequences(self) -> Result<Vec<String>, RequestError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Stop {
            One(String),
            Many(Vec<String>),
        }
        let stops = match self.read("stop", "a string or a list of strings")? {
            None => return Ok(vec![]),
            Some(Stop::One(stop)) => vec![stop],
            Some(Stop::Many(stops)) => stops,
        };
        if stops.len() > MAX_STOPS {
            return Err(RequestError::value(
                "stop",
                format!("Invalid 'stop': at most {MAX_STOPS} sequences."),
            ));
        }
        if stops.iter().any(|stop| stop.is_empty() || stop.len() > MAX_STOP_BYTES) {
            let message = format!("Invalid 'stop': a sequence has from 1 to {MAX_STOP_BYTES} bytes.");
            return Err(RequestError::value("stop", message));
        }
        Ok(stops)
    }

    /// What is added to the logits of single tokens, by rising token id.
    pub(super) fn biases(self) -> Result<Vec<(u32, f32)>, RequestError> {
        let refused = |message: &str| {
            Err(RequestError::value("logit_bias", format!("Invalid 'logit_bias': {message}.")))
        };
        let sent: BTreeMap<String, f32> =
            self.read("logit_bias", "an object of numbers")?.unwrap_or_default();
        if sent.len() > MAX_BIASES {
            return refused(&format!("at most {MAX_BIASES} entries"));
        }
        if sent.values().any(|bias| !(-100.0..=100.0).contains(bias)) {
            return refused("values lie from -100 to 100");
        }
        let read: Option<BTreeMap<u32, f32>> =
            sent.into_iter().map(|(token, bias)| Some((token.parse().ok()?, bias))).collect();
        match read {
            Some(biases) => Ok(biases.into_iter().filter(|(_, bias)| *bias != 0.0).collect()),
            None => refused("keys are token ids: whole numbers from 0"),
        }
    }

    /// A list of at most `most` items.
    pub(super) fn items(self, name: &str, most: usize) -> Result<Vec<Value>, RequestError> {
        let items: Vec<Value> = self.read(name, "a list")?.unwrap_or_default();
        if items.len() > most {
            return Err(RequestError::value(name, format!("Invalid '{name}': at most {most} items.")));
        }
        Ok(items)
    }
}

/// What an object says: serde would take a list for the fields in their order.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> serde_json::Result<T> {
    if raw.get().starts_with('{') {
        serde_json::from_str(raw.get())
    } else {
        Err(serde::de::Error::custom("no object"))
    }
}

/// How many values a text of JSON holds, at most: each but the first stands behind a comma or an opening bracket.
pub(super) fn values(raw: &RawValue) -> usize {
    let (mut count, mut quoted, mut escaped) = (1, false, false);
    for byte in raw.get().bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

/// Refuses more than [`MAX_VALUES`].
pub(super) fn check_values(values: usize, name: &str) -> Result<(), RequestError> {
    if values > MAX_VALUES {
        return Err(RequestError::value(
            name,
            format!("Invalid '{name}': at most {MAX_VALUES} JSON values."),
        ));
    }
    Ok(())
}

pub(super) fn wrong_kind(name: &str, wanted: &str) -> RequestError {
    RequestError::kind(name, format!("Invalid type for '{name}': expected {wanted}."))
}
