//! Reads a chat completion request: strictly where we interpret a field, not at all where we do not.
//! The body itself is kept untouched beside what was read, with the places that a relay rewrites.

mod bounds;
mod format;
mod messages;
mod tools;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{ChatRequest, Controls, Dialect, Needs, Original, ResponseFormat, Sampling, ToolChoice};
use crate::dialects::doubled;
use bounds::Field;

/// Longest `prompt_cache_key`, `user` or `safety_identifier`, in bytes; ours.
const LONGEST_SALT: usize = 1024;

/// Why a body is no chat request, in OpenAI's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// What is wrong and what would be right; quotes nothing of the prompt.
    pub message: String,
    /// The field at fault, as a path (`messages[1].role`).
    pub param: Option<String>,
    /// OpenAI's code for it.
    pub code: &'static str,
}

impl RequestError {
    /// Every code, with what it means; for the docs.
    pub const CODES: [(&str, &str); 6] = [
        ("invalid_json", "The body is no JSON object."),
        ("invalid_type", "A field has the wrong type."),
        ("invalid_value", "A field's value is out of its range or unknown."),
        ("missing_required_parameter", "A field that must be there is not."),
        ("empty_array", "A list that must hold something is empty."),
        ("unsupported_parameter", "A field that would choose an upstream or a key: the configuration does."),
    ];

    fn new(param: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        debug_assert!(Self::CODES.iter().any(|(known, _)| *known == code), "{code} is not in CODES");
        Self { message: message.into(), param: Some(param.into()), code }
    }

    fn value(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(param, "invalid_value", message)
    }

    fn kind(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(param, "invalid_type", message)
    }

    fn json(message: impl Into<String>) -> Self {
        Self { message: message.into(), param: None, code: "invalid_json" }
    }
}

/// The fields that somebody here reads; every other one passes by. Absent and `null` are the same.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Field<'a>,
    #[serde(borrow)]
    messages: Field<'a>,
    #[serde(borrow)]
    max_tokens: Field<'a>,
    #[serde(borrow)]
    max_completion_tokens: Field<'a>,
    #[serde(borrow)]
    temperature: Field<'a>,
    #[serde(borrow)]
    top_p: Field<'a>,
    #[serde(borrow)]
    top_k: Field<'a>,
    #[serde(borrow)]
    min_p: Field<'a>,
    #[serde(borrow)]
    repetition_penalty: Field<'a>,
    #[serde(borrow)]
    seed: Field<'a>,
    #[serde(borrow)]
    n: Field<'a>,
    #[serde(borrow)]
    best_of: Field<'a>,
    #[serde(borrow)]
    stop: Field<'a>,
    #[serde(borrow)]
    stream: Field<'a>,
    #[serde(borrow)]
    stream_options: Field<'a>,
    #[serde(borrow)]
    tools: Field<'a>,
    #[serde(borrow)]
    tool_choice: Field<'a>,
    #[serde(borrow)]
    parallel_tool_calls: Field<'a>,
    #[serde(borrow)]
    functions: Field<'a>,
    #[serde(borrow)]
    function_call: Field<'a>,
    #[serde(borrow)]
    chat_template_kwargs: Field<'a>,
    #[serde(borrow)]
    response_format: Field<'a>,
    #[serde(borrow)]
    logprobs: Field<'a>,
    #[serde(borrow)]
    top_logprobs: Field<'a>,
    #[serde(borrow)]
    logit_bias: Field<'a>,
    #[serde(borrow)]
    presence_penalty: Field<'a>,
    #[serde(borrow)]
    frequency_penalty: Field<'a>,
    #[serde(borrow)]
    modalities: Field<'a>,
    #[serde(borrow)]
    audio: Field<'a>,
    #[serde(borrow)]
    web_search_options: Field<'a>,
    #[serde(borrow)]
    moderation: Field<'a>,
    #[serde(borrow)]
    user: Field<'a>,
    #[serde(borrow)]
    prompt_cache_key: Field<'a>,
    #[serde(borrow)]
    safety_identifier: Field<'a>,
    // Fields that some gateways let a caller steer the upstream with. Here nobody but the configuration may.
    #[serde(borrow)]
    api_base: Field<'a>,
    #[serde(borrow)]
    api_key: Field<'a>,
    #[serde(borrow)]
    base_url: Field<'a>,
    #[serde(borrow)]
    custom_host: Field<'a>,
    #[serde(borrow)]
    user_role: Field<'a>,
}

/// Reads `body`.
///
/// # Errors
/// What is wrong first, with its field: no JSON object in UTF-8, a missing or doubled field, a wrong type, a number
/// out of bounds, a conversation that makes no sense.
pub fn parse_request(body: Bytes) -> Result<ChatRequest, RequestError> {
    let text = std::str::from_utf8(&body).map_err(|error| {
        RequestError::json(format!("The body is not UTF-8: byte {}.", error.valid_up_to()))
    })?;
    // serde would take a list for the fields in their order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(RequestError::json("The body must be a JSON object."));
    }
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| explain(&error))?;
    refuse_steering(&fields)?;
    let model = fields.model.text("model")?.ok_or_else(|| missing("model"))?;
    let read = messages::read(fields.messages.required("messages")?)?;
    let sampling = sampling(&fields)?;
    let tools = tools::read(&fields)?;
    let template_settings = tools::template_settings(fields.chat_template_kwargs)?;
    let response_format = format::read(fields.response_format)?;
    let needs = Needs {
        vision: read.vision,
        audio: read.audio || asks_for_audio(&fields)?,
        tools: !tools.offered.is_empty() && tools.choice != ToolChoice::Never,
        logprobs: sampling.logprobs.is_some(),
        structured: response_format != ResponseFormat::Text,
        other_sampling: !sampling.logit_bias.is_empty()
            || sampling.presence_penalty != 0.0
            || sampling.frequency_penalty != 0.0,
        hosted: fields.web_search_options.is_set() || fields.moderation.is_set(),
    };
    let stream = fields.stream.flag("stream")?.unwrap_or(false);
    let include_usage = stream_options(&fields, stream)?;
    let cache_salt = cache_salt(&fields)?;
    let model_span = fields.model.span(text).ok_or_else(|| missing("model"))?;
    let stream_options = fields.stream_options.span(text);
    let original = Original { dialect: Dialect::OpenAiChat, body, model: model_span, stream_options };
    let controls = Controls::default();
    Ok(ChatRequest {
        model,
        messages: read.messages,
        sampling,
        tools,
        template_settings,
        response_format,
        cache_salt,
        needs,
        stream,
        include_usage,
        original,
        controls,
    })
}

fn missing(field: &str) -> RequestError {
    RequestError::new(field, "missing_required_parameter", format!("Missing required parameter: '{field}'."))
}

/// serde's message with the place, without quoting the body.
fn explain(error: &serde_json::Error) -> RequestError {
    let place = format!("line {}, column {}", error.line(), error.column());
    match doubled(error) {
        Some(field) => RequestError::value(&field, format!("The field '{field}' stands twice ({place}).")),
        None => RequestError::json(format!("The body is not valid JSON: it breaks at {place}.")),
    }
}

fn refuse_steering(fields: &Fields<'_>) -> Result<(), RequestError> {
    let steering = [
        ("api_base", &fields.api_base),
        ("api_key", &fields.api_key),
        ("base_url", &fields.base_url),
        ("custom_host", &fields.custom_host),
        ("user_role", &fields.user_role),
    ];
    match steering.iter().find(|(_, field)| field.is_set()) {
        Some((name, _)) => Err(RequestError::new(
            *name,
            "unsupported_parameter",
            format!(
                "'{name}' is not accepted in a request: upstreams and rights are set in the gateway's configuration."
            ),
        )),
        None => Ok(()),
    }
}

fn sampling(fields: &Fields<'_>) -> Result<Sampling, RequestError> {
    let most = 1_000_000;
    let max_completion = fields.max_completion_tokens.integer("max_completion_tokens", 1..=most)?;
    let max_tokens = fields.max_tokens.integer("max_tokens", 1..=most)?;
    fields.best_of.integer("best_of", 1..=128)?;
    Ok(Sampling {
        temperature: fields.temperature.number("temperature", 0.0..=2.0)?,
        top_p: fields.top_p.number("top_p", 0.0..=1.0)?,
        // vLLM and SGLang write -1 for all tokens, as 0 is here.
        top_k: fields.top_k.integer("top_k", -1..=i64::from(i32::MAX))?.map(|k| k.max(0) as u32),
        seed: fields.seed.integer("seed", i64::MIN..=i64::MAX)?,
        max_tokens: max_completion.or(max_tokens).map(|tokens| tokens as u32),
        min_p: fields.min_p.number("min_p", 0.0..=1.0)?,
        // Logits are divided by it: much less would make them infinite.
        repetition_penalty: fields.repetition_penalty.number("repetition_penalty", 0.01..=100.0)?,
        frequency_penalty: fields.frequency_penalty.number("frequency_penalty", -2.0..=2.0)?.unwrap_or(0.0),
        presence_penalty: fields.presence_penalty.number("presence_penalty", -2.0..=2.0)?.unwrap_or(0.0),
        logit_bias: fields.logit_bias.biases()?,
        logprobs: logprobs(fields)?,
        stop: fields.stop.stop_sequences()?,
        n: fields.n.integer("n", 1..=128)?.map_or(1, |n| n as u32),
    })
}

/// How many alternatives to tell of each token, where log probabilities are asked for.
fn logprobs(fields: &Fields<'_>) -> Result<Option<u32>, RequestError> {
    let top = fields.top_logprobs.integer("top_logprobs", 0..=20)?.unwrap_or(0) as u32;
    if fields.logprobs.flag("logprobs")?.unwrap_or(false) {
        return Ok(Some(top));
    }
    if top > 0 {
        let message = "'top_logprobs' is only allowed when 'logprobs' is true.";
        return Err(RequestError::value("top_logprobs", message));
    }
    Ok(None)
}

/// Who shares cached prefixes within an API key: whoever names the same `prompt_cache_key`, the same `user` and the same
/// `safety_identifier`, which is OpenAI's newer name for a user.
fn cache_salt(fields: &Fields<'_>) -> Result<Option<Arc<str>>, RequestError> {
    let key = fields.prompt_cache_key.short_text("prompt_cache_key", LONGEST_SALT)?;
    let user = fields.user.short_text("user", LONGEST_SALT)?;
    let person = fields.safety_identifier.short_text("safety_identifier", LONGEST_SALT)?;
    if key.is_none() && user.is_none() && person.is_none() {
        return Ok(None);
    }
    let [key, user, person] = [key, user, person].map(Option::unwrap_or_default);
    // Lengths first, so that no names can be taken for others.
    Ok(Some(format!("{}:{key}{}:{user}{person}", key.len(), user.len()).into()))
}

fn asks_for_audio(fields: &Fields<'_>) -> Result<bool, RequestError> {
    let speaks = fields.modalities.strings("modalities")?.iter().any(|name| name == "audio");
    Ok(speaks || fields.audio.is_set())
}

/// Whether the caller asked for the usage chunk.
fn stream_options(fields: &Fields<'_>, stream: bool) -> Result<bool, RequestError> {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    let Some(raw) = fields.stream_options.set() else { return Ok(false) };
    if !stream {
        let message = "'stream_options' is only allowed when 'stream' is true.";
        return Err(RequestError::value("stream_options", message));
    }
    let options: Options = bounds::object(raw).map_err(|_| {
        RequestError::kind(
            "stream_options",
            "'stream_options' must be an object with a boolean 'include_usage'.",
        )
    })?;
    Ok(options.include_usage.unwrap_or(false))
}

/// Where `raw` stands in `text`, of which it is a part.
fn span_in(text: &str, raw: &RawValue) -> Option<Range<usize>> {
    let start = (raw.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let end = start.checked_add(raw.get().len())?;
    (end <= text.len()).then_some(start..end)
}

#[cfg(test)]
mod tests;
