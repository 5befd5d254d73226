//! How much memory the rows take, as the system counts it.

use std::fs;

use super::*;

const MIB: usize = 1 << 20;

/// Resident memory of this process that belongs to no file, in bytes.
pub(in crate::backends::local) fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn an_area_takes_memory_where_it_is_written_and_gives_it_back() {
    let mut slab = Slab::new();
    let before = resident();
    let area = slab.area::<f32>(256 * MIB).unwrap();
    assert!(resident() < before + 16 * MIB, "a gigabyte of address space is not memory");
    slab.get_mut(area)[..16 * MIB].fill(1.0);
    let filled = resident();
    assert!(filled > before + 60 * MIB);
    slab.release(area, 0..usize::MAX / 8);
    assert!(resident() < filled - 48 * MIB, "64 MiB were given back");
    assert_eq!(slab.get(area)[..2], [0.0, 0.0]);
}

#[test]
fn only_whole_units_inside_the_range_are_given_back() {
    let (mut slab, unit) = (Slab::new(), UNIT / 4);
    let area = slab.area::<f32>(4 * unit).unwrap();
    slab.get_mut(area).fill(1.0);
    slab.release(area, 1..3 * unit - 1);
    let zeros = slab.get(area).iter().filter(|number| **number == 0.0).count();
    assert_eq!(zeros, unit, "the second of four");
    slab.release(area, 0..usize::MAX / 8);
    assert_eq!(slab.get(area)[4 * unit - 1], 0.0);
}

#[test]
fn rows_fill_whole_units() {
    for (heads, head) in [(4, 32), (2, 64), (3, 96), (1, 256), (5, 80)] {
        let tokens = tokens_per_unit(heads * head);
        assert_eq!(heads * head * tokens * 4 % UNIT, 0, "{heads} x {head}");
    }
    assert_eq!(tokens_per_unit(128), 128);
}
