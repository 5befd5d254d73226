//! Phone numbers: international ones (`+49 170 1234567`), North American ones, national ones with a leading zero and
//! separators, and any run of digits right after a word such as "phone". Bare runs of digits alone are no phone number.

use super::digits::Groups;
use super::glued;

/// Words that say that a phone number follows. No letter stands right before them; a letter with an accent may.
const WORDS: &[&str] = &[
    "phone",
    "phones",
    "telephone",
    "cellphone",
    "telefon",
    "telefone",
    "telefono",
    "teléfono",
    "telefoon",
    "telefonisch",
    "tel",
    "tél",
    "fax",
    "telefax",
    "mobile",
    "mobil",
    "cell",
    "whatsapp",
    "call me",
];
/// What may stand between such a word and the number beside signs and digits: short words, of which none ends in one that
/// stands before it, and the escapes of JSON within a JSON string.
const BETWEEN: &[&str] = &[
    "numbers", "private", "number", "nummer", "numero", "número", "office", "privat", "under", "unter",
    "home", "work", "back", "num", "ist", "are", "via", "no", "nr", "is", "at", "on", "to", "me", "\\n",
    "\\r", "\\t", "please", "value", "was", "ext", "for", "of", "us", "'s",
];
/// How far before the number such a word may begin.
const NEAR: usize = 32;

/// Whether the `+` at `at` begins an international number: 8 to 15 digits (E.164), not a sum. What follows behind a space
/// once there are that many may be another number, such as a postcode.
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
            b' ' if digits >= 8 => return true,
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

/// `030 1234567`, `0170/1234567`, `07911 123456`, `0049 170 1234567`, `06 12 34 56 78`, and any of them before other
/// groups behind a space.
fn leading_zero(groups: &Groups<'_>) -> bool {
    groups.first(1)[0].starts_with(b"0")
        && (2..=groups.count()).any(|count| groups.ends_after(count) && is_dialled(groups, count))
}

/// Whether the first `count` groups, which begin with a zero, have the form of a number that is dialled.
fn is_dialled(groups: &Groups<'_>, count: usize) -> bool {
    let lengths: Vec<usize> = groups.first(count).iter().map(|group| group.len()).collect();
    let digits = groups.first(count).concat();
    let written = groups.separators(count).iter().all(|sign| b" -/".contains(sign));
    // Binary numbers in groups look alike, and so does the beginning of a list in which all are of one length.
    let varied = digits.iter().any(|digit| *digit > b'1');
    let further = groups.first(count + 1);
    let listed = further.len() > count && further.iter().all(|group| group.len() == lengths[0]);
    if !written || !varied || listed {
        return false;
    }
    let french = lengths == [2; 5] && digits[1] != b'0';
    let trunk = (3..=6).contains(&lengths[0]) && digits[1] != b'0' && (9..=12).contains(&digits.len());
    let abroad =
        lengths[0] == 4 && digits[1] == b'0' && digits[2] != b'0' && (11..=16).contains(&digits.len());
    french || trunk || abroad
}

/// Seven to fifteen digits, alone or before other groups behind a space, right after a word that announces them.
fn announced(text: &[u8], at: usize, groups: &Groups<'_>) -> bool {
    let fits = |count: usize| {
        let digits: usize = groups.first(count).iter().map(|group| group.len()).sum();
        let ends = count == groups.count() || groups.ends_after(count);
        ends && (7..=15).contains(&digits) && !holds_date(groups, count)
    };
    (1..=groups.count()).any(fits) && announces(&text[at.saturating_sub(NEAR)..at])
}

/// Whether three of the first `count` groups write a day, the year first or last: `2024-01-15`, `15.01.2024`.
fn holds_date(groups: &Groups<'_>, count: usize) -> bool {
    let is_year = |group: &[u8]| group.len() == 4 && (group.starts_with(b"19") || group.starts_with(b"20"));
    let is_day = |group: &[u8]| matches!(group, [_] | [b'0'..=b'2', _] | [b'3', b'0' | b'1']);
    let signs = groups.separators(count).windows(2);
    groups.first(count).windows(3).zip(signs).any(|(parts, signs)| {
        let ordered = is_year(parts[0]) && is_day(parts[2]) || is_day(parts[0]) && is_year(parts[2]);
        ordered && is_day(parts[1]) && signs[0] == signs[1] && signs[0] != b' '
    })
}

/// Whether a text ends as a label does (`Phone (Ana): `, `"phone": "`), with such a word in its last sentence.
fn is_labelled(before: &[u8]) -> bool {
    let label = before.trim_ascii_end();
    if !label.last().is_some_and(|byte| b":=(\"".contains(byte)) {
        return false;
    }
    let ends = |at: &usize| b"?!".contains(&label[*at]) || label[*at..].starts_with(b". ");
    let begin = (0..label.len()).rev().find(ends).map_or(0, |at| at + 1);
    let sentence = &label[begin..];
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
    // Where a word begins alone: lists of bare numbers have no such place, and cost next to nothing.
    let begins = |at: &usize| is_letter(sentence.get(*at)) && !is_letter(sentence[..*at].last());
    (0..sentence.len()).filter(begins).any(|at| {
        let rest = &sentence[at..];
        WORDS.iter().any(|word| rest.starts_with(word.as_bytes()) && !is_letter(rest.get(word.len())))
    })
}

/// Whether a text ends in a word that announces a phone number, what may stand between aside.
fn announces(before: &[u8]) -> bool {
    let before = before.to_ascii_lowercase();
    if is_labelled(&before) {
        return true;
    }
    let mut rest = &before[..];
    loop {
        let end = rest.iter().rposition(|byte| byte.is_ascii_alphabetic() || b"?!".contains(byte));
        rest = &rest[..end.map_or(0, |last| last + 1)];
        let mut words = WORDS.iter().filter_map(|word| rest.strip_suffix(word.as_bytes()));
        if words.any(|left| left.last().is_none_or(|byte| !byte.is_ascii_alphabetic())) {
            return true;
        }
        let shorter = BETWEEN.iter().find_map(|word| rest.strip_suffix(word.as_bytes()));
        let Some(shorter) = shorter else { return false };
        rest = shorter;
    }
}
