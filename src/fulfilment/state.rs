//! Every decision about a fulfilment, pure: no clock, no chance, no SQL, no HTTP.
//!
//! [`judge`] decides what a claim does with a fulfilment that is due, [`after`] and [`after_recall`] what follows an
//! attempt, [`why_to_recall`] whether what was sent must be asked back.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::outcome::{Outcome, Recall, Receipt};
use crate::orders::{HoldKind, PaymentStatus};

mod axis;
mod breaker;
mod facts;
mod schedule;
mod told;

pub(super) use axis::{Part, axis};
pub(super) use breaker::{Health, Leave, Tally};
pub(super) use facts::{Facts, LineFacts, OrderFacts, RecallOutcome, RecallsFrom, State};
pub(super) use schedule::{RetryPolicy, Tried};
pub(super) use told::{Present, told};

/// How soon one that is not ready is looked at again. A safety net: what releases a hold also wakes it.
pub(super) const RECHECK: Duration = Duration::from_secs(60);

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
    Send { may_send: bool },
    /// Ask for what was sent not to leave.
    Recall,
    /// Look again then; no attempt is used up, and the series of tries ends.
    Wait { until: OffsetDateTime, reason: String },
    /// Nothing is to be sent any more.
    Cancel { reason: String },
    /// All that is to be sent has left.
    Complete,
    /// It need not be recalled any more.
    Return { to: RecallsFrom, reason: String },
}

/// What a fulfilment becomes, with what its state needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    InProgress {
        lease_holder: String,
        lease_until: OffsetDateTime,
    },
    Queued {
        at: OffsetDateTime,
        reason: String,
    },
    /// The provider has it and tells later what becomes of it.
    Accepted {
        receipt: Receipt,
    },
    /// The provider is to be asked not to send it.
    Recalling {
        at: OffsetDateTime,
        from: RecallsFrom,
        reason: String,
    },
    /// It was not recalled: it is where it was.
    Returned {
        to: RecallsFrom,
        reason: String,
    },
    Fulfilled {
        receipt: Receipt,
    },
    Rejected {
        reason: String,
    },
    Failed {
        reason: String,
    },
    Cancelled {
        reason: String,
    },
}

/// What follows an attempt to recall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AfterRecall {
    pub next: Next,
    /// How the recall ended, if it did.
    pub outcome: Option<RecallOutcome>,
}

impl Next {
    /// Where it stands then.
    pub(super) fn state(&self) -> State {
        match self {
            Self::InProgress { .. } => State::InProgress,
            Self::Queued { .. } => State::Queued,
            Self::Recalling { .. } => State::Recalling,
            Self::Accepted { .. } | Self::Returned { to: RecallsFrom::Accepted, .. } => State::Accepted,
            Self::Fulfilled { .. } | Self::Returned { to: RecallsFrom::Fulfilled, .. } => State::Fulfilled,
            Self::Rejected { .. } => State::Rejected,
            Self::Failed { .. } => State::Failed,
            Self::Cancelled { .. } => State::Cancelled,
        }
    }

    /// Why, where the state does not speak for itself.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::InProgress { .. } | Self::Accepted { .. } | Self::Fulfilled { .. } => None,
            Self::Queued { reason, .. }
            | Self::Recalling { reason, .. }
            | Self::Returned { reason, .. }
            | Self::Rejected { reason }
            | Self::Failed { reason }
            | Self::Cancelled { reason } => Some(reason),
        }
    }

    /// Whether a worker has something to do about it at once.
    pub(super) fn is_due(&self, now: OffsetDateTime) -> bool {
        matches!(self, Self::Queued { at, .. } | Self::Recalling { at, .. } if *at <= now)
    }

    /// Whether it comes to an end by this.
    pub(super) fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Fulfilled { .. } | Self::Rejected { .. } | Self::Failed { .. } | Self::Cancelled { .. }
        )
    }
}

/// Judges whether an order may be sent now: refunded beats held beats unpaid, since that is what people ask first.
pub(super) fn readiness(order: &OrderFacts) -> Readiness {
    if order.payment_status == PaymentStatus::Refunded {
        Readiness::CalledOff("refunded".to_owned())
    } else if order.open_holds > 0 {
        Readiness::NotReady(held(&order.holds))
    } else if !order.payment_status.is_covered() {
        Readiness::NotReady(format!("not paid: {}", order.payment_status))
    } else {
        Readiness::Ready
    }
}

/// Decides what a claim does with a fulfilment that is due.
///
/// One that is in doubt is asked about before it is cancelled, and while it is held: "cancelled" must be true, and what
/// a hold is to stop must be known. A recall that was asked for and not answered is asked for again, even if the order
/// may be sent by now: it may have been stopped.
pub(super) fn judge(facts: &Facts, now: OffsetDateTime) -> Verdict {
    if let Some(to) = facts.recalls_from {
        return match why_to_recall(facts, to) {
            None if !facts.in_doubt => {
                Verdict::Return { to, reason: "it may be sent again, and was not recalled".to_owned() }
            }
            _ => Verdict::Recall,
        };
    }
    let readiness = match &facts.called_off {
        Some(why) => Readiness::CalledOff(why.clone()),
        None => readiness(&facts.order),
    };
    let snoozed = facts.snoozed_until.filter(|until| *until > now);
    match (readiness, snoozed) {
        (Readiness::CalledOff(reason), _) if !facts.in_doubt => Verdict::Cancel { reason },
        (Readiness::Ready, _) if !facts.in_doubt && !facts.lines.is_left => nothing_left(facts),
        (_, Some(until)) => {
            let shown = until.format(&Rfc3339).unwrap_or_else(|_| until.to_string());
            Verdict::Wait { until, reason: format!("snoozed until {shown}") }
        }
        (Readiness::NotReady(reason), None) if !facts.in_doubt => {
            Verdict::Wait { until: now + RECHECK, reason }
        }
        (Readiness::CalledOff(_) | Readiness::NotReady(_), None) => Verdict::Send { may_send: false },
        (Readiness::Ready, None) => match &facts.paused {
            Some(reason) => Verdict::Wait { until: now + RECHECK, reason: format!("paused: {reason}") },
            None => Verdict::Send { may_send: facts.lines.is_left },
        },
    }
}

fn nothing_left(facts: &Facts) -> Verdict {
    if facts.lines.has_shipped {
        Verdict::Complete
    } else {
        Verdict::Cancel { reason: "all of it was refunded".to_owned() }
    }
}

/// Why what the provider has must not leave, if so. `from` is where it stands, or stood before it was recalled.
pub(super) fn why_to_recall(facts: &Facts, from: RecallsFrom) -> Option<String> {
    let holds: Vec<String> =
        facts.order.holds.iter().filter(|kind| counts_on_the_way(kind)).cloned().collect();
    if let Some(why) = &facts.called_off {
        Some(why.clone())
    } else if facts.order.payment_status == PaymentStatus::Refunded {
        Some("refunded".to_owned())
    } else if !holds.is_empty() {
        Some(held(&holds))
    } else if from == RecallsFrom::Accepted && facts.lines.is_less_than_sent {
        Some("less of it is to be sent than was handed over".to_owned())
    } else {
        None
    }
}

/// What a recall of it would start from: none where nothing was sent, where a parcel is known to be on its way, and
/// where the provider has said already that it cannot be stopped.
pub(super) fn recallable(facts: &Facts) -> Option<RecallsFrom> {
    if matches!(facts.recall_outcome, Some(RecallOutcome::TooLate | RecallOutcome::NotOffered)) {
        return None;
    }
    match facts.state {
        State::Accepted => Some(RecallsFrom::Accepted),
        State::Fulfilled if !facts.is_on_its_way => Some(RecallsFrom::Fulfilled),
        _ => None,
    }
}

/// What becomes of one that the provider has by now, while its order may have changed: it is recalled at once if it must
/// not leave. Everything else stays as it is.
pub(super) fn or_recalled(next: Next, facts: &Facts, now: OffsetDateTime) -> Next {
    let from = match &next {
        Next::Accepted { .. } => RecallsFrom::Accepted,
        Next::Fulfilled { .. } if !facts.is_on_its_way => RecallsFrom::Fulfilled,
        _ => return next,
    };
    match why_to_recall(facts, from) {
        Some(reason) => Next::Recalling { at: now, from, reason },
        None => next,
    }
}

/// Decides what follows the outcome of an attempt to send. `spread`, from 0 to 1, is the chance in the wait.
pub(super) fn after(
    outcome: &Outcome,
    tried: &Tried,
    policy: &RetryPolicy,
    spread: f64,
    now: OffsetDateTime,
) -> Next {
    let used_up = policy.used_up(tried, now);
    match outcome {
        Outcome::Fulfilled(receipt) => Next::Fulfilled { receipt: receipt.clone() },
        Outcome::Accepted(receipt) => Next::Accepted { receipt: receipt.clone() },
        Outcome::Rejected { why } => Next::Rejected { reason: why.clone() },
        Outcome::NotDone { why, retry_after } | Outcome::Unknown { why, retry_after } => match used_up {
            Some(gave_up) => {
                let doubt = if matches!(outcome, Outcome::Unknown { .. }) { MAY_HAVE_IT } else { "" };
                Next::Failed { reason: format!("{gave_up}; the last: {doubt}{why}") }
            }
            None => {
                let wait = schedule::wait(policy.base, tried.tries, *retry_after, spread);
                Next::Queued { at: now + wait, reason: why.clone() }
            }
        },
    }
}

/// Decides what follows an attempt to recall.
pub(super) fn after_recall(
    recall: &Recall,
    from: RecallsFrom,
    tried: &Tried,
    policy: &RetryPolicy,
    spread: f64,
    now: OffsetDateTime,
) -> AfterRecall {
    let returned =
        |reason: String, outcome| AfterRecall { next: Next::Returned { to: from, reason }, outcome };
    match recall {
        Recall::Recalled => {
            let next = Next::Queued { at: now, reason: "recalled: the provider does not send it".to_owned() };
            AfterRecall { next, outcome: Some(RecallOutcome::Recalled) }
        }
        Recall::Absent => {
            let reason = "could not be recalled: the provider said that it had it, and does not know it now";
            returned(reason.to_owned(), Some(RecallOutcome::NotOffered))
        }
        Recall::TooLate { why } => {
            returned(format!("too late to recall it: {why}"), Some(RecallOutcome::TooLate))
        }
        Recall::NotOffered => {
            let reason = "could not be recalled: the provider takes nothing back";
            returned(reason.to_owned(), Some(RecallOutcome::NotOffered))
        }
        Recall::Unclear { why, .. } if policy.used_up(tried, now).is_some() => {
            let reason = format!("the provider never said whether it stops; the last: {why}");
            returned(reason, Some(RecallOutcome::Unanswered))
        }
        Recall::Unclear { why, retry_after } => {
            let wait = schedule::wait(policy.base, tried.tries, *retry_after, spread);
            AfterRecall { next: Next::Recalling { at: now + wait, from, reason: why.clone() }, outcome: None }
        }
    }
}

/// Decides what becomes of one whose worker died: another takes it over at once, unless it has killed too many.
pub(super) fn after_death(
    why: &str,
    recalls_from: Option<RecallsFrom>,
    tried: &Tried,
    policy: &RetryPolicy,
    now: OffsetDateTime,
) -> Next {
    let reason = why.to_owned();
    match (recalls_from, policy.used_up(tried, now)) {
        (None, None) => Next::Queued { at: now, reason },
        (None, Some(gave_up)) => Next::Failed { reason: format!("{gave_up}; the last: {MAY_HAVE_IT}{why}") },
        (Some(from), None) => Next::Recalling { at: now, from, reason },
        (Some(to), Some(_)) => Next::Returned {
            to,
            reason: format!("the provider never said whether it stops; the last: {why}"),
        },
    }
}

const MAY_HAVE_IT: &str = "the provider may have it; ";

fn held(holds: &[String]) -> String {
    if holds.is_empty() { "on hold".to_owned() } else { format!("on hold: {}", holds.join(", ")) }
}

/// Whether a hold counts for parcels on their way too. A refund's own hold does not: what it takes back is known only
/// when it has gone through.
fn counts_on_the_way(kind: &str) -> bool {
    kind != HoldKind::Refund.as_str() && kind != HoldKind::RefundFailed.as_str()
}

#[cfg(test)]
mod tests;
