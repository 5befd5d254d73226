//! Whether a request holds personal data: e-mail addresses, phone numbers, payment cards, IBANs, US social
//! security numbers. Hand-written scanners, one pass over a text and one over its plain spelling where that is another,
//! bounded look-around, so linear on any input. Precise rather than complete: a check digit or a written form must confirm
//! each find. IP addresses are left out (versions look alike).

mod attached;
mod beside;
mod card;
mod digits;
mod email;
mod iban;
mod phone;
mod spelling;
mod ssn;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::chat::ChatRequest;

/// More text than this is not scanned, and what was not scanned counts as personal data.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What was found. Says the kind, never the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pii {
    /// Nothing.
    #[default]
    Absent,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A payment card's number.
    PaymentCard,
    /// A bank account's number.
    Iban,
    /// A US social security number.
    SocialSecurity,
    /// It could not be looked at. Counts as present.
    Unknown,
}

impl Pii {
    /// Whether rules must treat it as present: found, or not known to be absent.
    pub fn counts_as_present(self) -> bool {
        self != Self::Absent
    }
}

/// Scans every text and speaker's name of the conversation, and all of the body that stands beside them, files that are
/// text included.
pub(super) fn scan_request(request: &ChatRequest) -> Pii {
    let names = request.messages.iter().filter_map(|message| message.name.as_deref()).map(Cow::Borrowed);
    let body = &request.original.body;
    // The body holds the calls as they came; a request without one holds them only here.
    let calls = request.messages.iter().filter(|_| body.is_empty()).flat_map(|message| &message.tool_calls);
    let calls = calls.flat_map(|call| beside::texts(Cow::Owned(call.to_string())));
    let rest = if body.is_empty() { Some(vec![]) } else { beside::rest(body) };
    let Some(rest) = rest else { return Pii::Unknown };
    let rest = rest.into_iter().flat_map(beside::texts);
    scan_all(request.texts().map(Cow::Borrowed).chain(names).chain(calls).chain(rest), MAX_BYTES)
}

fn scan_all<'a>(texts: impl Iterator<Item = Cow<'a, str>>, most: usize) -> Pii {
    let mut left = most;
    for text in texts {
        match left.checked_sub(text.len()) {
            Some(rest) => left = rest,
            None => return Pii::Unknown,
        }
        let found = scan_text(text.as_bytes());
        if found.counts_as_present() {
            return found;
        }
    }
    Pii::Absent
}

/// The first kind found in one text, in its plain spelling where none is found in its own.
fn scan_text(text: &[u8]) -> Pii {
    match scan(text) {
        Pii::Absent => spelling::plain(text).map_or(Pii::Absent, |plain| scan(&plain)),
        found => found,
    }
}

/// The bytes at which something may begin or, for an address, may be known. Most of a text is passed over by them.
const BEGINS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        let char = byte as u8;
        table[byte] = matches!(char, b'@' | b'+' | b'0'..=b'9' | b'A'..=b'Z');
        byte += 1;
    }
    table
};

/// The first kind found in a text as it is spelled.
fn scan(text: &[u8]) -> Pii {
    let mut at = 0;
    while let Some(skipped) = text[at..].iter().position(|byte| BEGINS[usize::from(*byte)]) {
        at += skipped;
        let byte = text[at];
        if byte == b'@' && email::is_at(text, at) {
            return Pii::Email;
        }
        if byte == b'+' && phone::is_international(text, at) {
            return Pii::Phone;
        }
        if byte.is_ascii_uppercase() && begins_word(text, at) && iban::is_iban(&text[at..]) {
            return Pii::Iban;
        }
        if !byte.is_ascii_digit() {
            at += 1;
            continue;
        }
        if let Some(found) = begins_number(text, at).then(|| number(text, at)).flatten() {
            return found;
        }
        at += text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    Pii::Absent
}

/// What the digit groups that begin here write, if anything.
fn number(text: &[u8], at: usize) -> Option<Pii> {
    let groups = digits::Groups::read(&text[at..]);
    if ssn::is_ssn(&groups) {
        return Some(Pii::SocialSecurity);
    }
    if card::is_card(&groups) {
        return Some(Pii::PaymentCard);
    }
    phone::is_national(text, at, &groups).then_some(Pii::Phone)
}

/// A letter or digit stands before, and is no escape's letter: JSON within a JSON string keeps its own (`\n`).
fn glued(text: &[u8], at: usize) -> bool {
    match &text[..at] {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => false,
        [.., before] => before.is_ascii_alphanumeric(),
        [] => false,
    }
}

fn begins_word(text: &[u8], at: usize) -> bool {
    !glued(text, at)
}

/// A number begins here: not the rest of a word, of a decimal fraction or of a longer number with signs in it. Behind a
/// comma stands the next one of a list as often as a fraction, so that one begins there too.
fn begins_number(text: &[u8], at: usize) -> bool {
    match at.checked_sub(1).map(|before| text[before]) {
        _ if glued(text, at) => false,
        Some(b'_') => false,
        Some(b'.' | b'-' | b'/') => at < 2 || !text[at - 2].is_ascii_digit(),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
