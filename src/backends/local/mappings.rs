//! What this process has mapped, as Linux tells it. Promises: a system that tells nothing has no mappings.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A range of addresses of one kind. Only this file makes them, so each has been a mapping of this process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    range: Range<usize>,
    /// Whether it may be read and written, but not run, by this process alone.
    private_data: bool,
    /// The file behind it.
    file: Option<PathBuf>,
    /// Whether the system has a name of its own for it, as `[stack]`.
    named: bool,
    /// Bytes that are in memory.
    resident: Option<usize>,
    /// Of those, bytes that no file holds: pages of a file that were written to among them.
    anonymous: Option<usize>,
    /// Bytes that were written to and are in no memory now.
    swapped: Option<usize>,
    /// Bytes in huge pages.
    huge: Option<usize>,
}

impl Mapping {
    pub(super) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Bytes that are in memory.
    pub(super) fn resident(&self) -> usize {
        self.resident.unwrap_or(0)
    }

    /// Of them, bytes in huge pages.
    pub(super) fn huge(&self) -> usize {
        self.huge.unwrap_or(0)
    }

    /// Whether it is memory that the process asked for, as by `malloc`.
    pub(super) fn is_anonymous(&self) -> bool {
        self.private_data && self.file.is_none() && !self.named
    }

    /// The file in which all that it holds stands, too: it was mapped to be written, and is known not to have been.
    pub(super) fn unchanged_file(&self) -> Option<&Path> {
        let unchanged =
            self.private_data && self.resident() > 0 && self.anonymous == Some(0) && self.swapped == Some(0);
        self.file.as_deref().filter(|_| unchanged)
    }

    /// Whether it has an address in common with one of `others`.
    pub(super) fn overlaps(&self, others: &[Self]) -> bool {
        others.iter().any(|other| self.range.start < other.range.end && other.range.start < self.range.end)
    }
}

/// The mappings of this process now; none where the system does not tell.
pub(super) fn of_this_process() -> Option<Vec<Mapping>> {
    std::fs::read("/proc/self/smaps").ok().map(|smaps| parsed(&String::from_utf8_lossy(&smaps)))
}

/// The mappings of the text of `/proc/PID/smaps`.
fn parsed(smaps: &str) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = vec![];
    // Whether the last mapping found is the one that lines are about.
    let mut known = false;
    for line in smaps.lines() {
        let word = line.split_ascii_whitespace().next();
        match (word, found.last_mut().filter(|_| known)) {
            (Some("Rss:"), Some(mapping)) => mapping.resident = bytes(line),
            (Some("Anonymous:"), Some(mapping)) => mapping.anonymous = bytes(line),
            (Some("Swap:"), Some(mapping)) => mapping.swapped = bytes(line),
            (Some("AnonHugePages:"), Some(mapping)) => mapping.huge = bytes(line),
            (Some(word), _) if !word.ends_with(':') => {
                let mapping = first_line(line);
                known = mapping.is_some();
                found.extend(mapping);
            }
            _ => {}
        }
    }
    found
}

/// The amount in a line such as `Rss:     132 kB`.
pub(super) fn bytes(line: &str) -> Option<usize> {
    line.split_ascii_whitespace().nth(1)?.parse::<usize>().ok()?.checked_mul(1 << 10)
}

/// A mapping by the first line of its entry: addresses, rights, offset, device, inode, name.
fn first_line(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights, inode) = (words.next()?, words.next()?, words.nth(2)?);
    let (start, end) = range.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    // Names may hold spaces, and never begin with one.
    let name = line.splitn(6, ' ').nth(5).unwrap_or("").trim_start();
    let of_file = inode.parse::<u64>().ok()? != 0;
    Some(Mapping {
        range: address(start)?..address(end)?,
        private_data: rights == "rw-p",
        file: of_file.then(|| PathBuf::from(name)),
        named: !matches!(name.trim_end(), "" | "[heap]"),
        resident: None,
        anonymous: None,
        swapped: None,
        huge: None,
    })
}

#[cfg(test)]
pub(super) fn of_text(smaps: &str) -> Vec<Mapping> {
    parsed(smaps)
}

#[cfg(test)]
pub(super) const SMAPS: &str = "\
55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                 132 kB
Anonymous:           132 kB
AnonHugePages:         0 kB
Swap:                  0 kB
VmFlags: rd wr mr mw me ac sd
7f0000000000-7f0008000000 rw-p 00000000 00:00 0 
Size:             131072 kB
Rss:              131072 kB
Anonymous:        131072 kB
AnonHugePages:      2048 kB
Swap:                  0 kB
7f1000000000-7f1008000000 rw-p 00000000 00:00 0 
Size:             131072 kB
Rss:               20480 kB
Anonymous:         20480 kB
AnonHugePages:         0 kB
Swap:                  0 kB
7f2000000000-7f2008000000 rw-p 00000000 00:00 0 
Size:             131072 kB
Rss:              131072 kB
Anonymous:        131072 kB
AnonHugePages:    131072 kB
Swap:                  0 kB
7f3000000000-7f3008000000 rw-p 00000000 fe:01 1234                       /models/a b/model.onnx.data
Size:             131072 kB
Rss:              131072 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
Swap:                  0 kB
7f4000000000-7f4008000000 rw-s 00000000 00:01 77                         /dev/zero (deleted)
Size:             131072 kB
Rss:              131072 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
Swap:                  0 kB
7f5000000000-7f5008000000 rw-p 00000000 fe:01 1235                       /models/written.onnx.data
Size:             131072 kB
Rss:              131072 kB
Anonymous:             4 kB
AnonHugePages:         0 kB
Swap:                  0 kB
7f6000000000-7f6008000000 r-xp 00000000 fe:01 1236                       /lib/libonnxruntime.so
Size:             131072 kB
Rss:              131072 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
Swap:                  0 kB
7f7000000000-7f7008000000 rw-p 00000000 00:00 0                          [stack]
Size:             131072 kB
Rss:              131072 kB
Anonymous:        131072 kB
AnonHugePages:         0 kB
Swap:                  0 kB
7f8000000000-7f8008000000 rw-p 00000000 fe:01 1237                       /models/swapped.onnx.data
Rss:              131072 kB
Anonymous:             0 kB
Swap:                  4 kB
7f9000000000-7f9008000000 rw-p 00000000 fe:01 1238                       /models/untold.onnx.data
Rss:              131072 kB
Swap:                  0 kB
no mapping at all
Anonymous:             0 kB
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read() {
        let found = parsed(SMAPS);
        assert_eq!(found.len(), 11);
        assert_eq!((found[1].resident(), found[1].huge()), (128 << 20, 2 << 20));
        let anonymous = found.iter().filter(|mapping| mapping.is_anonymous());
        let starts: Vec<usize> = anonymous.map(|mapping| mapping.range.start >> 36).collect();
        assert_eq!(starts, [0x55d, 0x7f0, 0x7f1, 0x7f2]);
        // Not what was written to, is in swap, is untold, shared, or code.
        let unchanged: Vec<_> = found.iter().filter_map(Mapping::unchanged_file).collect();
        assert_eq!(unchanged, [Path::new("/models/a b/model.onnx.data")]);
        assert!(parsed("no such text\n\n:\nRss: 4 kB\n").is_empty());
    }

    #[test]
    fn mappings_that_share_an_address_overlap() {
        let at = |start, end| parsed(&format!("{start:x}-{end:x} rw-p 00000000 00:00 0 \n")).remove(0);
        let old = [at(0x1000, 0x3000), at(0x8000, 0x9000)];
        assert!(at(0x2000, 0x4000).overlaps(&old) && at(0x7000, 0xa000).overlaps(&old));
        assert!(!at(0x3000, 0x8000).overlaps(&old) && !at(0x0, 0x1000).overlaps(&old));
    }
}
