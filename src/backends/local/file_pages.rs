//! Gives back the pages of weight files that ONNX Runtime maps, reads once and lays out anew. Promises: bytes keep their values
//! and their addresses; a page that is asked for again comes back from its file; only mappings of sessions that are
//! held over the call are touched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ort::session::Session;

use super::mappings::{Mapping, of_this_process};
use super::slab::forget_unchanged;

/// Smaller mappings are not worth a call.
const LEAST: usize = 1 << 20;

/// The openings of sessions that map large files.
static OPENINGS: Mutex<Openings> = Mutex::new(Openings { under_way: 0, begun: 0 });

struct Openings {
    under_way: usize,
    begun: u64,
}

fn openings() -> MutexGuard<'static, Openings> {
    OPENINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sessions are being opened: until this is dropped, what others open counts as opened beside them.
pub(super) struct Opening {
    /// Which one it is, if none was under way when it began.
    alone: Option<u64>,
    before: Option<Vec<Mapping>>,
}

impl Opening {
    pub(super) fn begin() -> Self {
        let mut openings = openings();
        let alone = openings.under_way == 0;
        openings.under_way += 1;
        openings.begun += 1;
        Self { alone: alone.then_some(openings.begun), before: of_this_process() }
    }

    /// Gives back what is mapped of large files beside `graph` since [`Self::begin`] and stands in them unchanged. A table of which
    /// steps read a row at a time, as the token embeddings, is in memory by what is in use from then on. `opened` are all
    /// sessions that were opened since and are left. Where others were opened meanwhile, too, all stays.
    pub(super) fn give_back(self, graph: &Path, opened: &[Option<&Session>]) {
        // Whoever wants to open something now waits until this is over, which is soon.
        let openings = openings();
        let (Some(before), true) = (&self.before, self.alone == Some(openings.begun)) else {
            return drop(openings);
        };
        let files = files_beside(graph);
        for mapping in of_this_process().unwrap_or_default() {
            let is_ours = mapping.unchanged_file().is_some_and(|file| files.contains(file));
            if is_ours && mapping.range().len() >= LEAST && !mapping.overlaps(before) {
                // What the system refuses stays as it was.
                let _ = forget_unchanged(&mapping, opened);
            }
        }
        drop(openings);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        openings().under_way -= 1;
    }
}

/// The files of a graph's folder, by the names that the system gives them: hubs keep them elsewhere, behind links.
fn files_beside(graph: &Path) -> BTreeSet<PathBuf> {
    let entries =
        graph.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.path().canonicalize().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::slab::map_privately;
    use super::*;

    const LEN: usize = LEAST + (1 << 20);

    /// Bytes of the mapping that begins at `bytes` in memory.
    fn resident(bytes: &[u8]) -> usize {
        let start = bytes.as_ptr() as usize;
        let found = of_this_process().unwrap().into_iter().find(|mapping| mapping.range().start == start);
        found.map_or(0, |mapping| mapping.resident())
    }

    /// A file of `LEN` bytes, mapped and read.
    fn mapped(folder: &Path, name: &str) -> memmap2::MmapMut {
        let file = folder.join(name);
        std::fs::write(&file, contents()).unwrap();
        let map = map_privately(&File::open(&file).unwrap());
        assert!(map[..] == contents());
        map
    }

    fn contents() -> Vec<u8> {
        (0..LEN).map(|at| (at % 251) as u8).collect()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn only_new_unchanged_pages_of_the_folder_are_given_back_and_come_again() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let graph = home.path().join("model.onnx");
        let old = mapped(home.path(), "old.data");
        let opening = Opening::begin();
        let read = mapped(home.path(), "read.data");
        let mut written = mapped(home.path(), "written.data");
        written[LEN / 2] = 252;
        let strange = mapped(elsewhere.path(), "strange.data");
        std::os::unix::fs::symlink(elsewhere.path().join("linked.data"), home.path().join("linked.data"))
            .unwrap();
        let linked = mapped(elsewhere.path(), "linked.data");
        assert!([&read, &linked].iter().all(|map| resident(map) > LEN / 2));
        opening.give_back(&graph, &[]);
        assert_eq!([&read, &linked].map(|map| resident(map)), [0, 0]);
        assert!([&old, &written, &strange].iter().all(|map| resident(map) > 0));
        assert!(read[..] == contents() && linked[..] == contents());
        assert!(written[LEN / 2] == 252 && written[..LEN / 2] == contents()[..LEN / 2]);

        // Beside another opening, whichever began first, nothing is given back.
        let first = Opening::begin();
        let kept = mapped(home.path(), "kept.data");
        let second = Opening::begin();
        let kept_too = mapped(home.path(), "kept-too.data");
        first.give_back(&graph, &[]);
        second.give_back(&graph, &[]);
        assert!([&kept, &kept_too].iter().all(|map| resident(map) > 0));
        let alone = Opening::begin();
        let given = mapped(home.path(), "given.data");
        alone.give_back(&graph, &[]);
        assert_eq!(resident(&given), 0);
    }
}
