//! A model folder in ONNX Runtime GenAI's layout: what its JSON files say about graph, limits, template and sampling.
//! Promises: every file that is missing or makes no sense is named. Opens no session, checks no graph.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::LocalError;

/// What a model folder declares.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) graph: PathBuf,
    /// A form of the graph that only fills the cache, `prefill.onnx` beside it, if it is there.
    pub(super) prefill: Option<PathBuf>,
    pub(super) tokenizer: PathBuf,
    pub(super) template: String,
    pub(super) bos_token: String,
    pub(super) eos_token: String,
    pub(super) eos: Vec<u32>,
    pub(super) context: usize,
    pub(super) kv_heads: usize,
    pub(super) head_size: usize,
    pub(super) layers: usize,
    pub(super) names: Names,
    pub(super) defaults: Defaults,
}

/// The graph's own names for its inputs and outputs; `%d` stands for the layer.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) input_ids: String,
    pub(super) attention_mask: String,
    pub(super) past_key: String,
    pub(super) past_value: String,
    pub(super) logits: String,
    pub(super) present_key: String,
    pub(super) present_value: String,
}

/// How the model samples when the caller says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Defaults {
    pub(super) temperature: f32,
    pub(super) top_p: f32,
    pub(super) top_k: usize,
    pub(super) max_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct GenAi {
    model: GenAiModel,
    #[serde(default)]
    search: GenAiSearch,
}

#[derive(Deserialize)]
struct GenAiModel {
    context_length: usize,
    eos_token_id: Ids,
    decoder: GenAiDecoder,
}

#[derive(Deserialize)]
struct GenAiDecoder {
    filename: String,
    head_size: usize,
    num_key_value_heads: usize,
    num_hidden_layers: usize,
    #[serde(default)]
    inputs: GenAiNames,
    #[serde(default)]
    outputs: GenAiNames,
}

#[derive(Default, Deserialize)]
struct GenAiNames {
    input_ids: Option<String>,
    attention_mask: Option<String>,
    past_key_names: Option<String>,
    past_value_names: Option<String>,
    logits: Option<String>,
    present_key_names: Option<String>,
    present_value_names: Option<String>,
}

#[derive(Default, Deserialize)]
struct GenAiSearch {
    #[serde(default)]
    past_present_share_buffer: bool,
    do_sample: Option<bool>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
}

#[derive(Default, Deserialize)]
struct Generation {
    do_sample: Option<bool>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    max_new_tokens: Option<usize>,
}

/// One id or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    One(u32),
    Many(Vec<u32>),
}

impl Folder {
    /// Reads the folder's JSON files and template.
    pub(super) fn read(path: &Path) -> Result<Self, LocalError> {
        if !path.is_dir() {
            return Err(LocalError::model(path, "there is no such model folder"));
        }
        let file = path.join("genai_config.json");
        let genai: GenAi = read_json(&file)?;
        if !genai.search.past_present_share_buffer {
            return Err(LocalError::model(
                &file,
                "search.past_present_share_buffer is not true: only graphs whose KV cache is shared between past and present are supported",
            ));
        }
        let tokenizer_config: Value = read_json(&path.join("tokenizer_config.json"))?;
        let decoder = genai.model.decoder;
        let folder = Self {
            name: path
                .file_name()
                .map_or_else(|| "local".to_owned(), |name| name.to_string_lossy().into_owned()),
            graph: path.join(&decoder.filename),
            prefill: Some(path.join(&decoder.filename).with_file_name("prefill.onnx")).filter(|file| file.is_file()),
            tokenizer: path.join("tokenizer.json"),
            template: read_template(path, &tokenizer_config)?,
            bos_token: token_text(&tokenizer_config, "bos_token"),
            eos_token: token_text(&tokenizer_config, "eos_token"),
            eos: match genai.model.eos_token_id {
                Ids::One(id) => vec![id],
                Ids::Many(ids) => ids,
            },
            context: genai.model.context_length,
            kv_heads: decoder.num_key_value_heads,
            head_size: decoder.head_size,
            layers: decoder.num_hidden_layers,
            names: names(decoder.inputs, decoder.outputs),
            defaults: defaults(path, &genai.search)?,
        };
        if folder.context == 0 || folder.layers == 0 || folder.kv_heads == 0 || folder.head_size == 0 {
            return Err(LocalError::model(&file, "a length, layer or head count is 0"));
        }
        Ok(folder)
    }

    /// Bytes of the graph and of the weights beside it.
    pub(super) fn weights(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
        let mut data = self.graph.clone().into_os_string();
        data.push(".data");
        size(&self.graph) + size(Path::new(&data))
    }
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T, LocalError> {
    let text =
        std::fs::read(file).map_err(|error| LocalError::model(file, &format!("cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| LocalError::model(file, &error.to_string()))
}

/// `chat_template.jinja`, else the template inside `tokenizer_config.json`.
fn read_template(path: &Path, tokenizer_config: &Value) -> Result<String, LocalError> {
    let file = path.join("chat_template.jinja");
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tokenizer_config["chat_template"].as_str().map(str::to_owned).ok_or_else(|| {
                LocalError::model(&file, "there is no chat template, here or in tokenizer_config.json")
            })
        }
        Err(error) => Err(LocalError::model(&file, &format!("cannot be read: {error}"))),
    }
}

/// A special token's text: a string, or an object with `content`.
fn token_text(tokenizer_config: &Value, key: &str) -> String {
    let value = &tokenizer_config[key];
    value.as_str().or_else(|| value["content"].as_str()).unwrap_or_default().to_owned()
}

fn names(inputs: GenAiNames, outputs: GenAiNames) -> Names {
    let or = |name: Option<String>, usual: &str| name.unwrap_or_else(|| usual.to_owned());
    Names {
        input_ids: or(inputs.input_ids, "input_ids"),
        attention_mask: or(inputs.attention_mask, "attention_mask"),
        past_key: or(inputs.past_key_names, "past_key_values.%d.key"),
        past_value: or(inputs.past_value_names, "past_key_values.%d.value"),
        logits: or(outputs.logits, "logits"),
        present_key: or(outputs.present_key_names, "present.%d.key"),
        present_value: or(outputs.present_value_names, "present.%d.value"),
    }
}

/// `generation_config.json` where it is there, else GenAI's `search`. Without `do_sample` the model is greedy.
fn defaults(path: &Path, search: &GenAiSearch) -> Result<Defaults, LocalError> {
    let file = path.join("generation_config.json");
    let own: Generation = if file.exists() { read_json(&file)? } else { Generation::default() };
    let sample = own.do_sample.or(search.do_sample).unwrap_or(false);
    let greedy = Defaults { temperature: 0.0, top_p: 1.0, top_k: 0, max_tokens: own.max_new_tokens };
    if !sample {
        return Ok(greedy);
    }
    Ok(Defaults {
        temperature: own.temperature.or(search.temperature).unwrap_or(1.0),
        top_p: own.top_p.or(search.top_p).unwrap_or(1.0),
        top_k: own.top_k.or(search.top_k).unwrap_or(0),
        ..greedy
    })
}
