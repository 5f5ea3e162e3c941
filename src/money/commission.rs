//! What the platform keeps of a payment: a fixed amount, a proportion, or both. Pure arithmetic.
//!
//! The proportion is rounded once, half up, to the minor unit; the fixed part is added; the sum is capped at what was
//! captured. Where less is captured than was authorised, the commission is worked out anew on what was captured: the
//! fixed part stays whole, the proportion follows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Currency, Money};

/// Basis points in a whole.
const WHOLE: i128 = 10_000;

/// A commission. Without either part it is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Commission {
    /// In minor units of the payment's currency; not negative.
    #[schema(minimum = 0)]
    pub fixed: i64,
    /// Hundredths of a per cent, 0 to 10000: 1200 keeps 12 % of the payment.
    #[schema(maximum = 10_000)]
    pub basis_points: u16,
}

impl Commission {
    /// The largest proportion: all of it.
    pub const MOST_BASIS_POINTS: u16 = 10_000;

    /// For people: `0.30 USD and 2.50 %`. The currency is that of the fixed part.
    pub fn in_words(self, currency: Option<Currency>) -> String {
        let share = format!("{}.{:02} %", self.basis_points / 100, self.basis_points % 100);
        match currency.filter(|_| self.fixed > 0) {
            Some(currency) => format!("{} and {share}", Money { amount: self.fixed, currency }),
            None => share,
        }
    }

    /// The fee on a captured amount, both in minor units: between nothing and all of it.
    pub fn fee(self, captured: i64) -> i64 {
        let captured = i128::from(captured.max(0));
        let share = (captured * i128::from(self.basis_points) + WHOLE / 2) / WHOLE;
        let fee = (i128::from(self.fixed.max(0)) + share).min(captured);
        i64::try_from(fee).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn commission(fixed: i64, basis_points: u16) -> Commission {
        Commission { fixed, basis_points }
    }

    #[test]
    fn a_taxi_ride_of_20_pounds_leaves_the_driver_17_60_of_it() {
        assert_eq!(commission(0, 1_200).fee(2_000), 240);
    }

    #[test]
    fn the_proportion_is_rounded_once_and_half_up() {
        for (captured, basis_points, fee) in [
            (1, 5_000, 1),
            (1, 4_999, 0),
            (3, 5_000, 2),
            (199, 250, 5),
            (99, 50, 0),
            (100, 50, 1),
            (0, 10_000, 0),
        ] {
            assert_eq!(commission(0, basis_points).fee(captured), fee, "{basis_points} of {captured}");
        }
    }

    #[test]
    fn a_fixed_part_is_added_after_rounding_and_the_sum_is_capped() {
        assert_eq!(commission(30, 290).fee(1_000), 59);
        assert_eq!(commission(30, 0).fee(1_000), 30);
        assert_eq!(commission(30, 290).fee(20), 20);
        assert_eq!(commission(i64::MAX, 10_000).fee(i64::MAX), i64::MAX);
        assert_eq!(commission(5, 10_000).fee(0), 0);
    }

    proptest! {
        #[test]
        fn a_fee_is_between_nothing_and_all_of_the_payment(
            fixed in 0..i64::MAX, basis_points in 0..=10_000_u16, captured in 0..i64::MAX,
        ) {
            let fee = commission(fixed, basis_points).fee(captured);

            prop_assert!((0..=captured).contains(&fee));
            prop_assert!(fee >= fixed.min(captured));
        }

        #[test]
        fn more_captured_never_means_less_fee_nor_less_for_the_account(
            fixed in 0..100_000_i64, basis_points in 0..=10_000_u16, captured in 0..1_000_000_000_i64, more in 0..10_000_i64,
        ) {
            let commission = commission(fixed, basis_points);
            let (less, greater) = (commission.fee(captured), commission.fee(captured + more));

            prop_assert!(greater >= less);
            prop_assert!(captured + more - greater >= captured - less);
        }

        #[test]
        fn below_the_cap_the_fee_is_off_by_half_a_unit_at_most(
            fixed in 0..1_000_i64, basis_points in 0..=9_000_u16, captured in 100_000..1_000_000_000_i64,
        ) {
            let fee = commission(fixed, basis_points).fee(captured);
            let exact = i128::from(captured) * i128::from(basis_points);
            let off = (i128::from(fee - fixed) * WHOLE - exact).abs();

            prop_assert!(off * 2 <= WHOLE);
        }
    }
}
