//! Gathers what ONNX Runtime holds of a large model into huge pages, so that a step which reads all of it looks up fewer
//! addresses. Promises: bytes keep their values and their addresses; what the system refuses stays as it was.

use std::io::ErrorKind;
use std::ops::Range;
use std::time::Duration;

use super::mappings::{Mapping, bytes, of_this_process};
use super::slab::into_huge_pages;

/// Smaller mappings gain nothing worth a copy.
const LEAST: usize = 4 << 20;
/// A mapping of which less is in use would grow by what is not.
const USED_PERCENT: usize = 95;
/// The size of a huge page on x86, and on ARM with pages of 4 KiB. Ranges that begin elsewhere lose their ends.
const HUGE: usize = 2 << 20;
/// Bytes asked for at a time: what one page that cannot be moved now keeps from being gathered.
const PIECE: usize = 16 << 20;

/// How long a load is over before: whoever maps memory waits for each page that is being gathered, and a program that starts, or
/// loads another model, maps much.
const CALM: Duration = Duration::from_secs(2);

/// Gathers, a while from now and on a thread of its own, every large mapping of this process: models' weights, for the most part. Linux
/// copies the pages of a mapping into huge ones on request since version 6.1, whatever `transparent_hugepage/enabled` says.
pub(super) fn gather_later() {
    // Without it the weights lie as they lay.
    let _ = std::thread::Builder::new().name("huge-pages".to_owned()).spawn(|| {
        std::thread::park_timeout(CALM);
        gather_all();
    });
}

fn gather_all() {
    let (started, before) = (std::time::Instant::now(), in_huge_pages());
    gather();
    let mib = in_huge_pages().saturating_sub(before) >> 20;
    let milliseconds = started.elapsed().as_millis();
    tracing::debug!(mib, milliseconds, "memory gathered into huge pages");
}

fn gather() {
    for mapping in of_this_process().unwrap_or_default().into_iter().filter(is_worth_gathering) {
        for piece in pieces(mapping.range()) {
            match into_huge_pages(piece) {
                // A page was in use just then.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Not this mapping, or no such system.
                Err(error) if error.kind() == ErrorKind::InvalidInput => break,
                // No memory: it is not asked for again.
                Err(error) => return tracing::debug!(%error, "huge pages are refused"),
                Ok(()) => {}
            }
        }
    }
}

/// Bytes of this process that lie in huge pages.
fn in_huge_pages() -> usize {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    rollup.lines().find(|line| line.starts_with("AnonHugePages:")).and_then(bytes).unwrap_or(0)
}

/// Whether a mapping is large, of no file, in use, and not in huge pages.
fn is_worth_gathering(mapping: &Mapping) -> bool {
    mapping.is_anonymous()
        && mapping.range().len() >= LEAST
        && mapping.resident() >= mapping.range().len() / 100 * USED_PERCENT
        && mapping.resident().saturating_sub(mapping.huge()) >= LEAST
}

/// The whole huge pages of a range, some at a time.
fn pieces(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end / HUGE * HUGE;
    (range.start.next_multiple_of(HUGE)..end).step_by(PIECE).map(move |start| start..end.min(start + PIECE))
}

#[cfg(test)]
mod tests {
    use super::super::mappings::{SMAPS, of_text};
    use super::*;

    #[test]
    fn only_large_mappings_in_use_are_worth_it() {
        let found =
            of_text(SMAPS).into_iter().filter(is_worth_gathering).map(|mapping| mapping.range().start);
        assert_eq!(found.collect::<Vec<_>>(), [0x7f00_0000_0000]);
        let whole: Vec<_> = pieces(HUGE + 1..40 * HUGE + 5).collect();
        assert_eq!(whole.first(), Some(&(2 * HUGE..2 * HUGE + PIECE)));
        assert_eq!(whole.iter().map(ExactSizeIterator::len).sum::<usize>(), 38 * HUGE);
    }

    #[test]
    fn memory_keeps_its_bytes_and_lies_in_huge_pages_where_the_system_grants_them() {
        let numbered: Vec<u8> = (0..32 << 20).map(|at| (at % 251) as u8).collect();
        let copy = numbered.clone();
        let before = in_huge_pages();
        gather();
        assert!(numbered == copy);
        // Gathering again what the system has just granted changes nothing; where it refuses there is nothing to see.
        let start = (numbered.as_ptr() as usize).next_multiple_of(HUGE);
        if into_huge_pages(start..start + (28 << 20)).is_ok() && cfg!(target_os = "linux") {
            assert!(in_huge_pages() > before, "{before}");
        }
        assert!(numbered == copy);
    }
}
