//! Every decision about a fulfilment, pure: no clock, no chance, no SQL, no HTTP.
//!
//! [`judge`] decides what a claim does with a fulfilment that is due, [`after`] what follows an attempt's outcome.

use std::time::Duration;

use time::OffsetDateTime;

use super::outcome::Outcome;
use crate::orders::{FulfilmentStatus, PaymentStatus};

/// How soon one that is not ready is looked at again. A safety net: what releases a hold also wakes it.
pub(super) const RECHECK: Duration = Duration::from_secs(60);

/// No wait between two attempts is longer, but for what the jitter adds to a provider's wish.
const LONGEST_BACKOFF: Duration = Duration::from_secs(6 * 60 * 60);

/// A provider's `Retry-After` counts up to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// What the claim knows of an order.
#[derive(Clone, Debug)]
pub(super) struct OrderFacts {
    pub payment_status: PaymentStatus,
    pub open_holds: i32,
    /// The kinds of the open holds, for the reason.
    pub holds: Vec<String>,
}

/// What the claim knows of a fulfilment that is due.
#[derive(Clone, Debug)]
pub(super) struct DueFacts {
    pub order: OrderFacts,
    /// Attempts begun so far.
    pub attempts: i32,
    /// The provider may have it: the last attempt ended unknown, or its worker died.
    pub in_doubt: bool,
    /// The worker of the last attempt died: it was in progress, and its lease is over.
    pub died: bool,
}

/// Whether an order may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// Not now, and why.
    NotReady(String),
    /// Never again, and why.
    CalledOff(String),
}

/// What a claim does with a fulfilment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Make an attempt. Without `may_send` it only asks what became of the earlier ones.
    Attempt { may_send: bool },
    /// Look again after [`RECHECK`]; no attempt is used up.
    Wait { reason: String },
    /// Nothing is to be sent any more.
    Cancel { reason: String },
    /// Attempts are used up.
    GiveUp { reason: String },
}

/// How often and how soon is tried again.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryPolicy {
    pub base: Duration,
    pub max_attempts: i32,
}

/// What a fulfilment becomes, with what its state needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    InProgress { lease_holder: String, lease_until: OffsetDateTime, provider: &'static str },
    Queued { at: OffsetDateTime, reason: String },
    Fulfilled { reference: Option<String> },
    Rejected { reason: String },
    Failed { reason: String },
    Cancelled { reason: String },
}

impl Next {
    /// The value of `fulfilments.state`.
    pub(super) fn state(&self) -> &'static str {
        match self {
            Self::InProgress { .. } => "in_progress",
            Self::Queued { .. } => "queued",
            Self::Fulfilled { .. } => "fulfilled",
            Self::Rejected { .. } => "rejected",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Why, where the state does not speak for itself.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::InProgress { .. } | Self::Fulfilled { .. } => None,
            Self::Queued { reason, .. }
            | Self::Rejected { reason }
            | Self::Failed { reason }
            | Self::Cancelled { reason } => Some(reason),
        }
    }

    /// Where the order's axis stands when its only fulfilment stands here.
    pub(super) fn axis(&self) -> FulfilmentStatus {
        match self {
            Self::InProgress { .. } => FulfilmentStatus::InProgress,
            Self::Queued { .. } => FulfilmentStatus::Queued,
            Self::Fulfilled { .. } => FulfilmentStatus::Fulfilled,
            Self::Rejected { .. } | Self::Failed { .. } => FulfilmentStatus::Failed,
            Self::Cancelled { .. } => FulfilmentStatus::Cancelled,
        }
    }

    /// Whether nothing follows by itself.
    pub(super) fn is_end(&self) -> bool {
        !matches!(self, Self::InProgress { .. } | Self::Queued { .. })
    }
}

/// Judges whether an order may be sent now: refunded beats held beats unpaid, since that is what people ask first.
pub(super) fn readiness(order: &OrderFacts) -> Readiness {
    if order.payment_status == PaymentStatus::Refunded {
        Readiness::CalledOff("refunded".to_owned())
    } else if order.open_holds > 0 && order.holds.is_empty() {
        Readiness::NotReady("on hold".to_owned())
    } else if order.open_holds > 0 {
        Readiness::NotReady(format!("on hold: {}", order.holds.join(", ")))
    } else if !order.payment_status.is_covered() {
        Readiness::NotReady(format!("not paid: {}", order.payment_status))
    } else {
        Readiness::Ready
    }
}

/// Decides what a claim does with a fulfilment that is due.
///
/// A called-off one that is in doubt is asked about before it is cancelled: "cancelled" must be true. One whose worker
/// died in its last attempt is given up, else an order that kills workers would do so for ever.
pub(super) fn judge(due: &DueFacts, policy: &RetryPolicy) -> Verdict {
    if due.died && due.attempts >= policy.max_attempts {
        return Verdict::GiveUp {
            reason: used_up(due.attempts, "its worker died, so the provider may have it"),
        };
    }
    match readiness(&due.order) {
        Readiness::Ready => Verdict::Attempt { may_send: true },
        Readiness::CalledOff(_) if due.in_doubt => Verdict::Attempt { may_send: false },
        Readiness::CalledOff(reason) => Verdict::Cancel { reason },
        Readiness::NotReady(reason) => Verdict::Wait { reason },
    }
}

/// Decides what follows the outcome of attempt number `attempt`. `spread`, from 0 to 1, is the chance in the wait.
pub(super) fn after(
    outcome: &Outcome,
    attempt: i32,
    policy: &RetryPolicy,
    spread: f64,
    now: OffsetDateTime,
) -> Next {
    match outcome {
        Outcome::Fulfilled { reference } => Next::Fulfilled { reference: reference.clone() },
        Outcome::Rejected { why } => Next::Rejected { reason: why.clone() },
        Outcome::NotDone { why, .. } if attempt >= policy.max_attempts => {
            Next::Failed { reason: used_up(attempt, why) }
        }
        Outcome::Unknown { why, .. } if attempt >= policy.max_attempts => {
            Next::Failed { reason: used_up(attempt, &format!("the provider may have it; {why}")) }
        }
        Outcome::NotDone { why, retry_after } | Outcome::Unknown { why, retry_after } => {
            Next::Queued { at: now + wait(policy.base, attempt, *retry_after, spread), reason: why.clone() }
        }
    }
}

/// How long to wait after attempt number `attempt`: it doubles from `base`, and chance takes up to half of it off, so
/// that what failed together does not come back together. A provider's wish is a lower bound, with a tenth for chance.
pub(super) fn wait(base: Duration, attempt: i32, retry_after: Option<Duration>, spread: f64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(31);
    let full = base.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    let spread = spread.clamp(0.0, 1.0);
    let backoff = full.mul_f64(0.5 + spread / 2.0);
    match retry_after {
        None => backoff,
        Some(wish) => backoff.max(wish.min(LONGEST_RETRY_AFTER).mul_f64(1.0 + spread / 10.0)),
    }
}

fn used_up(attempts: i32, last: &str) -> String {
    format!("gave up after {attempts} attempts; the last: {last}")
}

#[cfg(test)]
mod tests;
