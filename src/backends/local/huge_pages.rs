//! Gathers what ONNX Runtime holds of a large model into huge pages, so that a step which reads all of it looks up fewer
//! addresses. Promises: bytes keep their values and their addresses; what the system refuses stays as it was.

use std::io::ErrorKind;
use std::ops::Range;

use super::slab::into_huge_pages;

/// Smaller mappings gain nothing worth a copy.
const LEAST: usize = 4 << 20;
/// A mapping of which less is in use would grow by what is not.
const USED_PERCENT: usize = 95;
/// The size of a huge page on x86, and on ARM with pages of 4 KiB. Ranges that begin elsewhere lose their ends.
const HUGE: usize = 2 << 20;
/// Bytes asked for at a time: what one page that cannot be moved now keeps from being gathered.
const PIECE: usize = 16 << 20;

/// Gathers every large mapping of this process in the background: models' weights, for the most part. Linux copies the pages
/// of a mapping into huge ones on request since version 6.1, whatever `transparent_hugepage/enabled` says.
pub(super) fn gather_in_background() {
    if cfg!(target_os = "linux") {
        let work = || {
            let (started, before) = (std::time::Instant::now(), in_huge_pages());
            gather();
            let mib = in_huge_pages().saturating_sub(before) >> 20;
            let milliseconds = started.elapsed().as_millis();
            tracing::debug!(mib, milliseconds, "memory gathered into huge pages");
        };
        // Without it the weights lie as they lay.
        let _ = std::thread::Builder::new().name("huge-pages".to_owned()).spawn(work);
    }
}

fn gather() {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for range in worth_gathering(&smaps) {
        for piece in pieces(range) {
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
    rollup.lines().find(|line| line.starts_with("AnonHugePages:")).map_or(0, bytes)
}

/// The amount in a line such as `Rss:     132 kB`.
fn bytes(line: &str) -> usize {
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).map_or(0, |kib| kib << 10)
}

/// The whole huge pages of a range, some at a time.
fn pieces(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end / HUGE * HUGE;
    (range.start.next_multiple_of(HUGE)..end).step_by(PIECE).map(move |start| start..end.min(start + PIECE))
}

/// The anonymous mappings that are large, in use, and not in huge pages, of the text of `/proc/PID/smaps`.
fn worth_gathering(smaps: &str) -> Vec<Range<usize>> {
    let mut found = vec![];
    let mut current = None;
    let mut resident = 0;
    for line in smaps.lines() {
        match line.split_ascii_whitespace().next() {
            Some("Rss:") => resident = bytes(line),
            Some("AnonHugePages:") => {
                let small = resident.saturating_sub(bytes(line));
                found.extend(current.take().filter(|range: &Range<usize>| {
                    range.len() >= LEAST && resident >= range.len() / 100 * USED_PERCENT && small >= LEAST
                }));
            }
            Some(name) if !name.ends_with(':') => current = anonymous(line),
            _ => {}
        }
    }
    found
}

/// The range of a mapping that is private, writable and of no file, by the first line of its entry.
fn anonymous(line: &str) -> Option<Range<usize>> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [range, rights, _, _, "0", names @ ..] = words.as_slice() else { return None };
    let (start, end) = range.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    (rights.starts_with("rw") && rights.ends_with('p') && matches!(names, [] | ["[heap]"]))
        .then_some(address(start)?..address(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                 132 kB
AnonHugePages:         0 kB
VmFlags: rd wr mr mw me ac sd
7f0000000000-7f0008000000 rw-p 00000000 00:00 0 
Size:             131072 kB
Rss:              131072 kB
AnonHugePages:      2048 kB
7f1000000000-7f1008000000 rw-p 00000000 00:00 0 
Size:             131072 kB
Rss:               20480 kB
AnonHugePages:         0 kB
7f2000000000-7f2008000000 rw-p 00000000 00:00 0 
Size:             131072 kB
Rss:              131072 kB
AnonHugePages:    131072 kB
7f3000000000-7f3008000000 r--p 00000000 fe:01 1234                       /models/model.onnx.data
Size:             131072 kB
Rss:              131072 kB
AnonHugePages:         0 kB
7f4000000000-7f4008000000 rw-s 00000000 00:01 77                         /dev/zero (deleted)
Size:             131072 kB
Rss:              131072 kB
AnonHugePages:         0 kB
";

    #[test]
    fn only_large_mappings_in_use_are_worth_it() {
        let found: Vec<_> =
            worth_gathering(SMAPS).into_iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(found, [(0x7f00_0000_0000, 0x7f00_0800_0000)]);
        assert!(worth_gathering("no such text\n\n:\n").is_empty());
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
