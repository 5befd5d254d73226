//! What a decoder graph feeds on and gives: names, shapes and limits, read off its own inputs and outputs.
//! Promises: a graph that needs an input we do not feed, or lacks one that we need, is refused at load, by name.
//! Runs nothing.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use super::LocalError;
use super::folder::{Folder, Names};

/// Names, shapes and limits that a cache needs.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) names: Names,
    pub(super) layers: usize,
    pub(super) kv_heads: usize,
    pub(super) head_size: usize,
    pub(super) vocabulary: usize,
    pub(super) context: usize,
    /// Whether logits come for the last position only.
    pub(super) pruned: bool,
}

impl Layout {
    /// Numbers in the keys and values of one token.
    pub(super) fn numbers_per_token(&self) -> usize {
        self.layers * 2 * self.kv_heads * self.head_size
    }

    /// Bytes of them.
    pub(super) fn bytes_per_token(&self) -> usize {
        self.numbers_per_token() * size_of::<f32>()
    }
}

impl Names {
    /// A layer's cache inputs and the outputs that replace them, keys before values.
    pub(super) fn cache_pairs(&self, layer: usize) -> [(String, String); 2] {
        let of = |pattern: &str| pattern.replace("%d", &layer.to_string());
        [(of(&self.past_key), of(&self.present_key)), (of(&self.past_value), of(&self.present_value))]
    }
}

/// Reads the layout and compares it with what the folder says.
///
/// # Errors
/// A missing or unknown input or output, a wrong element type, a shape that contradicts the folder.
pub(super) fn read(folder: &Folder, session: &Session) -> Result<Layout, LocalError> {
    let names = &folder.names;
    let graph = folder.graph.as_path();
    let mut inputs = vec![(names.input_ids.clone(), INT), (names.attention_mask.clone(), INT)];
    let mut outputs = vec![(names.logits.clone(), FLOAT)];
    for (past, present) in (0..folder.layers).flat_map(|layer| names.cache_pairs(layer)) {
        inputs.push((past, FLOAT));
        outputs.push((present, FLOAT));
    }
    if let Some(extra) =
        session.inputs().iter().find(|input| !inputs.iter().any(|(name, _)| name == input.name()))
    {
        let why = format!("the graph needs the input `{}`, which this version does not feed", extra.name());
        return Err(LocalError::model(graph, &why));
    }
    for (name, dtype) in &inputs {
        expect(graph, session.inputs(), name, *dtype)?;
    }
    for (name, dtype) in &outputs {
        expect(graph, session.outputs(), name, *dtype)?;
    }
    let past = names.cache_pairs(0)[0].0.clone();
    for (axis, declared) in [(1, folder.kv_heads), (3, folder.head_size)] {
        let found = dimension(session.inputs(), &past, axis);
        if found.is_some_and(|found| found != declared) {
            let why = format!("`{past}` and genai_config.json disagree on heads or head size");
            return Err(LocalError::model(graph, &why));
        }
    }
    let vocabulary = dimension(session.outputs(), &names.logits, 2)
        .ok_or_else(|| LocalError::model(graph, "the size of the vocabulary is not fixed in `logits`"))?;
    Ok(Layout {
        names: names.clone(),
        layers: folder.layers,
        kv_heads: folder.kv_heads,
        head_size: folder.head_size,
        vocabulary,
        context: folder.context,
        pruned: dimension(session.outputs(), &names.logits, 1) == Some(1),
    })
}

const INT: TensorElementType = TensorElementType::Int64;
const FLOAT: TensorElementType = TensorElementType::Float32;

fn expect(graph: &Path, outlets: &[Outlet], name: &str, dtype: TensorElementType) -> Result<(), LocalError> {
    let found = outlets.iter().find(|outlet| outlet.name() == name);
    match found.and_then(|outlet| outlet.dtype().tensor_type()) {
        Some(found) if found == dtype => Ok(()),
        Some(found) => {
            Err(LocalError::model(graph, &format!("`{name}` holds {found}, this version needs {dtype}")))
        }
        None => Err(LocalError::model(graph, &format!("the graph has no `{name}`"))),
    }
}

/// A fixed dimension, or `None` where it is symbolic or absent.
fn dimension(outlets: &[Outlet], name: &str, axis: usize) -> Option<usize> {
    let outlet = outlets.iter().find(|outlet| outlet.name() == name)?;
    let size = *outlet.dtype().tensor_shape()?.get(axis)?;
    usize::try_from(size).ok().filter(|size| *size > 0)
}
