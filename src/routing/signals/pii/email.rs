//! E-mail addresses: a local part, `@`, a domain of at least two labels that ends in letters. Around each `@` only as
//! much is read as an address may be long.

const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 253;

/// Whether the `@` at `at` stands in an address. `git@host:path` is a place, not a person.
pub(super) fn is_at(text: &[u8], at: usize) -> bool {
    let before = &text[at.saturating_sub(LONGEST_LOCAL)..at];
    let local = before.iter().rev().take_while(|byte| is_local(**byte)).count();
    let local = &before[before.len() - local..];
    if !local.iter().any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()) {
        return false;
    }
    let after = &text[at + 1..];
    let domain = after.iter().take(LONGEST_DOMAIN).take_while(|byte| is_domain(**byte)).count();
    if local == b"git" && after.get(domain) == Some(&b':') {
        return false;
    }
    is_host(&after[..domain])
}

/// At least two labels, the last one of two letters or more, a sentence's full stop aside.
fn is_host(domain: &[u8]) -> bool {
    let end = domain.iter().rposition(|byte| !matches!(byte, b'.' | b'-')).map_or(0, |last| last + 1);
    let mut labels = domain[..end].rsplit(|byte| *byte == b'.');
    let top = labels.next().unwrap_or_default();
    let letters = top.iter().all(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
    let rest: Vec<_> = labels.collect();
    top.len() >= 2 && letters && !rest.is_empty() && rest.iter().all(|label| !label.is_empty())
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._%+-'".contains(&byte) || !byte.is_ascii()
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' || !byte.is_ascii()
}
