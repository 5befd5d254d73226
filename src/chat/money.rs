//! Money in whole millionths of a dollar. Never a float, except on the way to a display or a metric.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// Millionths of a US dollar. May be negative: a saving can be a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Dollars as a float, for metrics and displays only.
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add for Micros {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Micros {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Micros {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// Dollars with six decimals, exact: `$0.000150`, `-$1.250000`.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs();
        f.pad(&format!("{sign}${}.{:06}", whole / 1_000_000, whole % 1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_exact_dollars() {
        assert_eq!(Micros(150).to_string(), "$0.000150");
        assert_eq!(Micros(-1_250_000).to_string(), "-$1.250000");
        assert_eq!(Micros(i64::MIN).to_string(), "-$9223372036854.775808");
    }

    #[test]
    fn saturates_instead_of_wrapping() {
        assert_eq!(Micros(i64::MAX) + Micros(1), Micros(i64::MAX));
        assert_eq!([Micros(1), Micros(2)].into_iter().sum::<Micros>(), Micros(3));
    }
}
