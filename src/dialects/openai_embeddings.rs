//! OpenAI's embeddings: requests in, answers out. Pure. Token ids in a request are the serving model's own; there is no
//! way to tell another tokenizer's ids from them.

mod input;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::doubled;
use super::openai_chat::RequestError;
use crate::chat::Passage;

/// Most inputs of one request, as OpenAI has it.
const MOST_INPUTS: usize = 2048;

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// A list of numbers.
    #[default]
    Float,
    /// Base64 of the numbers as 32-bit floats, least significant byte first.
    Base64,
}

/// One request, parsed and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddingRequest {
    /// `model` as sent.
    pub model: String,
    /// What to embed; never empty.
    pub passages: Vec<Passage>,
    /// Numbers to keep of each vector; at least 1.
    pub dimensions: Option<usize>,
    /// How to write the vectors.
    pub encoding: Encoding,
}

/// The fields that are read; every other one passes by. Absent and `null` are the same.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    dimensions: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding_format: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
}

/// Reads a request's body.
///
/// # Errors
/// What is wrong, with its field, a doubled one among them; quotes no input.
pub fn parse_request(body: &[u8]) -> Result<EmbeddingRequest, RequestError> {
    let fields = read(body)?;
    let Some(model) = fields.model else {
        let why = "you must provide a model parameter";
        return Err(wrong(Some("model"), "missing_required_parameter", why));
    };
    let model =
        text(model).ok_or_else(|| wrong(Some("model"), "invalid_type", "'model' must be a string."))?;
    let encoding = match fields.encoding_format.map(text) {
        None => Encoding::Float,
        Some(Some(name)) if name == "float" => Encoding::Float,
        Some(Some(name)) if name == "base64" => Encoding::Base64,
        Some(_) => {
            let why = "'encoding_format' must be \"float\" or \"base64\".";
            return Err(wrong(Some("encoding_format"), "invalid_value", why));
        }
    };
    let dimensions = match fields.dimensions {
        None => None,
        Some(raw) => match serde_json::from_str::<usize>(raw.get()) {
            Ok(count @ 1..) => Some(count),
            _ => {
                return Err(wrong(
                    Some("dimensions"),
                    "invalid_value",
                    "'dimensions' must be a whole number from 1.",
                ));
            }
        },
    };
    if fields.user.is_some_and(|user| text(user).is_none()) {
        return Err(wrong(Some("user"), "invalid_type", "'user' must be a string."));
    }
    let passages = match fields.input {
        None => return Err(wrong(Some("input"), "missing_required_parameter", "'input' is missing.")),
        Some(input) => input::passages(input)?,
    };
    Ok(EmbeddingRequest { model, passages, dimensions, encoding })
}

fn read(body: &[u8]) -> Result<Fields<'_>, RequestError> {
    let no_object = || wrong(None, "invalid_json", "The body must be one JSON object.");
    let text = std::str::from_utf8(body).map_err(|_| no_object())?;
    // serde would take a list for the fields in their order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(no_object());
    }
    serde_json::from_str(text).map_err(|error| match doubled(&error) {
        Some(field) => wrong(Some(&field), "invalid_value", &format!("The field '{field}' stands twice.")),
        None => no_object(),
    })
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn wrong(param: Option<&str>, code: &'static str, message: &str) -> RequestError {
    RequestError { message: message.to_owned(), param: param.map(str::to_owned), code }
}

#[derive(Serialize)]
struct Answer<'a> {
    object: &'static str,
    data: Vec<Row<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Row<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Numbers(&'a [f32]),
    Text(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// The answer's body: vectors in the order of the request's inputs.
pub fn answer(model: &str, vectors: &[Vec<f32>], encoding: Encoding, tokens: u64) -> Vec<u8> {
    let row = |(index, vector): (usize, &'_ Vec<f32>)| {
        let bytes = || vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let text = (encoding == Encoding::Base64).then(|| BASE64_STANDARD.encode(bytes()));
        (index, text)
    };
    let texts: Vec<(usize, Option<String>)> = vectors.iter().enumerate().map(row).collect();
    let rows = texts.into_iter().zip(vectors).map(|((index, text), vector)| Row {
        object: "embedding",
        index,
        embedding: text.map_or(Vector::Numbers(vector), Vector::Text),
    });
    let usage = Usage { prompt_tokens: tokens, total_tokens: tokens };
    let answer = Answer { object: "list", data: rows.collect(), model, usage };
    // Strings and finite numbers always have a JSON form.
    serde_json::to_vec(&answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parse(text: &str) -> Result<EmbeddingRequest, RequestError> {
        parse_request(text.as_bytes())
    }

    #[test]
    fn every_form_of_input_is_read() {
        let input = |text: &str| parse(&format!(r#"{{"model":"m","input":{text}}}"#)).unwrap().passages;
        let text = |text: &str| Passage::Text(text.to_owned());
        assert_eq!(input(r#""a""#), [text("a")]);
        assert_eq!(input(r#"["a","b"]"#), [text("a"), text("b")]);
        assert_eq!(input("[1,2]"), [Passage::Tokens(vec![1, 2])]);
        assert_eq!(input("[[1],[2,3]]"), [Passage::Tokens(vec![1]), Passage::Tokens(vec![2, 3])]);
        let whole = r#"{"model":"m","input":"a","dimensions":3,"encoding_format":"base64","user":"u","x":1}"#;
        let whole = parse(whole).unwrap();
        assert_eq!((whole.dimensions, whole.encoding), (Some(3), Encoding::Base64));
        assert_eq!(
            parse(r#"{"model":"m","input":"a","dimensions":null}"#).unwrap().encoding,
            Encoding::Float
        );
    }

    #[test]
    fn what_is_wrong_is_named_and_not_quoted() {
        let many = format!(r#"{{"model":"m","input":[{}"a"]}}"#, r#""a","#.repeat(MOST_INPUTS));
        // What stands beyond is counted, whatever it is, and not built.
        let lists = format!(r#"{{"model":"m","input":[{}{{}}]}}"#, "[1],".repeat(2 * MOST_INPUTS));
        for (body, code, param) in [
            ("[]", "invalid_json", None),
            (r#"{"input":"a"}"#, "missing_required_parameter", Some("model")),
            (r#"{"model":1,"input":"a"}"#, "invalid_type", Some("model")),
            (r#"{"model":"m"}"#, "missing_required_parameter", Some("input")),
            (r#"{"model":"m","input":""}"#, "empty_array", Some("input")),
            (r#"{"model":"m","input":[]}"#, "empty_array", Some("input")),
            (r#"{"model":"m","input":["a",""]}"#, "empty_array", Some("input")),
            (r#"{"model":"m","input":[[]]}"#, "empty_array", Some("input")),
            (r#"{"model":"m","input":{"canary":1}}"#, "invalid_type", Some("input")),
            (r#"{"model":"m","input":[1,"canary"]}"#, "invalid_type", Some("input")),
            (r#"{"model":"m","input":[-1]}"#, "invalid_type", Some("input")),
            (r#"{"model":"m","input":[[1.5]]}"#, "invalid_type", Some("input")),
            (r#"{"model":"m","input":"a","dimensions":0}"#, "invalid_value", Some("dimensions")),
            (r#"{"model":"m","input":"a","dimensions":"8"}"#, "invalid_value", Some("dimensions")),
            (
                r#"{"model":"m","input":"a","encoding_format":"hex"}"#,
                "invalid_value",
                Some("encoding_format"),
            ),
            (r#"{"model":"m","input":"a","user":1}"#, "invalid_type", Some("user")),
            (r#"["m","a"]"#, "invalid_json", None),
            (r#"{"model":"canary","model":"m","input":"a"}"#, "invalid_value", Some("model")),
            (r#"{"model":"m","input":"canary","input":["a"]}"#, "invalid_value", Some("input")),
            (r#"{"model":"m","input":"a","user":null,"user":"u"}"#, "invalid_value", Some("user")),
            (r#"{"model":"m","input":["canary",1]}"#, "invalid_type", Some("input")),
            (r#"{"model":"m","input":[4294967296]}"#, "invalid_type", Some("input")),
            (r#"{"model":"m","input":["canary\ud800"]}"#, "invalid_value", Some("input")),
            (many.as_str(), "invalid_value", Some("input")),
            (lists.as_str(), "invalid_value", Some("input")),
        ] {
            let error = parse(body).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (code, param), "{body:.60}");
            assert!(RequestError::CODES.iter().any(|(known, _)| *known == code));
            assert!(!error.message.contains("canary"));
        }
    }

    #[test]
    fn answers_have_openai_s_form() {
        let vectors = [vec![0.25, -1.0], vec![0.1, 3.0]];
        let floats = String::from_utf8(answer("m", &vectors, Encoding::Float, 5)).unwrap();
        let expected = concat!(
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.25,-1.0]},"#,
            r#"{"object":"embedding","index":1,"embedding":[0.1,3.0]}],"#,
            r#""model":"m","usage":{"prompt_tokens":5,"total_tokens":5}}"#
        );
        assert_eq!(floats, expected);
        let base64: Value = serde_json::from_slice(&answer("m", &vectors[..1], Encoding::Base64, 5)).unwrap();
        assert_eq!(base64["data"][0]["embedding"], "AACAPgAAgL8=");
    }
}
