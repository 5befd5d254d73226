//! Phone numbers: international ones (`+49 170 1234567`), North American ones, national ones with a leading zero and
//! separators, and any run of digits right after a word such as "phone". Bare runs of digits alone are no phone number.

use super::digits::Groups;
use super::glued;

/// Words that say that a phone number follows.
const WORDS: &[&[u8]] = &[b"phone", b"tel", b"mobile", b"cell", b"fax", b"whatsapp", b"call me", b"telefon"];
/// How far before the number such a word may stand.
const NEAR: usize = 24;

/// Whether the `+` at `at` begins an international number: 8 to 15 digits (E.164), not a sum.
pub(super) fn is_international(text: &[u8], at: usize) -> bool {
    if glued(text, at) || at > 0 && b"+)]}".contains(&text[at - 1]) {
        return false;
    }
    if !text.get(at + 1).is_some_and(|byte| (b'1'..=b'9').contains(byte)) {
        return false;
    }
    let mut digits = 0;
    let mut signs = 0;
    for byte in &text[at + 1..] {
        match byte {
            b'0'..=b'9' => (digits, signs) = (digits + 1, 0),
            b' ' | b'-' | b'.' | b'/' | b'(' | b')' if signs < 2 => signs += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' if signs == 0 => return false,
            _ => break,
        }
        if digits > 15 {
            return false;
        }
    }
    digits >= 8
}

/// Whether the groups that begin at `at` write a national number.
pub(super) fn is_national(text: &[u8], at: usize, groups: &Groups<'_>) -> bool {
    north_american(text, at, groups) || leading_zero(groups) || announced(text, at, groups)
}

/// `(212) 555-0123`, `212-555-0123`, `212.555.0123`, `1-212-555-0123`; area and exchange begin with 2 to 9.
fn north_american(text: &[u8], at: usize, groups: &Groups<'_>) -> bool {
    let plausible = |digits: &[u8]| digits[0] >= b'2' && digits[3] >= b'2';
    if groups.shaped(&[3, 3, 4], b"-. ").is_some_and(|digits| plausible(&digits)) {
        return true;
    }
    if groups.shaped(&[1, 3, 3, 4], b"-. ").is_some_and(|digits| digits[0] == b'1' && plausible(&digits[1..]))
    {
        return true;
    }
    let area = &text[at..text.len().min(at + 3)];
    let bracketed = at > 0 && text[at - 1] == b'(' && text.get(at + 3) == Some(&b')');
    if !bracketed || !area.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let rest = text[at + 4..].strip_prefix(b" ").unwrap_or(&text[at + 4..]);
    let local = Groups::read(rest).shaped(&[3, 4], b"-. ");
    local.is_some_and(|local| area[0] >= b'2' && local[0] >= b'2')
}

/// `030 1234567`, `0170/1234567`, `07911 123456`, `0049 170 1234567`, `06 12 34 56 78`.
fn leading_zero(groups: &Groups<'_>) -> bool {
    let lengths = groups.lengths();
    let digits = groups.digits();
    let separators = groups.separators();
    let written = separators.iter().all(|sign| b" -/".contains(sign)) && groups.ends_after(lengths.len());
    // Binary numbers in groups look alike.
    let varied = digits.iter().any(|digit| *digit > b'1');
    if digits[0] != b'0' || lengths.len() < 2 || !written || !varied {
        return false;
    }
    let french = lengths == [2; 5] && digits[1] != b'0';
    let trunk = (3..=6).contains(&lengths[0]) && digits[1] != b'0' && (9..=12).contains(&digits.len());
    let abroad =
        lengths[0] == 4 && digits[1] == b'0' && digits[2] != b'0' && (11..=16).contains(&digits.len());
    french || trunk || abroad
}

/// Seven to fifteen digits right after a word that announces them.
fn announced(text: &[u8], at: usize, groups: &Groups<'_>) -> bool {
    if !(7..=15).contains(&groups.digits().len()) {
        return false;
    }
    let near = text[at.saturating_sub(NEAR)..at].to_ascii_lowercase();
    WORDS.iter().any(|word| {
        near.windows(word.len())
            .enumerate()
            .any(|(place, window)| window == *word && (place == 0 || !near[place - 1].is_ascii_alphabetic()))
    })
}
