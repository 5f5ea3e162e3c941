//! What can go back, and who bears it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::orders::Line;
use crate::payments::payment::RefundedLine;

/// What can still go back, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::payments) struct Refundable {
    /// What arrived.
    pub captured: i64,
    /// What went back, with the refunds that Stripe has taken on.
    pub refunded: i64,
    /// What was asked for and is not known to Stripe yet, or not known to be.
    pub in_flight: i64,
}

/// Why a refund cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::payments) enum RefundFault {
    /// Nothing was captured.
    NotPaid,
    /// All of it goes back already.
    NothingLeft,
    /// More than this is left for nobody; minor units.
    TooMuch { left: i64 },
    /// The lines do not exist or have fewer pieces left.
    Lines(String),
}

impl Refundable {
    /// What is left, in minor units.
    pub(in crate::payments) fn left(self) -> i64 {
        (self.captured - self.refunded - self.in_flight).max(0)
    }

    /// The amount of a refund: what was asked, or all that is left.
    pub(in crate::payments) fn amount(self, asked: Option<i64>) -> Result<i64, RefundFault> {
        match (self.left(), asked) {
            _ if self.captured == 0 => Err(RefundFault::NotPaid),
            (0, _) => Err(RefundFault::NothingLeft),
            (left, Some(asked)) if asked > left => Err(RefundFault::TooMuch { left }),
            (left, asked) => Ok(asked.unwrap_or(left)),
        }
    }
}

/// What lines come to in minor units, checked against what of them is left.
pub(in crate::payments) fn check_lines(lines: &[Line], asked: &[RefundedLine]) -> Result<i64, RefundFault> {
    let mut amount: i64 = 0;
    for (at, piece) in asked.iter().enumerate() {
        let fault = |why: String| Err(RefundFault::Lines(format!("lines[{at}]: {why}")));
        let position = usize::try_from(piece.position).unwrap_or_default();
        let Some(line) = position.checked_sub(1).and_then(|index| lines.get(index)) else {
            return fault(format!("the order has no line {position}"));
        };
        if asked[..at].iter().any(|other| other.position == piece.position) {
            return fault(format!("line {position} is there twice"));
        }
        let left = line.quantity - line.refunded;
        if !(1..=left).contains(&piece.quantity) {
            return fault(format!("{left} of {:?} are left to take back", line.sku));
        }
        amount = amount.saturating_add(line.unit_amount.saturating_mul(piece.quantity));
    }
    Ok(amount)
}

/// Who bears a refund of a payment that went to a connected account. Minor units; what each pays sums to the refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Bearing {
    /// What the customer gets.
    pub customer_gets: i64,
    /// What leaves the platform's balance in the end.
    pub platform_bears: i64,
    /// What leaves the connected account's balance in the end.
    pub account_bears: i64,
    /// What of the transfer is taken back from the connected account.
    pub transfer_reversed: i64,
    /// What of the commission goes back to the connected account.
    pub application_fee_refunded: i64,
}

/// A charge with an application fee, of which money goes back. Minor units.
#[derive(Clone, Copy, Debug)]
pub(in crate::payments) struct Shared {
    /// What was captured.
    pub captured: i64,
    /// What went back before.
    pub refunded: i64,
    /// What the platform kept.
    pub fee: i64,
}

impl Shared {
    /// Who bears a refund of `amount`.
    ///
    /// Stripe transfers the whole charge and takes the fee out of the connected account again; both flags act in
    /// proportion to what is refunded, and both default to no. Source: Stripe, "Destination charges", refunds. How it
    /// rounds is not published: here the shares of all refunds come to the whole fee. What Stripe itself keeps of the
    /// payment is not given back and is borne by the platform; it is not in these numbers.
    pub fn bearing(self, amount: i64, reverse_transfer: bool, refund_application_fee: bool) -> Bearing {
        let fee_part = self.fee_on(self.refunded + amount) - self.fee_on(self.refunded);
        let application_fee_refunded = if refund_application_fee { fee_part } else { 0 };
        let transfer_reversed = if reverse_transfer { amount } else { 0 };
        let account_bears = transfer_reversed - application_fee_refunded;
        Bearing {
            customer_gets: amount,
            platform_bears: amount - account_bears,
            account_bears,
            transfer_reversed,
            application_fee_refunded,
        }
    }

    /// The share of the fee in a part of what was captured, rounded half up.
    fn fee_on(self, part: i64) -> i64 {
        let captured = i128::from(self.captured.max(1));
        let twice = i128::from(self.fee) * i128::from(part) * 2 + captured;
        i64::try_from(twice / (captured * 2)).unwrap_or(self.fee)
    }
}
