//! JSON in which a character is cut in two: some upstreams split texts between UTF-16 units and escape each half.
//! Promises: a half without its other half is read as U+FFFD, and only where the JSON cannot be read as it stands.

use serde::Deserialize;
use serde_json::Value;

/// Reads a body's JSON as tolerantly as the answers and errors here are read; `None` when it is none.
pub fn read_json(body: &[u8]) -> Option<Value> {
    parse(std::str::from_utf8(body).ok()?, &mut None)
}

/// Reads `text`, or else a copy of it with every half replaced, which `copy` then holds.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str, copy: &'a mut Option<String>) -> Option<T> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    serde_json::from_str(copy.insert(replaced(text)?)).ok()
}

/// The text with `\ufffd` in place of each half; `None` where there is none.
fn replaced(text: &str) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let (mut at, mut halves) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', bytes.get(at..)?) {
        at += found;
        at += match (unit(&bytes, at), unit(&bytes, at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                bytes[at..at + ESCAPE].copy_from_slice(br"\ufffd");
                halves += 1;
                ESCAPE
            }
            // The escaped character may be a backslash.
            _ => 2,
        };
    }
    (halves > 0).then(|| String::from_utf8(bytes).ok()).flatten()
}

/// Bytes of `\uXXXX`.
const ESCAPE: usize = 6;

/// The UTF-16 unit whose escape begins there.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + ESCAPE)?.strip_prefix(br"\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_are_replaced() {
        let cases = [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\uDD80""#, "\u{fffd}"),
            (r#""a\ud83e\ud83e\udd80\ud83e""#, "a\u{fffd}🦀\u{fffd}"),
            (r#""\udd80\ud83e""#, "\u{fffd}\u{fffd}"),
            (r#""\\ud83d\ud83d\n""#, "\\ud83d\u{fffd}\n"),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse::<String>(text, &mut None).as_deref(), Some(wanted), "{text}");
        }
        for text in [r#""\ud83e\udd80""#, "\"ä\"", r"\", r"\u", r"\ud8", r#""\u+d83d""#] {
            assert_eq!(replaced(text), None, "{text}");
        }
    }
}
