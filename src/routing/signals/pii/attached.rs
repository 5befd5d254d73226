//! Files that stand in a request's body, as base64 or behind `data:TYPE,`. Hands out the text in them, which is scanned
//! like any other, and tells what says that it is text and cannot be read. Pictures, sounds, PDFs and other bytes are
//! not looked into.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// With or without its padding.
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Signs by which a picture is known to be no text, without decoding all of it. A multiple of four, as base64 is read.
const BEGINNING: usize = 1024;

/// What a field holds that a file may stand in.
pub(super) enum Attached {
    /// Bytes that are no text, or no file.
    Bytes,
    /// A file's text.
    Text(String),
    /// It says that it is text, and cannot be read.
    Unreadable,
}

/// Reads a field's JSON value.
pub(super) fn read(json: &str) -> Attached {
    let Some(string) = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) else {
        return Attached::Bytes;
    };
    let field: Result<Cow<'_, str>, _> = if string.contains('\\') {
        serde_json::from_str::<String>(json).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(string))
    };
    let Ok(field) = field else { return Attached::Unreadable };
    let field: &str = &field;
    let (kind, data) = data_url(field).unwrap_or((";base64", field));
    if !is_base64(kind) {
        return Attached::Text(without_percent(data));
    }
    if !says_text(kind) {
        return text(data).map_or(Attached::Bytes, Attached::Text);
    }
    match decoded(data, usize::MAX) {
        Some(bytes) if !bytes.contains(&0) => Attached::Text(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Attached::Unreadable,
    }
}

/// Type and data of an address of the form `data:TYPE,DATA`.
pub(super) fn data_url(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_at_checked("data:".len())?;
    rest.split_once(',').filter(|_| scheme.eq_ignore_ascii_case("data:"))
}

/// Whether data of this type stands as base64.
pub(super) fn is_base64(kind: &str) -> bool {
    kind.rsplit_once(';').is_some_and(|(_, form)| form.trim().eq_ignore_ascii_case("base64"))
}

fn says_text(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    kind.starts_with("text/") || kind.starts_with("application/json")
}

/// What base64 of another type, or of none, says where it is text all the same: no PDF, and no control characters.
fn text(data: &str) -> Option<String> {
    let is_plain = |byte: &u8| *byte >= b' ' || matches!(*byte, b'\t' | b'\n' | b'\r' | 0x0C);
    let beginning = decoded(data, BEGINNING)?;
    if beginning.starts_with(b"%PDF") || !beginning.iter().all(is_plain) {
        return None;
    }
    let bytes = decoded(data, usize::MAX)?;
    (!bytes.contains(&0)).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes of the first `most` signs, blanks left out; of either alphabet, the usual or that of addresses.
fn decoded(data: &str, most: usize) -> Option<Vec<u8>> {
    let signs = data.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let signs = signs.map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    });
    BASE64.decode(signs.take(most).collect::<Vec<u8>>()).ok()
}

/// Data of an address with its `%40` as the signs that they stand for.
fn without_percent(data: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(data.len());
    let mut rest = data.as_bytes();
    while let [first, behind @ ..] = rest {
        let coded = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match coded.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
