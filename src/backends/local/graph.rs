//! The decoder graph: which inputs and outputs it has, and one run of it over a sequence's cache.
//! Promises: a graph that needs an input we do not feed is refused at load, by name. Knows no text and no sampling.

use std::path::Path;

use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use super::LocalError;
use super::folder::{Folder, Names};
use super::slab::Cache;
use crate::onnx::{self, SessionSpec};

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

/// An open decoder.
pub(super) struct Graph {
    session: Session,
    pub(super) layout: Layout,
}

impl Graph {
    /// Opens the graph and compares it with what the folder says.
    pub(super) fn open(folder: &Folder, spec: &SessionSpec) -> Result<Self, LocalError> {
        if !folder.graph.is_file() {
            return Err(LocalError::model(&folder.graph, "there is no such file"));
        }
        let session = onnx::open(&folder.graph, spec)?;
        let layout = read_layout(folder, &session)?;
        Ok(Self { session, layout })
    }

    /// An empty cache for at least `tokens` tokens.
    pub(super) fn cache(&self, tokens: usize) -> ort::Result<Cache> {
        Cache::new(&self.session, &self.layout, tokens)
    }

    /// Runs a prompt token and a decode step once, so that a graph that cannot run is found at load.
    pub(super) fn try_out(&mut self) -> ort::Result<()> {
        let mut cache = self.cache(2)?;
        self.forward(&mut cache, &[0])?;
        self.forward(&mut cache, &[0]).map(drop)
    }

    /// Appends `ids` to the cache and returns the logits of the last one.
    pub(super) fn forward<'c>(&mut self, cache: &'c mut Cache, ids: &[u32]) -> ort::Result<&'c [f32]> {
        cache.grow_to(&self.session, &self.layout, ids.len())?;
        cache.run(&mut self.session, &self.layout, ids)
    }
}

impl Names {
    /// A layer's cache inputs and the outputs that replace them, keys before values.
    pub(super) fn cache_pairs(&self, layer: usize) -> [(String, String); 2] {
        let of = |pattern: &str| pattern.replace("%d", &layer.to_string());
        [(of(&self.past_key), of(&self.present_key)), (of(&self.past_value), of(&self.present_value))]
    }
}

fn read_layout(folder: &Folder, session: &Session) -> Result<Layout, LocalError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn starter() -> (Folder, Graph) {
        let folder = Folder::read(&crate::backends::local::tests::starter()).unwrap();
        let graph = Graph::open(&folder, &SessionSpec { intra_threads: 1, spin: false }).unwrap();
        (folder, graph)
    }

    /// The logits after `ids`, fed in pieces of these sizes, the rest one by one.
    fn logits(graph: &mut Graph, ids: &[u32], pieces: &[usize]) -> Vec<f32> {
        let mut cache = graph.cache(1).unwrap();
        let (mut at, mut last) = (0, vec![]);
        for size in pieces.iter().copied().chain(std::iter::repeat(1)) {
            if at == ids.len() {
                return last;
            }
            last = graph.forward(&mut cache, &ids[at..at + size]).unwrap().to_vec();
            at += size;
        }
        last
    }

    #[test]
    fn one_run_chunks_and_single_steps_agree() {
        let (_, mut graph) = starter();
        // 300 tokens: the smallest buffer has to grow on the way.
        let ids: Vec<u32> = (0..300).map(|n| 3 + n * 37 % 3000).collect();
        let whole = logits(&mut graph, &ids, &[300]);
        let scale = whole.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
        assert!(scale > 0.0 && whole.len() == graph.layout.vocabulary);
        for pieces in [&[256, 44][..], &[100, 100], &[1], &[7, 250]] {
            let other = logits(&mut graph, &ids, pieces);
            let worst = whole.iter().zip(&other).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            // The kernels round activations to eight bits, so sums in another order show.
            assert!(worst <= scale * 0.03, "{pieces:?}: off by {worst} of {scale}");
        }
    }

    #[test]
    fn the_width_of_buffers_and_mask_changes_no_bit() {
        let (_, mut graph) = starter();
        let (mut narrow, mut wide) = (graph.cache(1).unwrap(), graph.cache(1000).unwrap());
        assert!(narrow.capacity() < wide.capacity());
        for ids in [&[1, 338, 201, 613, 312][..], &[416], &[758], &[357], &[16]] {
            let expected = graph.forward(&mut narrow, ids).unwrap().to_vec();
            assert_eq!(graph.forward(&mut wide, ids).unwrap(), expected);
        }
    }

    #[test]
    fn a_cache_used_again_knows_nothing_of_its_first_sequence() {
        let (_, mut graph) = starter();
        let fresh = logits(&mut graph, &[9, 8, 7, 6], &[2]);
        let mut cache = graph.cache(1).unwrap();
        graph.forward(&mut cache, &[5; 200]).unwrap();
        graph.forward(&mut cache, &[5]).unwrap();
        cache.clear().unwrap();
        graph.forward(&mut cache, &[9, 8]).unwrap();
        graph.forward(&mut cache, &[7]).unwrap();
        assert_eq!(graph.forward(&mut cache, &[6]).unwrap(), fresh);
    }

    #[test]
    fn a_sequence_past_the_context_is_an_error() {
        let (folder, mut graph) = starter();
        let mut cache = graph.cache(1).unwrap();
        assert!(graph.forward(&mut cache, &vec![5; folder.context + 1]).is_err());
    }
}
