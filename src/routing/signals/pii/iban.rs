//! IBANs (ISO 13616): country, two check digits, account, unbroken or in groups of four, with a valid remainder.

/// Shortest and longest IBAN of any country.
const LENGTHS: std::ops::RangeInclusive<usize> = 15..=34;

/// Lengths of countries with many accounts; others take any length in `LENGTHS`.
const KNOWN: &[(&[u8; 2], usize)] = &[
    (b"AT", 20),
    (b"BE", 16),
    (b"CH", 21),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"ES", 24),
    (b"FI", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GR", 27),
    (b"IE", 22),
    (b"IT", 27),
    (b"LU", 20),
    (b"NL", 18),
    (b"NO", 15),
    (b"PL", 28),
    (b"PT", 25),
    (b"SE", 24),
    (b"TR", 26),
];

/// Whether an IBAN begins here.
pub(super) fn is_iban(text: &[u8]) -> bool {
    let [first, second, check_1, check_2, ..] = text else { return false };
    if !second.is_ascii_uppercase() || !check_1.is_ascii_digit() || !check_2.is_ascii_digit() {
        return false;
    }
    let mut account = [0_u8; 35];
    let length = read(text, &mut account);
    let known = KNOWN.iter().find(|(country, _)| country[..] == [*first, *second]).map(|(_, length)| *length);
    match known {
        // Words may follow in the same form ("... 3000 EUR"), so the country's length decides where it ends.
        Some(expected) => length >= expected && remainder(&account[..expected]) == 1,
        None => LENGTHS.contains(&length) && remainder(&account[..length]) == 1,
    }
}

/// Copies capitals and digits, single spaces left out, up to one more than the longest IBAN.
fn read(text: &[u8], account: &mut [u8; 35]) -> usize {
    let mut length = 0;
    let mut spaced = false;
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'0'..=b'9' => {
                account[length] = *byte;
                length += 1;
                spaced = false;
                if length == account.len() {
                    break;
                }
            }
            b' ' if !spaced => spaced = true,
            _ => break,
        }
    }
    length
}

/// The IBAN's number modulo 97, letters as 10 to 35, the first four characters moved to the end.
fn remainder(account: &[u8]) -> u32 {
    account[4..].iter().chain(&account[..4]).fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    })
}
