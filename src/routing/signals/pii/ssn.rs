//! US social security numbers: `AAA-GG-SSSS` with hyphens, in the ranges that are given out.

use super::digits::Groups;

/// Whether the groups write one.
pub(super) fn is_ssn(groups: &Groups<'_>) -> bool {
    let Some(digits) = groups.shaped(&[3, 2, 4], b"-") else { return false };
    let (area, group, serial) = (&digits[..3], &digits[3..5], &digits[5..]);
    area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000"
}
