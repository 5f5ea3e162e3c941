//! What is known of a fulfilment when something is decided about it.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;

use crate::orders::PaymentStatus;

/// Where a fulfilment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fulfilment) enum State {
    Queued,
    InProgress,
    Accepted,
    Recalling,
    Fulfilled,
    Rejected,
    Failed,
    Cancelled,
}

/// Where a fulfilment was when it had to be recalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fulfilment) enum RecallsFrom {
    Accepted,
    Fulfilled,
}

/// How the last recall of a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fulfilment) enum RecallOutcome {
    Recalled,
    TooLate,
    NotOffered,
    /// The provider never said; it may be asked again.
    Unanswered,
}

/// What is known of an order.
#[derive(Clone, Debug)]
pub(in crate::fulfilment) struct OrderFacts {
    pub payment_status: PaymentStatus,
    pub open_holds: i32,
    /// The kinds of the open holds, for the reason.
    pub holds: Vec<String>,
}

/// What is known of the lines of a fulfilment.
#[derive(Clone, Copy, Debug)]
pub(in crate::fulfilment) struct LineFacts {
    /// Something is to be sent still. Always so for orders without lines.
    pub is_left: bool,
    /// Some piece left.
    pub has_shipped: bool,
    /// Pieces of what was handed over were refunded since, and have not left.
    pub is_less_than_sent: bool,
}

/// All that is known of a fulfilment that the rules need.
#[derive(Clone, Debug)]
pub(in crate::fulfilment) struct Facts {
    pub state: State,
    pub order: OrderFacts,
    pub lines: LineFacts,
    /// The provider may have it, or may have taken it back: the last attempt ended unknown.
    pub in_doubt: bool,
    /// Tries begun in the present series, and when that began.
    pub tries: i32,
    pub tries_since: Option<OffsetDateTime>,
    pub recalls_from: Option<RecallsFrom>,
    pub recall_outcome: Option<RecallOutcome>,
    /// A parcel is known to be on its way, not only said to be handled.
    pub is_on_its_way: bool,
    pub called_off: Option<String>,
    pub snoozed_until: Option<OffsetDateTime>,
    /// Why one of its articles must not be sent now.
    pub paused: Option<String>,
}

/// A text in a column that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no state that this version knows; was the database written by a newer one?")]
pub(in crate::fulfilment) struct UnknownState(String);

impl State {
    const ALL: [Self; 8] = [
        Self::Queued,
        Self::InProgress,
        Self::Accepted,
        Self::Recalling,
        Self::Fulfilled,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The value of `fulfilments.state`.
    pub(in crate::fulfilment) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Accepted => "accepted",
            Self::Recalling => "recalling",
            Self::Fulfilled => "fulfilled",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl RecallsFrom {
    /// The value of `fulfilments.recalls_from`, which is also that of the state.
    pub(in crate::fulfilment) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Fulfilled => "fulfilled",
        }
    }
}

impl RecallOutcome {
    /// The value of `fulfilments.recall_outcome`.
    pub(in crate::fulfilment) fn as_str(self) -> &'static str {
        match self {
            Self::Recalled => "recalled",
            Self::TooLate => "too_late",
            Self::NotOffered => "not_offered",
            Self::Unanswered => "unanswered",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl FromStr for RecallsFrom {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let all = [Self::Accepted, Self::Fulfilled];
        all.into_iter().find(|from| from.as_str() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl FromStr for RecallOutcome {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let all = [Self::Recalled, Self::TooLate, Self::NotOffered, Self::Unanswered];
        all.into_iter().find(|outcome| outcome.as_str() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}
