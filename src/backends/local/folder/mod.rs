//! A model folder: ONNX Runtime GenAI's layout or Hugging Face's, told apart by their files, and what it declares about
//! graph, limits, template and sampling. Promises: every file that is missing or makes no sense is named.
//! Opens no session; [`super::layout`] compares the graph with what stands here.

mod genai;
mod hub;
mod limits;
mod operators;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::operators::Operators;
use super::LocalError;
use crate::config::model_root;

/// What a model folder declares.
#[derive(Debug)]
pub(super) struct Folder {
    /// The folder itself, where a graph inside it was named too.
    pub(super) root: PathBuf,
    pub(super) name: String,
    pub(super) graph: PathBuf,
    /// A form of the graph that only fills the cache, `prefill.onnx` beside it, if it is there.
    pub(super) prefill: Option<PathBuf>,
    /// A form of the graph that runs several tokens with logits for each, `verify.onnx` beside it, if it is there and the
    /// cache is one that it can work on.
    pub(super) verify: Option<PathBuf>,
    pub(super) tokenizer: PathBuf,
    pub(super) template: String,
    /// Another template, for conversations that offer tools, where the folder has one.
    pub(super) tool_template: Option<String>,
    pub(super) bos_token: String,
    pub(super) eos_token: String,
    pub(super) eos: Vec<u32>,
    /// Tokens that prompt and answer may have together: what the model declares, or less where the graph is wrong past it.
    pub(super) context: usize,
    /// Why [`Self::context`] is less than what the model declares.
    pub(super) shortened: Option<String>,
    /// Heads of the cache, where a configuration tells.
    pub(super) kv_heads: Option<usize>,
    /// Numbers of each head, where a configuration tells.
    pub(super) head_size: Option<usize>,
    /// Layers, where a configuration tells.
    pub(super) layers: Option<usize>,
    pub(super) names: Names,
    pub(super) defaults: Defaults,
    pub(super) attention: Attention,
    weights: u64,
}

/// The graph's own names for its inputs and outputs; `%d` stands for the layer.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) input_ids: String,
    pub(super) attention_mask: String,
    pub(super) position_ids: String,
    pub(super) past_key: String,
    pub(super) past_value: String,
    pub(super) logits: String,
    pub(super) present_key: String,
    pub(super) present_value: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            input_ids: "input_ids".to_owned(),
            attention_mask: "attention_mask".to_owned(),
            position_ids: "position_ids".to_owned(),
            past_key: "past_key_values.%d.key".to_owned(),
            past_value: "past_key_values.%d.value".to_owned(),
            logits: "logits".to_owned(),
            present_key: "present.%d.key".to_owned(),
            present_value: "present.%d.value".to_owned(),
        }
    }
}

/// How the model samples when the caller says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Defaults {
    pub(super) temperature: f32,
    pub(super) top_p: f32,
    pub(super) top_k: usize,
    pub(super) min_p: f32,
    pub(super) repetition_penalty: f32,
    pub(super) max_tokens: Option<usize>,
}

impl Defaults {
    /// The temperature of so many answers: greedily, several would be one answer several times.
    pub(super) fn temperature_of(&self, answers: u32) -> f32 {
        if answers > 1 && self.temperature <= 0.0 { 1.0 } else { self.temperature }
    }
}

/// What the graph's operators mean for its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attention {
    /// Attention is one operator that can read and write the same buffer; else the cache grows by copying.
    pub(super) shares: bool,
    /// A row's numbers depend on what else is in the run: activations are quantised with one scale for all rows.
    pub(super) mixes: bool,
}

/// `generation_config.json`.
#[derive(Default, Deserialize)]
struct Generation {
    eos_token_id: Option<Ids>,
    do_sample: Option<bool>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    max_new_tokens: Option<usize>,
}

impl Generation {
    /// The same, unless it holds what no sampler takes.
    fn checked(self, file: &Path) -> Result<Self, LocalError> {
        if self.repetition_penalty.is_some_and(|penalty| !penalty.is_finite() || penalty <= 0.0) {
            return Err(LocalError::model(file, "`repetition_penalty` is no number above 0"));
        }
        if self.min_p.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(LocalError::model(file, "`min_p` is no number from 0 to 1"));
        }
        Ok(self)
    }
}

/// One id or a list of them.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Ids {
    One(u32),
    Many(Vec<u32>),
}

impl From<Ids> for Vec<u32> {
    fn from(ids: Ids) -> Self {
        match ids {
            Ids::One(id) => vec![id],
            Ids::Many(ids) => ids,
        }
    }
}

/// What one of the two layouts says.
struct Declared {
    graph: PathBuf,
    eos: Vec<u32>,
    context: usize,
    kv_heads: Option<usize>,
    head_size: Option<usize>,
    layers: Option<usize>,
    names: Names,
    /// Sampling for what `generation_config.json` does not say.
    sampling: Generation,
    /// The window of attention, where the model has one.
    window: Option<usize>,
    /// Where another rotary form begins.
    turn: Option<usize>,
}

impl Folder {
    /// Reads the folder's JSON files, its template, and the graph's operators. `path` is the folder, or a graph in it
    /// (or in its `onnx/`) to take instead of the first choice.
    pub(super) fn read(path: &Path) -> Result<Self, LocalError> {
        let missing = || LocalError::model(path, "there is no such model folder");
        let (root, graph) = model_root(path).ok_or_else(missing)?;
        let chosen = graph.map(|_| path);
        let file = root.join("generation_config.json");
        let generation = read_json_or_default::<Generation>(&file)?.checked(&file)?;
        let declared = if root.join(genai::FILE).exists() {
            genai::read(root, chosen)?
        } else if root.join(hub::FILE).exists() {
            hub::read(root, chosen, &generation)?
        } else {
            let why = "there is neither genai_config.json (ONNX Runtime GenAI's layout) nor config.json (Hugging Face's)";
            return Err(LocalError::model(root, why));
        };
        let graph = declared.graph.as_path();
        let found = operators::read(graph).map_err(|error| unreadable(graph, &error))?;
        let weights = weights(graph, &found)?;
        let tokenizer_config: Value = read_json(&root.join("tokenizer_config.json"))?;
        let (context, shortened) = limits::context(&declared, &found);
        let form = |name: &str| Some(declared.graph.with_file_name(name)).filter(|file| file.is_file());
        let attention = attention(&found);
        Ok(Self {
            name: root
                .file_name()
                .map_or_else(|| "local".to_owned(), |name| name.to_string_lossy().into_owned()),
            tokenizer: root.join("tokenizer.json"),
            template: read_template(root, &tokenizer_config)?,
            tool_template: read_tool_template(root, &tokenizer_config)?,
            bos_token: token_text(&tokenizer_config, "bos_token"),
            eos_token: token_text(&tokenizer_config, "eos_token"),
            defaults: defaults(&generation, &declared.sampling),
            attention,
            context,
            shortened,
            weights,
            root: root.to_owned(),
            prefill: form("prefill.onnx"),
            verify: form("verify.onnx").filter(|_| attention.shares && !attention.mixes),
            graph: declared.graph,
            eos: declared.eos,
            kv_heads: declared.kv_heads,
            head_size: declared.head_size,
            layers: declared.layers,
            names: declared.names,
        })
    }

    /// The chat templates.
    pub(super) fn templates(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.template).chain(&self.tool_template).map(String::as_str)
    }

    /// Bytes of the graph and of the weights beside it.
    pub(super) fn weights(&self) -> u64 {
        self.weights
    }
}

fn attention(found: &Operators) -> Attention {
    Attention { shares: found.kinds.contains("GroupQueryAttention"), mixes: found.mixes() }
}

/// Whether what a graph says of one row depends on what else is in the run ([`Attention::mixes`]); false for a file that cannot
/// be read.
pub(super) fn mixes(graph: &Path) -> bool {
    operators::read(graph).is_ok_and(|found| found.mixes())
}

/// Bytes of the graph and its weights; every weight file must be there.
fn weights(graph: &Path, found: &Operators) -> Result<u64, LocalError> {
    let mut bytes = std::fs::metadata(graph).map_or(0, |data| data.len());
    for name in &found.external {
        let file = graph.with_file_name(name);
        let of = graph.file_name().unwrap_or_default().to_string_lossy();
        let data = std::fs::metadata(&file).map_err(|error| {
            let why = format!("the weights that `{of}` keeps in this file cannot be read: {error}");
            LocalError::model(&file, &why)
        })?;
        bytes += data.len();
    }
    Ok(bytes)
}

fn unreadable(file: &Path, error: &std::io::Error) -> LocalError {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::UnexpectedEof => "is no ONNX graph, or is cut off".to_owned(),
        _ => error.to_string(),
    };
    LocalError::model(file, &why)
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T, LocalError> {
    let text =
        std::fs::read(file).map_err(|error| LocalError::model(file, &format!("cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| LocalError::model(file, &error.to_string()))
}

fn read_json_or_default<T: DeserializeOwned + Default>(file: &Path) -> Result<T, LocalError> {
    if file.exists() { read_json(file) } else { Ok(T::default()) }
}

/// `chat_template.jinja`, else the template inside `tokenizer_config.json`.
fn read_template(path: &Path, tokenizer_config: &Value) -> Result<String, LocalError> {
    let file = path.join("chat_template.jinja");
    let own = read_text(&file)?;
    own.or_else(|| tokenizer_config["chat_template"].as_str().map(str::to_owned))
        .or_else(|| named_template(tokenizer_config, "default"))
        .ok_or_else(|| {
            LocalError::model(&file, "there is no chat template, here or in tokenizer_config.json")
        })
}

/// `additional_chat_templates/tool_use.jinja`, else the template of that name inside `tokenizer_config.json`.
fn read_tool_template(path: &Path, tokenizer_config: &Value) -> Result<Option<String>, LocalError> {
    let own = read_text(&path.join("additional_chat_templates/tool_use.jinja"))?;
    Ok(own.or_else(|| named_template(tokenizer_config, "tool_use")))
}

/// What a file says, if it is there.
fn read_text(file: &Path) -> Result<Option<String>, LocalError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalError::model(file, &format!("cannot be read: {error}"))),
    }
}

/// One of several templates of `tokenizer_config.json`, by name.
fn named_template(tokenizer_config: &Value, name: &str) -> Option<String> {
    let templates = tokenizer_config["chat_template"].as_array()?;
    let named = templates.iter().find(|template| template["name"] == name)?;
    named["template"].as_str().map(str::to_owned)
}

/// A special token's text: a string, or an object with `content`.
fn token_text(tokenizer_config: &Value, key: &str) -> String {
    let value = &tokenizer_config[key];
    value.as_str().or_else(|| value["content"].as_str()).unwrap_or_default().to_owned()
}

/// What `generation_config.json` says, else the layout's own configuration. Without `do_sample` the model is greedy.
fn defaults(own: &Generation, other: &Generation) -> Defaults {
    let sample = own.do_sample.or(other.do_sample).unwrap_or(false);
    let greedy = Defaults {
        temperature: 0.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: own.repetition_penalty.or(other.repetition_penalty).unwrap_or(1.0),
        max_tokens: own.max_new_tokens,
    };
    if !sample {
        return greedy;
    }
    Defaults {
        temperature: own.temperature.or(other.temperature).unwrap_or(1.0),
        top_p: own.top_p.or(other.top_p).unwrap_or(1.0),
        top_k: own.top_k.or(other.top_k).unwrap_or(0),
        min_p: own.min_p.or(other.min_p).unwrap_or(0.0),
        ..greedy
    }
}

#[cfg(test)]
mod tests;
