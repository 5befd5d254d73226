//! Hugging Face's layout: `config.json`, and graphs beside it or in `onnx/`, one for each precision.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Declared, Generation, Ids, Names, read_json};
use crate::backends::local::LocalError;
use crate::config::GRAPH_FOLDER;

/// What tells this layout.
pub(super) const FILE: &str = "config.json";
/// Graphs in the order of choice: few bytes for each token first, 16-bit floats last, since a CPU is slow with them.
const ORDER: [&str; 9] = [
    "model_q4.onnx",
    "model_int8.onnx",
    "model_quantized.onnx",
    "model_uint8.onnx",
    "model_bnb4.onnx",
    "model.onnx",
    "decoder_model_merged.onnx",
    "model_q4f16.onnx",
    "model_fp16.onnx",
];
/// Other forms of a graph, which are none by themselves.
const FORMS: [&str; 2] = ["prefill.onnx", "verify.onnx"];

/// The fields of `config.json` that matter here.
#[derive(Default, Deserialize)]
pub(super) struct Config {
    max_position_embeddings: Option<usize>,
    eos_token_id: Option<Ids>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    hidden_size: Option<usize>,
    head_dim: Option<usize>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
    rope_scaling: Option<Rope>,
    rope_parameters: Option<Rope>,
    original_max_position_embeddings: Option<usize>,
    /// The language part of a model that has others.
    text_config: Option<Box<Config>>,
}

#[derive(Deserialize)]
struct Rope {
    rope_type: Option<String>,
    /// The older name of `rope_type`; many files have both.
    #[serde(rename = "type")]
    kind: Option<String>,
    original_max_position_embeddings: Option<usize>,
}

impl Config {
    /// The language model's own part.
    fn text(&self) -> &Self {
        self.text_config.as_deref().unwrap_or(self)
    }

    /// The window of attention, where some layer has one.
    pub(super) fn window(&self) -> Option<usize> {
        let text = self.text();
        text.sliding_window.filter(|_| text.use_sliding_window != Some(false))
    }

    /// The length past which the longer set of rotary factors holds, in models that have two.
    pub(super) fn turn(&self) -> Option<usize> {
        let text = self.text();
        let rope = text.rope_scaling.as_ref().or(text.rope_parameters.as_ref())?;
        let kind = rope.rope_type.as_deref().or(rope.kind.as_deref());
        let two = matches!(kind, Some("longrope" | "su"));
        rope.original_max_position_embeddings.or(text.original_max_position_embeddings).filter(|_| two)
    }
}

/// Reads the folder; the end tokens of `generation_config.json` go before those of `config.json`.
pub(super) fn read(
    root: &Path,
    chosen: Option<&Path>,
    generation: &Generation,
) -> Result<Declared, LocalError> {
    let file = root.join(FILE);
    let config: Config = read_json(&file)?;
    let text = config.text();
    let missing = |field: &str| LocalError::model(&file, &format!("`{field}` is missing or 0"));
    let context = text.max_position_embeddings.filter(|length| *length > 0);
    let eos =
        generation.eos_token_id.as_ref().or(text.eos_token_id.as_ref()).or(config.eos_token_id.as_ref());
    let of_width = text.hidden_size.zip(text.num_attention_heads.filter(|heads| *heads > 0));
    Ok(Declared {
        graph: chosen.map_or_else(|| choose(root), |graph| Ok(graph.to_owned()))?,
        eos: eos.cloned().ok_or_else(|| missing("eos_token_id"))?.into(),
        context: context.ok_or_else(|| missing("max_position_embeddings"))?,
        kv_heads: text.num_key_value_heads.or(text.num_attention_heads),
        head_size: text.head_dim.or_else(|| of_width.map(|(width, heads)| width / heads)),
        layers: text.num_hidden_layers,
        names: Names::default(),
        sampling: Generation::default(),
        window: config.window(),
        turn: config.turn(),
    })
}

/// The first graph of [`ORDER`] that is there, else the only one of another name.
fn choose(root: &Path) -> Result<PathBuf, LocalError> {
    let inner = root.join(GRAPH_FOLDER);
    let places = ORDER.iter().flat_map(|name| [inner.join(name), root.join(name)]);
    if let Some(graph) = places.into_iter().find(|graph| graph.is_file()) {
        return Ok(graph);
    }
    let others = [graphs(&inner), graphs(root)].concat();
    let none = format!("none of {}, in this folder or in `{GRAPH_FOLDER}/`", ORDER.join(", "));
    let why = match others.as_slice() {
        [only] => return Ok(only.clone()),
        [] => format!("there is no graph here: {none}"),
        [first, ..] => format!(
            "there are several graphs, but {none}; name a graph: local.model = \"{}\"",
            first.display()
        ),
    };
    Err(LocalError::model(root, &why))
}

/// The graphs that lie in this folder itself.
fn graphs(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_graph = |file: &PathBuf| {
        let is_form = file.file_name().is_some_and(|name| FORMS.iter().any(|form| name == *form));
        file.extension().is_some_and(|kind| kind == "onnx") && !is_form && file.is_file()
    };
    let mut graphs: Vec<PathBuf> = files.filter(is_graph).collect();
    graphs.sort();
    graphs
}
