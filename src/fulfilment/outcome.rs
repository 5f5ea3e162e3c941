//! What an outside call came to, as a value. Recording it is another step.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much of a provider's words is kept, in characters.
const MOST_KEPT: usize = 600;

/// What a provider says of what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Its own name for it.
    pub reference: Option<String>,
    /// Where the parcel is to be followed.
    pub tracking: Option<Tracking>,
}

/// Where a parcel is to be followed. Any part may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tracking {
    /// Who carries it.
    #[serde(default)]
    pub carrier: Option<String>,
    /// The carrier's number for it.
    #[serde(default)]
    pub number: Option<String>,
    /// A page that shows where it is.
    #[serde(default)]
    pub url: Option<String>,
}

impl Tracking {
    /// Whether anything of it is known.
    pub fn is_known(&self) -> bool {
        self.carrier.is_some() || self.number.is_some() || self.url.is_some()
    }
}

impl Receipt {
    /// A receipt with the provider's own name only.
    pub fn named(reference: impl Into<String>) -> Self {
        Self { reference: Some(reference.into()), tracking: None }
    }
}

/// How an attempt to hand over ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider has done it: nothing more is heard of it.
    Fulfilled(Receipt),
    /// The provider has it, and tells by call-back what becomes of it.
    Accepted(Receipt),
    /// The provider looked at it and said no: a person must act.
    Rejected {
        /// What it said.
        why: String,
    },
    /// Certainly nothing happened: sending again is safe.
    NotDone {
        /// What stood in the way.
        why: String,
        /// How long the provider asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Perhaps it happened: the provider must be asked before anything is sent again.
    Unknown {
        /// What is known of it.
        why: String,
        /// How long the provider asked us to wait.
        retry_after: Option<Duration>,
    },
}

/// What the provider says about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// It did it.
    Done(Receipt),
    /// It has it, and tells by call-back what becomes of it.
    Accepted(Receipt),
    /// It said no.
    Rejected {
        /// What it said.
        why: String,
    },
    /// It never got it: sending is safe.
    Absent,
    /// It does not answer such questions. Then only its heed of the idempotency key keeps a repetition from shipping twice.
    NotOffered,
    /// No clear answer; the doubt stays.
    Unclear {
        /// What is known of it.
        why: String,
        /// How long the provider asked us to wait.
        retry_after: Option<Duration>,
    },
}

/// How an attempt to take back ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recall {
    /// It will not be sent.
    Recalled,
    /// It does not know the key. Since it had said that it has it, that alone does not tell that nothing is sent: it may
    /// have forgotten, or not offer recalls at all. After a recall that was not answered it tells that this one worked.
    Absent,
    /// It is on its way.
    TooLate {
        /// What the provider said.
        why: String,
    },
    /// The provider takes nothing back.
    NotOffered,
    /// Nothing was done, or nobody knows: ask again.
    Unclear {
        /// What is known of it.
        why: String,
        /// How long the provider asked us to wait.
        retry_after: Option<Duration>,
    },
}

impl Outcome {
    /// The name in `fulfilment_attempts.outcome`, logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fulfilled(_) => "fulfilled",
            Self::Accepted(_) => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::NotDone { .. } => "not_done",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The words in `fulfilment_attempts.detail`. They may quote the provider, so they are not for logs.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Fulfilled(receipt) | Self::Accepted(receipt) => receipt.reference.as_deref(),
            Self::Rejected { why } | Self::NotDone { why, .. } | Self::Unknown { why, .. } => Some(why),
        }
    }

    /// The provider's own name for it, where it gave one.
    pub(super) fn reference(&self) -> Option<&str> {
        match self {
            Self::Fulfilled(receipt) | Self::Accepted(receipt) => receipt.reference.as_deref(),
            Self::Rejected { .. } | Self::NotDone { .. } | Self::Unknown { .. } => None,
        }
    }

    /// The outcome of a sending that was done while an earlier one was still unanswered: that this one did nothing does
    /// not tell what the earlier one did.
    pub(super) fn after_doubt(self) -> Self {
        match self {
            Self::NotDone { why, retry_after } => Self::Unknown {
                why: format!("{why}; and an earlier attempt was never answered"),
                retry_after,
            },
            clear => clear,
        }
    }

    /// The same in words that a table can keep: bounded, and without the NUL that Postgres refuses.
    pub(super) fn storable(self) -> Self {
        match self {
            Self::Fulfilled(receipt) => Self::Fulfilled(receipt.storable()),
            Self::Accepted(receipt) => Self::Accepted(receipt.storable()),
            Self::Rejected { why } => Self::Rejected { why: storable(why) },
            Self::NotDone { why, retry_after } => Self::NotDone { why: storable(why), retry_after },
            Self::Unknown { why, retry_after } => Self::Unknown { why: storable(why), retry_after },
        }
    }
}

impl Recall {
    /// The name in `fulfilment_attempts.outcome`, logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Recalled => "recalled",
            Self::TooLate { .. } => "too_late",
            Self::Absent | Self::NotOffered => "not_offered",
            Self::Unclear { .. } => "unknown",
        }
    }

    /// The words in `fulfilment_attempts.detail`. They may quote the provider, so they are not for logs.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::TooLate { why } | Self::Unclear { why, .. } => Some(why),
            Self::Absent => Some("the provider does not know the key"),
            Self::Recalled | Self::NotOffered => None,
        }
    }

    /// The outcome of a recall that was asked for before, without an answer: that the key is gone is that one's work.
    pub(super) fn after_doubt(self) -> Self {
        if self == Self::Absent { Self::Recalled } else { self }
    }

    /// The same in words that a table can keep.
    pub(super) fn storable(self) -> Self {
        match self {
            Self::TooLate { why } => Self::TooLate { why: storable(why) },
            Self::Unclear { why, retry_after } => Self::Unclear { why: storable(why), retry_after },
            other => other,
        }
    }
}

impl Receipt {
    fn storable(self) -> Self {
        let tracking = self.tracking.map(|Tracking { carrier, number, url }| Tracking {
            carrier: carrier.map(storable),
            number: number.map(storable),
            url: url.map(storable),
        });
        Self { reference: self.reference.map(storable), tracking }
    }
}

fn storable(text: String) -> String {
    text.chars().filter(|char| *char != '\0').take(MOST_KEPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_repetition_does_not_settle_an_earlier_doubt() {
        let busy = Outcome::NotDone { why: "busy".into(), retry_after: Some(Duration::from_secs(3)) };
        let rejected = Outcome::Rejected { why: "bad address".into() };

        assert!(matches!(busy.after_doubt(), Outcome::Unknown { retry_after: Some(_), .. }));
        assert_eq!(rejected.clone().after_doubt(), rejected);
    }

    #[test]
    fn a_providers_words_are_cut_to_what_a_table_can_keep() {
        let why = format!("no\0 {}", "ü".repeat(5_000));

        let Outcome::Rejected { why } = (Outcome::Rejected { why }).storable() else { panic!() };

        assert!(why.starts_with("no ü"));
        assert_eq!(why.chars().count(), MOST_KEPT);
    }
}
