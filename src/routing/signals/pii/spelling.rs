//! Other spellings of the signs that the scanners know: escapes of JSON within a text (`\u002B`, `\/`, behind any number
//! of backslashes), spaces that break no line or have another width, typographic hyphens. Promises: linear on any input,
//! and no copy of a text that holds none. Other escapes stay; the scanners know them as they are.

use std::ops::Range;

/// Most digits between two hyphens of a number that we know.
const GROUP: usize = 6;

/// Where a sign stands, and the one to read in its place.
type Spelled = (Range<usize>, char);

/// The text with the plain signs in place of such; `None` where it holds none.
pub(super) fn plain(text: &[u8]) -> Option<Vec<u8>> {
    let unescaped = replaced(text, memchr::memchr_iter(b'\\', text), escape);
    let read = unescaped.as_deref().unwrap_or(text);
    let plain = replaced(read, memchr::memchr2_iter(0xC2, 0xE2, read), typographic);
    plain.or(unescaped)
}

/// The text with another sign at each of the places that `read` knows; they stand in order.
fn replaced(
    text: &[u8],
    places: impl Iterator<Item = usize>,
    read: impl Fn(&[u8], usize) -> Option<Spelled>,
) -> Option<Vec<u8>> {
    let mut copy = vec![];
    let mut from = 0;
    for (place, sign) in places.filter_map(|at| read(text, at)) {
        if from == 0 {
            copy.reserve(text.len());
        }
        copy.extend_from_slice(&text[from..place.start]);
        copy.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
        from = place.end;
    }
    if from == 0 {
        return None;
    }
    copy.extend_from_slice(&text[from..]);
    Some(copy)
}

/// The escape whose last backslash stands at `at`. Half a character is U+FFFD: no scanner asks for more.
fn escape(text: &[u8], at: usize) -> Option<Spelled> {
    let (length, sign) = match &text[at + 1..] {
        [b'/', ..] => (2, '/'),
        [b'u', digits @ ..] => (6, char::from_u32(unit(digits)?).unwrap_or(char::REPLACEMENT_CHARACTER)),
        _ => return None,
    };
    let backslashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
    Some((at - backslashes..at + length, sign))
}

/// The UTF-16 unit that the first four digits write.
fn unit(digits: &[u8]) -> Option<u32> {
    let mut digits = digits.first_chunk::<4>()?.iter();
    digits.try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

/// The space or hyphen at `at` that is not ASCII's.
fn typographic(text: &[u8], at: usize) -> Option<Spelled> {
    let (length, sign) = match &text[at..] {
        [0xC2, 0xA0, ..] => (2, ' '),
        // U+2000 to U+200A, and U+202F.
        [0xE2, 0x80, 0x80..=0x8A | 0xAF, ..] => (3, ' '),
        // Hyphens and the figure dash; the longer dashes.
        [0xE2, 0x80, 0x90..=0x92, ..] => (3, '-'),
        [0xE2, 0x80, 0x93..=0x95, ..] if is_one_of_two(text, at) => (3, '-'),
        _ => return None,
    };
    Some((at..at + length, sign))
}

/// Whether a dash like the one at `at` stands before or behind it, with digits alone between them. One alone writes a
/// span (`1990–1995`), several a number.
fn is_one_of_two(text: &[u8], at: usize) -> bool {
    let (before, rest) = text.split_at(at);
    let (dash, behind) = rest.split_at(3);
    let left = before.iter().rev().take(GROUP).take_while(|byte| byte.is_ascii_digit()).count();
    let right = behind.iter().take(GROUP).take_while(|byte| byte.is_ascii_digit()).count();
    left > 0 && before[..before.len() - left].ends_with(dash)
        || right > 0 && behind[right..].starts_with(dash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain_text(text: &str) -> Option<String> {
        plain(text.as_bytes()).map(|plain| String::from_utf8(plain).unwrap())
    }

    #[test]
    fn other_spellings_become_plain() {
        for (text, wanted) in [
            (r"\u002B49", "+49"),
            (r"a\\\\u0040b", "a@b"),
            (r"0170\/12\\/34", "0170/12/34"),
            (r"\n\u0040\\n", r"\n@\\n"),
            (r"\ud83d\ude00 \ud83d", "\u{fffd}\u{fffd} \u{fffd}"),
            (r"1\u00a02\u20113", "1 2-3"),
            (r"212\u2013555\\u20130123", "212-555-0123"),
            ("a\u{a0}b\u{2007}c\u{202f}", "a b c "),
            ("5\u{2010}6\u{2011}7\u{2012}8", "5-6-7-8"),
            ("4111–1111–1111–1111", "4111-1111-1111-1111"),
            ("1990–1995\u{a0}", "1990–1995 "),
        ] {
            assert_eq!(plain_text(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_plain_is_not_copied() {
        for text in [
            "",
            r"\",
            r"\u",
            r"\u00",
            r"\u+02B",
            r"C:\users\new, \n\t\d{3}\.",
            "„1990–1995“ – 5 °C, 3 €…",
            "1—2–3",
            "1234567–1234567–",
        ] {
            assert_eq!(plain_text(text), None, "{text}");
        }
    }
}
