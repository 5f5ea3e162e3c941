//! What an attempt that brought nothing means, and whether another is made. Pure: the rules of Stripe's own SDKs.

use std::time::Duration;

use super::Patience;

/// What became of an attempt that brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setback<'a> {
    /// No connection, so nothing was sent.
    NotSent,
    /// Sent, but no whole answer came.
    NoAnswer,
    /// An answer that is not Stripe's, or no object that was asked for.
    Garbage,
    /// An error in Stripe's words.
    Error {
        /// The HTTP status.
        status: u16,
        /// `type` of the error.
        kind: &'a str,
        /// `code` of the error.
        code: Option<&'a str>,
        /// The header `Stripe-Should-Retry`.
        should_retry: Option<bool>,
    },
}

/// What it means for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Refused,
    NotDone,
    Unknown,
}

impl Setback<'_> {
    /// What the setback means by itself.
    pub(super) fn meaning(self) -> Meaning {
        match self {
            Self::NotSent => Meaning::NotDone,
            Self::NoAnswer | Self::Garbage => Meaning::Unknown,
            Self::Error { kind: "idempotency_error", .. }
            | Self::Error { code: Some("idempotency_key_in_use"), .. } => Meaning::Unknown,
            // The application or the account, not the key.
            Self::Error { status: 401, kind: "oauth_error", .. } => Meaning::Refused,
            Self::Error { status: 401 | 429, .. } | Self::Error { code: Some("lock_timeout"), .. } => {
                Meaning::NotDone
            }
            Self::Error { status: 409, .. } => Meaning::Unknown,
            Self::Error { status: 400..=499, .. } => Meaning::Refused,
            Self::Error { .. } => Meaning::Unknown,
        }
    }

    /// What it means after an earlier attempt of the same call may have done it. Only an answer that is bound to the
    /// key settles that; one about who may call at all (401, 403) is not.
    pub(super) fn meaning_after_unknown(self) -> Meaning {
        match (self, self.meaning()) {
            (Self::Error { status: 401 | 403, .. }, _) | (_, Meaning::NotDone) => Meaning::Unknown,
            (_, meaning) => meaning,
        }
    }

    /// Whether the same request is worth sending again. One without a key that protects it (`is_repeatable` false) is
    /// sent again only where nothing was done.
    pub(super) fn is_retried(self, is_repeatable: bool) -> bool {
        if !is_repeatable && self.meaning() != Meaning::NotDone {
            return false;
        }
        match self {
            Self::NotSent | Self::NoAnswer | Self::Garbage => true,
            Self::Error { should_retry: Some(should_retry), .. } => should_retry,
            Self::Error { code: Some("lock_timeout"), .. } => true,
            Self::Error { status, .. } => status == 409 || status >= 500,
        }
    }
}

/// How long to wait after the `attempt`th attempt, counted from 1. `jitter` is from 0 to 1: the wait is between half
/// and the whole of what is due, so that many callers do not come back at once.
pub(super) fn delay(patience: &Patience, attempt: u32, jitter: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(30);
    let due = patience.first_delay.saturating_mul(1 << doublings).min(patience.longest_delay);
    due.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: Option<&str>, should_retry: Option<bool>) -> Setback<'_> {
        Setback::Error { status, kind: "invalid_request_error", code, should_retry }
    }

    #[test]
    fn every_setback_has_its_meaning_and_its_rule() {
        use Meaning::{NotDone, Refused, Unknown};
        let lock = Some("lock_timeout");
        let in_use = Some("idempotency_key_in_use");
        let (yes, no) = (Some(true), Some(false));
        for (setback, meaning, after_unknown, is_retried, is_retried_without_key) in [
            (Setback::NotSent, NotDone, Unknown, true, true),
            (Setback::NoAnswer, Unknown, Unknown, true, false),
            (Setback::Garbage, Unknown, Unknown, true, false),
            (error(400, None, None), Refused, Refused, false, false),
            (error(400, None, yes), Refused, Refused, true, false),
            (error(401, None, None), NotDone, Unknown, false, false),
            (error(402, Some("card_declined"), no), Refused, Refused, false, false),
            (error(403, None, None), Refused, Unknown, false, false),
            (error(404, Some("resource_missing"), None), Refused, Refused, false, false),
            (error(409, None, None), Unknown, Unknown, true, false),
            (error(409, None, no), Unknown, Unknown, false, false),
            (error(409, in_use, None), Unknown, Unknown, true, false),
            (error(400, in_use, None), Unknown, Unknown, false, false),
            (error(409, lock, None), NotDone, Unknown, true, true),
            (error(429, None, None), NotDone, Unknown, false, false),
            (error(429, Some("rate_limit"), None), NotDone, Unknown, false, false),
            (error(429, Some("rate_limit"), yes), NotDone, Unknown, true, true),
            (error(429, lock, None), NotDone, Unknown, true, true),
            (error(429, lock, no), NotDone, Unknown, false, false),
            (error(500, None, None), Unknown, Unknown, true, false),
            (error(500, None, no), Unknown, Unknown, false, false),
            (error(503, None, yes), Unknown, Unknown, true, false),
            (
                Setback::Error {
                    status: 401,
                    kind: "oauth_error",
                    code: Some("invalid_client"),
                    should_retry: None,
                },
                Refused,
                Unknown,
                false,
                false,
            ),
            (
                Setback::Error { status: 400, kind: "idempotency_error", code: None, should_retry: None },
                Unknown,
                Unknown,
                false,
                false,
            ),
        ] {
            assert_eq!(setback.meaning(), meaning, "{setback:?}");
            assert_eq!(setback.meaning_after_unknown(), after_unknown, "{setback:?} after an unknown one");
            assert_eq!(setback.is_retried(true), is_retried, "{setback:?}");
            assert_eq!(setback.is_retried(false), is_retried_without_key, "{setback:?} without a key");
        }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_vary_by_half() {
        let patience = Patience::default();
        let due = |attempt| delay(&patience, attempt, 1.0).as_millis();

        assert_eq!([1, 2, 3, 4, 5, 99].map(due), [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(delay(&patience, 1, 0.0), Duration::from_millis(250));
        assert_eq!(delay(&patience, 99, 0.5), Duration::from_millis(3_750));
    }
}
