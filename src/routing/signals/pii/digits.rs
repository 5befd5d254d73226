//! Digit groups with single separators, as people write long numbers: `4111 1111 1111 1111`, `078-05-1120`.
//! Reads at most a few groups ahead, so that looking at every number of a text stays linear.

/// More groups than any form that we know.
const MOST: usize = 6;
/// Longer runs of digits are no number that we know.
const LONGEST: usize = 24;

/// The digit groups that begin at one place.
pub(super) struct Groups<'a> {
    groups: [&'a [u8]; MOST],
    separators: [u8; MOST],
    count: usize,
    /// What follows the last group read.
    end: Option<u8>,
}

impl<'a> Groups<'a> {
    /// Reads from the first digit on: groups of digits with one space, hyphen, dot or slash between them.
    pub(super) fn read(text: &'a [u8]) -> Self {
        let mut read = Self { groups: [&[]; MOST], separators: [0; MOST], count: 0, end: None };
        let mut rest = text;
        loop {
            let length = rest.iter().take(LONGEST + 1).take_while(|byte| byte.is_ascii_digit()).count();
            read.groups[read.count] = &rest[..length];
            read.count += 1;
            rest = &rest[length..];
            read.end = rest.first().copied();
            match rest {
                [b' ' | b'-' | b'.' | b'/', digit, ..] if digit.is_ascii_digit() && read.count < MOST => {
                    read.separators[read.count - 1] = rest[0];
                    rest = &rest[1..];
                }
                _ => return read,
            }
        }
    }

    /// The first groups, where they have exactly these lengths, one separator of `separators` throughout, and the
    /// number ends there: no digit, letter or further hyphen follows.
    pub(super) fn shaped(&self, lengths: &[usize], separators: &[u8]) -> Option<Vec<u8>> {
        let groups = self.groups.get(..lengths.len())?;
        if self.count < lengths.len()
            || groups.iter().zip(lengths).any(|(group, length)| group.len() != *length)
        {
            return None;
        }
        let between = &self.separators[..lengths.len() - 1];
        let uniform = between.iter().all(|sign| *sign == between[0] && separators.contains(sign));
        (uniform && self.ends_after(lengths.len())).then(|| groups.concat())
    }

    /// How many groups were read; at least one.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The first `count` groups, or all where fewer were read.
    pub(super) fn first(&self, count: usize) -> &[&'a [u8]] {
        &self.groups[..count.min(self.count)]
    }

    /// The separators between the first `count` groups, which are at least one and no more than were read.
    pub(super) fn separators(&self, count: usize) -> &[u8] {
        &self.separators[..count - 1]
    }

    /// Whether the number may end after `count` groups.
    pub(super) fn ends_after(&self, count: usize) -> bool {
        if count < self.count {
            // More groups follow: a space, or the end of a sentence, ends the number; a hyphen or dot continues it.
            return self.separators[count - 1] == b' ';
        }
        !self.end.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    }
}
