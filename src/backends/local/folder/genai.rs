//! ONNX Runtime GenAI's layout: `genai_config.json` and the graph it names.

use std::path::Path;

use serde::Deserialize;

use super::{Declared, Generation, Ids, Names, hub, read_json, read_json_or_default};
use crate::backends::local::LocalError;

/// What tells this layout.
pub(super) const FILE: &str = "genai_config.json";

#[derive(Deserialize)]
struct GenAi {
    model: Model,
    #[serde(default)]
    search: Search,
}

#[derive(Deserialize)]
struct Model {
    context_length: usize,
    eos_token_id: Ids,
    decoder: Decoder,
}

#[derive(Deserialize)]
struct Decoder {
    filename: String,
    head_size: usize,
    num_key_value_heads: usize,
    num_hidden_layers: usize,
    #[serde(default)]
    inputs: Tensors,
    #[serde(default)]
    outputs: Tensors,
    sliding_window: Option<Window>,
}

#[derive(Default, Deserialize)]
struct Tensors {
    input_ids: Option<String>,
    attention_mask: Option<String>,
    position_ids: Option<String>,
    past_key_names: Option<String>,
    past_value_names: Option<String>,
    logits: Option<String>,
    present_key_names: Option<String>,
    present_value_names: Option<String>,
}

#[derive(Deserialize)]
struct Window {
    window_size: Option<usize>,
}

#[derive(Default, Deserialize)]
struct Search {
    do_sample: Option<bool>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
}

/// Reads the folder; `config.json`, which the builder does not write, is asked for windows where it is there.
pub(super) fn read(root: &Path, chosen: Option<&Path>) -> Result<Declared, LocalError> {
    let file = root.join(FILE);
    let genai: GenAi = read_json(&file)?;
    let decoder = genai.model.decoder;
    let counts = [
        genai.model.context_length,
        decoder.num_hidden_layers,
        decoder.num_key_value_heads,
        decoder.head_size,
    ];
    if counts.contains(&0) {
        return Err(LocalError::model(&file, "a length, layer or head count is 0"));
    }
    let config: hub::Config = read_json_or_default(&root.join(hub::FILE))?;
    let search = genai.search;
    let sampling = Generation {
        do_sample: search.do_sample,
        temperature: search.temperature,
        top_p: search.top_p,
        top_k: search.top_k,
        min_p: search.min_p,
        repetition_penalty: search.repetition_penalty,
        ..Generation::default()
    };
    Ok(Declared {
        graph: chosen.map_or_else(|| root.join(&decoder.filename), Path::to_owned),
        eos: genai.model.eos_token_id.into(),
        context: genai.model.context_length,
        kv_heads: Some(decoder.num_key_value_heads),
        head_size: Some(decoder.head_size),
        layers: Some(decoder.num_hidden_layers),
        names: names(decoder.inputs, decoder.outputs),
        sampling: sampling.checked(&file)?,
        window: decoder.sliding_window.and_then(|window| window.window_size).or_else(|| config.window()),
        turn: config.turn(),
    })
}

fn names(inputs: Tensors, outputs: Tensors) -> Names {
    let usual = Names::default();
    Names {
        input_ids: inputs.input_ids.unwrap_or(usual.input_ids),
        attention_mask: inputs.attention_mask.unwrap_or(usual.attention_mask),
        position_ids: inputs.position_ids.unwrap_or(usual.position_ids),
        past_key: inputs.past_key_names.unwrap_or(usual.past_key),
        past_value: inputs.past_value_names.unwrap_or(usual.past_value),
        logits: outputs.logits.unwrap_or(usual.logits),
        present_key: outputs.present_key_names.unwrap_or(usual.present_key),
        present_value: outputs.present_value_names.unwrap_or(usual.present_value),
    }
}
