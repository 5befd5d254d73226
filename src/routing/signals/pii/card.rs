//! Payment cards: 13 to 19 digits, unbroken or grouped as cards are, with an issuer's prefix and a valid Luhn digit.

use super::digits::Groups;

/// How card numbers are grouped: unbroken, fours, American Express, Diners Club.
const SHAPES: &[&[usize]] = &[
    &[13],
    &[14],
    &[15],
    &[16],
    &[17],
    &[18],
    &[19],
    &[4, 4, 4, 4],
    &[4, 4, 4, 4, 3],
    &[4, 6, 5],
    &[4, 6, 4],
];

/// Whether the groups write a card's number.
pub(super) fn is_card(groups: &Groups<'_>) -> bool {
    SHAPES
        .iter()
        .filter_map(|shape| groups.shaped(shape, b" -"))
        .any(|digits| has_issuer(&digits) && luhn(&digits) && digits.iter().any(|digit| *digit != digits[0]))
}

/// Visa, Mastercard, American Express, Diners Club, Discover, JCB, Maestro and UnionPay, by prefix and length.
fn has_issuer(digits: &[u8]) -> bool {
    let prefix = digits[..4].iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    match digits.len() {
        13 => prefix / 1000 == 4,
        14 => matches!(prefix / 10, 300..=305) || matches!(prefix / 100, 36 | 38 | 39),
        15 => matches!(prefix / 100, 34 | 37),
        16 => {
            prefix / 1000 == 4
                || matches!(prefix / 100, 51..=55)
                || matches!(prefix, 2221..=2720 | 3528..=3589 | 6011)
                || matches!(prefix / 100, 62 | 65)
                || matches!(prefix / 10, 644..=649)
        }
        17..=19 => {
            matches!(prefix / 100, 62 | 50 | 56..=58 | 63 | 67) || (digits.len() == 19 && prefix / 1000 == 4)
        }
        _ => false,
    }
}

/// The Luhn check of ISO/IEC 7812.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}
