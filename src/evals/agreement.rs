//! How much two answers to the same question agree, by the words they share. It says nothing of which is better: two
//! wrong answers may agree, and two right ones differ. Named for what it is wherever it is shown.

use super::scorer::token_f1::f1;

/// F1 of the words of both answers, in `[0, 1]`, after SQuAD's normalisation (see the scorer `token_f1`). Symmetric.
pub fn agreement(one: &str, other: &str) -> f64 {
    f1(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_symmetric_and_between_0_and_1() {
        assert_eq!(agreement("Billing.", "billing"), 1.0);
        assert_eq!(agreement("billing", "shipping"), 0.0);
        let (one, other) = ("the parcel is late", "my parcel is very late today");
        assert_eq!(agreement(one, other), agreement(other, one));
        assert!((agreement(one, other) - 2.0 * 3.0 / 9.0).abs() < 1e-12);
    }
}
