//! How many threads the decode pool gets. Reads `/sys`, on other systems the standard library.

use std::collections::HashSet;
use std::path::Path;

/// The configured number of threads, or one per physical core that this process may use.
pub(super) fn threads(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    physical(Path::new("/sys/devices/system/cpu")).map_or(usable, |cores| cores.clamp(1, usable))
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
    fn a_configured_number_is_taken() {
        assert_eq!(threads(3), 3);
        assert!(threads(0) >= 1);
    }
}
