//! How many threads the decode pool gets: by the machine's cores and the model's size.
//! Reads `/sys`, on other systems the standard library.

use std::collections::HashSet;
use std::path::Path;

/// Weights per thread below which one more thread costs more in handing out work than it computes: a model of 3 MB
/// decodes half again as fast on one thread as on two.
const SHARE: u64 = 16 << 20;

/// The configured number of threads; for 0, one per physical core that this process may use, and no more than a model
/// of so many bytes has work for.
pub(super) fn threads(configured: usize, weights: u64) -> usize {
    if configured > 0 {
        return configured;
    }
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = physical(Path::new("/sys/devices/system/cpu")).map_or(usable, |cores| cores.min(usable));
    let busy = usize::try_from(weights.div_ceil(SHARE)).unwrap_or(usize::MAX);
    cores.min(busy).max(1)
}

/// Whether this processor adds up int8 products exactly and fast, as a prefill form needs: on older x86 the kernels add
/// pairs in 16 bits, which overflow, or are slower than the decoder's own.
pub(super) fn multiply_int8() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx512vnni") || std::is_x86_feature_detected!("avxvnni");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

/// Sibling threads share their `core_cpus_list`; distinct lists are cores.
fn physical(root: &Path) -> Option<usize> {
    let cores: HashSet<String> = std::fs::read_dir(root)
        .ok()?
        .filter_map(|entry| {
            let topology = entry.ok()?.path().join("topology");
            ["core_cpus_list", "thread_siblings_list"]
                .iter()
                .find_map(|name| std::fs::read_to_string(topology.join(name)).ok())
        })
        .collect();
    (!cores.is_empty()).then_some(cores.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_count_once() {
        let root = tempfile::tempdir().unwrap();
        for (cpu, siblings) in [("cpu0", "0,2"), ("cpu1", "1,3"), ("cpu2", "0,2"), ("cpu3", "1,3")] {
            let topology = root.path().join(cpu).join("topology");
            std::fs::create_dir_all(&topology).unwrap();
            std::fs::write(topology.join("core_cpus_list"), siblings).unwrap();
        }
        assert_eq!(physical(root.path()), Some(2));
        assert_eq!(physical(&root.path().join("nowhere")), None);
    }

    #[test]
    fn a_configured_number_is_taken_and_a_small_model_gets_one() {
        assert_eq!(threads(3, 0), 3);
        assert_eq!((threads(0, 0), threads(0, SHARE)), (1, 1));
        assert!(threads(0, u64::MAX) >= threads(0, SHARE + 1));
    }
}
