//! The decoder graph: opened once, run over a sequence's cache.
//! Promises: a graph that cannot run is found at load. Knows no text and no sampling; `layout.rs` reads its inputs.

use ort::session::Session;

use super::LocalError;
use super::folder::Folder;
use super::layout::{self, Layout};
use super::slab::Cache;
use crate::onnx::{self, SessionSpec};

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
        let layout = layout::read(folder, &session)?;
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
