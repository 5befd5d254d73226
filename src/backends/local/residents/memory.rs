//! What a model costs in memory: an estimate before it is loaded, a measure after. Both count the caches at the most that
//! they may grow to, so that a budget holds under load, not only after a start. Pages of weight files that were given back after
//! the load (`file_pages.rs`) do not count: the system may take them away again.

use std::path::Path;

use super::super::folder::Folder;
use crate::config::{Isolation, LocalConfig, Speculation};

/// Weights take at most about twice their size: ONNX Runtime packs them anew beside the file's own.
const PACKED: u64 = 2;
/// Keys and values are 32-bit numbers.
const NUMBER: u64 = 4;

/// A model's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// Graph and weights as they lie on disk.
    weights: u64,
    /// The most that the caches of keys and values may take.
    caches: u64,
}

impl Cost {
    pub(super) fn of(files: &Folder, config: &LocalConfig) -> Self {
        let most = mebibytes(config.kv_cache_mib);
        let caches = token(files).map_or(most, |bytes| {
            most.min(bytes.saturating_mul((files.context * config.max_streams) as u64))
        });
        let caches = caches + mebibytes(config.prefix_cache_mib);
        let second = files.prefill.as_ref().filter(|_| config.prefill_form);
        // The verify form's weights are the decoder's files, and packed anew.
        let third = files.verify.as_ref().filter(|_| config.speculation == Speculation::PromptLookup);
        let forms = second.map_or(0, |graph| with_data(graph)) + third.map_or(0, |_| files.weights());
        Self { weights: files.weights() + forms, caches }
    }

    /// Before it is loaded.
    pub(super) fn estimate(self) -> u64 {
        self.weights * PACKED + self.caches
    }

    /// After it was loaded, when this process grew by so much. Others may have grown or shrunk meanwhile, so the measure
    /// counts only as far as it is likely; a model in a process of its own cannot be measured here.
    pub(super) fn measured(self, grown: u64, config: &LocalConfig) -> u64 {
        match config.isolation {
            Isolation::Thread => grown.clamp(self.weights, self.weights * PACKED) + self.caches,
            Isolation::Process => self.estimate(),
        }
    }
}

/// Bytes of a graph and of the weights beside it.
fn with_data(graph: &Path) -> u64 {
    let mut data = graph.as_os_str().to_owned();
    data.push(".data");
    [graph, Path::new(&data)].iter().filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).sum()
}

/// Bytes of keys and values for each token, where the folder tells.
fn token(files: &Folder) -> Option<u64> {
    let numbers = files.layers? * files.kv_heads? * files.head_size?;
    Some(2 * numbers as u64 * NUMBER)
}

/// Bytes that all models together may take.
pub(super) fn budget(config: &LocalConfig) -> u64 {
    match config.memory_mib {
        0 => u64::MAX,
        mib => mebibytes(mib),
    }
}

fn mebibytes(mib: usize) -> u64 {
    (mib as u64) << 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_counts_as_far_as_it_is_likely() {
        let cost = Cost { weights: 100, caches: 7 };
        assert_eq!(cost.estimate(), 207);
        let config = LocalConfig::default();
        assert_eq!([0, 130, 900].map(|grown| cost.measured(grown, &config)), [107, 137, 207]);
        let apart = LocalConfig { isolation: Isolation::Process, ..config };
        assert_eq!(cost.measured(0, &apart), 207);
    }

    #[test]
    fn the_starter_model_costs_its_files_and_caches() {
        let files = Folder::read(&super::super::super::tests::starter()).unwrap();
        let most = LocalConfig { prefix_cache_mib: 0, ..LocalConfig::default() };
        let (one, eight) = (LocalConfig { max_streams: 1, ..most.clone() }, most);
        let caches = |config: &LocalConfig| Cost::of(&files, config).caches;
        assert_eq!(caches(&one) * 8, caches(&eight), "a context for each stream");
        let small = LocalConfig { kv_cache_mib: 1, ..eight };
        assert_eq!(caches(&small), 1 << 20, "no more than the cache may take");
    }
}
