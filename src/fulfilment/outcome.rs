//! What an outside call came to, as a value. Recording it is another step.

use std::time::Duration;

/// How much of a provider's words is kept, in characters.
const MOST_KEPT: usize = 600;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider has it.
    Fulfilled {
        /// The provider's name for it.
        reference: Option<String>,
    },
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
    /// It has it.
    Has {
        /// The provider's name for it.
        reference: Option<String>,
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

impl Outcome {
    /// The name in `fulfilment_attempts.outcome`, logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fulfilled { .. } => "fulfilled",
            Self::Rejected { .. } => "rejected",
            Self::NotDone { .. } => "not_done",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The words in `fulfilment_attempts.detail`. They may quote the provider, so they are not for logs.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Fulfilled { reference } => reference.as_deref(),
            Self::Rejected { why } | Self::NotDone { why, .. } | Self::Unknown { why, .. } => Some(why),
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
            Self::Fulfilled { reference } => Self::Fulfilled { reference: reference.map(storable) },
            Self::Rejected { why } => Self::Rejected { why: storable(why) },
            Self::NotDone { why, retry_after } => Self::NotDone { why: storable(why), retry_after },
            Self::Unknown { why, retry_after } => Self::Unknown { why: storable(why), retry_after },
        }
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
