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
    /// The input that asks for how many positions they are to come, where the graph has one.
    pub(super) keep: Option<Keep>,
    /// Whether the graph asks for each token's position.
    pub(super) position_ids: bool,
    /// Whether past and present are tensors of their own, the present one longer; else they may be one buffer.
    pub(super) growing: bool,
    /// Whether rows in one run change each other's numbers, so that each has to run alone.
    pub(super) mixes: bool,
}

/// An input that takes for how many positions, counted from the last one back, logits are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keep {
    pub(super) name: String,
    /// Whether it is a number alone; else a list of one.
    scalar: bool,
}

impl Keep {
    /// The shape of what it is fed.
    pub(super) fn shape(&self) -> &'static [usize] {
        if self.scalar { &[] } else { &[1] }
    }
}

impl Layout {
    /// The input that asks for how many positions logits are to come, if this form of the graph has it.
    pub(super) fn keep_of(&self, session: &Session) -> Option<&Keep> {
        self.keep.as_ref().filter(|keep| session.inputs().iter().any(|input| input.name() == keep.name))
    }

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
    let wrong = |why: &str| LocalError::model(graph, why);
    let past = names.cache_pairs(0)[0].0.clone();
    let layers = folder.layers.unwrap_or_else(|| count_layers(names, session.inputs()));
    let keep = find_keep(session.inputs());
    if !session.inputs().iter().any(|input| input.name() == past) {
        let mut known = vec![&names.input_ids, &names.attention_mask, &names.position_ids];
        known.extend(keep.as_ref().map(|keep| &keep.name));
        refuse_unknown(graph, session.inputs(), &known)?;
        return Err(wrong(&format!("the graph has no `{past}`: an export with a KV cache is needed")));
    }
    check(folder, session, layers, keep.as_ref())?;
    let size = |axis: usize, declared: Option<usize>, of: &str| match (
        dimension(session.inputs(), &past, axis),
        declared,
    ) {
        (Some(found), Some(declared)) if found != declared => {
            Err(wrong(&format!("`{past}` has {of} {found}, the folder's configuration says {declared}")))
        }
        (Some(size), _) | (None, Some(size)) => Ok(size),
        (None, None) => {
            Err(wrong(&format!("neither `{past}` nor the folder's configuration tells the {of}")))
        }
    };
    Ok(Layout {
        names: names.clone(),
        layers,
        kv_heads: size(1, folder.kv_heads, "number of heads")?,
        head_size: size(3, folder.head_size, "size of a head")?,
        vocabulary: dimension(session.outputs(), &names.logits, 2)
            .ok_or_else(|| wrong("the size of the vocabulary is not fixed in `logits`"))?,
        context: folder.context,
        // One position is what such an input is fed.
        pruned: keep.is_some() || dimension(session.outputs(), &names.logits, 1) == Some(1),
        keep,
        position_ids: session.inputs().iter().any(|input| input.name() == names.position_ids),
        growing: !folder.attention.shares,
        mixes: folder.attention.mixes,
    })
}

/// Compares names and element types, both ways.
fn check(folder: &Folder, session: &Session, layers: usize, keep: Option<&Keep>) -> Result<(), LocalError> {
    let (names, graph) = (&folder.names, folder.graph.as_path());
    let mut inputs = vec![(names.input_ids.clone(), INT), (names.attention_mask.clone(), INT)];
    if session.inputs().iter().any(|input| input.name() == names.position_ids) {
        inputs.push((names.position_ids.clone(), INT));
    }
    inputs.extend(keep.map(|keep| (keep.name.clone(), INT)));
    let mut outputs = vec![(names.logits.clone(), FLOAT)];
    for (past, present) in (0..layers).flat_map(|layer| names.cache_pairs(layer)) {
        inputs.push((past, FLOAT));
        outputs.push((present, FLOAT));
    }
    let known: Vec<&String> = inputs.iter().map(|(name, _)| name).collect();
    refuse_unknown(graph, session.inputs(), &known)?;
    for (name, dtype) in &inputs {
        expect(graph, session.inputs(), name, *dtype)?;
    }
    for (name, dtype) in &outputs {
        expect(graph, session.outputs(), name, *dtype)?;
    }
    Ok(())
}

/// The input that asks for how many positions logits are wanted, by its name or by the one that exporters make for it
/// where they know none. (`logits_to_keep` takes positions, not how many.)
fn find_keep(inputs: &[Outlet]) -> Option<Keep> {
    inputs.iter().find_map(|input| {
        let named = input.name() == "num_logits_to_keep" || input.name().starts_with("onnx::Neg_");
        let rank = input.dtype().tensor_shape().filter(|_| named)?.len();
        (rank <= 1).then(|| Keep { name: input.name().to_owned(), scalar: rank == 0 })
    })
}

/// Layers for which the graph has a cache.
fn count_layers(names: &Names, inputs: &[Outlet]) -> usize {
    let has = |layer: &usize| inputs.iter().any(|input| input.name() == names.cache_pairs(*layer)[0].0);
    (0..inputs.len()).take_while(has).count()
}

/// The first input that we do not know, with what it means where that is known.
fn refuse_unknown(graph: &Path, inputs: &[Outlet], known: &[&String]) -> Result<(), LocalError> {
    let Some(extra) = inputs.iter().map(Outlet::name).find(|name| !known.iter().any(|known| known == name))
    else {
        return Ok(());
    };
    let hint = match extra {
        "use_cache_branch" => ": this is a merged decoder; export it anew, as one graph with a KV cache",
        "inputs_embeds" => ": it takes embeddings in place of tokens; only whole text decoders are supported",
        _ => "",
    };
    let why = format!("the graph needs the input `{extra}`, which this version does not feed{hint}");
    Err(LocalError::model(graph, &why))
}

const INT: TensorElementType = TensorElementType::Int64;
const FLOAT: TensorElementType = TensorElementType::Float32;

fn expect(graph: &Path, outlets: &[Outlet], name: &str, dtype: TensorElementType) -> Result<(), LocalError> {
    let found = outlets.iter().find(|outlet| outlet.name() == name);
    match found.and_then(|outlet| outlet.dtype().tensor_type()) {
        Some(found) if found == dtype => Ok(()),
        Some(found @ (TensorElementType::Float16 | TensorElementType::Bfloat16)) => {
            let why = format!(
                "`{name}` holds {found}, this version needs {dtype}: take a graph whose cache is in float32 (int4 or int8 weights are faster on a CPU, too)"
            );
            Err(LocalError::model(graph, &why))
        }
        Some(found) => {
            Err(LocalError::model(graph, &format!("`{name}` holds {found}, this version needs {dtype}")))
        }
        None => Err(LocalError::model(graph, &format!("the graph has no `{name}`"))),
    }
}

/// A fixed dimension, or `None` where it is symbolic or absent.
pub(super) fn dimension(outlets: &[Outlet], name: &str, axis: usize) -> Option<usize> {
    let outlet = outlets.iter().find(|outlet| outlet.name() == name)?;
    let size = *outlet.dtype().tensor_shape()?.get(axis)?;
    usize::try_from(size).ok().filter(|size| *size > 0)
}

#[cfg(test)]
mod tests;
