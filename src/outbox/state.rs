//! When a call is asked again, and when it is looked for instead. Pure: no clock, no SQL, no HTTP.

use time::{Duration, OffsetDateTime};

use super::call::StoredCall;
use crate::clock::backoff;

/// For so long Stripe surely knows an idempotency key. It says a day; an hour is left for what is under way.
pub(super) const KEYS_LAST: Duration = Duration::hours(23);
/// When the worker takes up a call whose try never recorded an end: longer than any try takes.
pub(super) const GIVEN_UP_AFTER: Duration = Duration::minutes(3);
/// The code of a call whose key Stripe knows with other parameters: asking again never helps, so it is looked for.
pub(super) const KEY_REUSED: &str = "key_reused";
/// How soon a call without an outcome is asked about again; it doubles with each try.
const FIRST_WAIT: Duration = Duration::seconds(10);

/// How it is found out what became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Ask, under its key.
    Ask,
    /// Do nothing: its key is too old to ask, and the last try can be under way still.
    Wait,
    /// Look at what it was to make or move: no try of it is under way, so what is not there never will be.
    Look,
}

pub(super) fn way(call: &StoredCall, now: OffsetDateTime) -> Way {
    let age = now - call.opened_at;
    if call.code.as_deref() == Some(KEY_REUSED) || age > KEYS_LAST + GIVEN_UP_AFTER {
        Way::Look
    } else if age > KEYS_LAST {
        Way::Wait
    } else {
        Way::Ask
    }
}

/// How long a call without an outcome waits after so many tries.
pub(super) fn wait(tries: i32) -> Duration {
    backoff(FIRST_WAIT, tries)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::outbox::CallState;

    fn call(code: Option<&str>) -> StoredCall {
        StoredCall {
            id: Uuid::nil(),
            operation: "quote.accept".into(),
            subject: Uuid::nil(),
            idempotency_key: "k".into(),
            path: "/v1/quotes/qt_1/accept".into(),
            params: json!({}),
            account: None,
            state: CallState::Open,
            reason: None,
            code: code.map(str::to_owned),
            http_status: None,
            tries: 1,
            opened_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_call_is_asked_while_stripe_knows_its_key_and_looked_for_later() {
        let after = |age| way(&call(None), OffsetDateTime::UNIX_EPOCH + age);

        assert_eq!(after(Duration::ZERO), Way::Ask);
        assert_eq!(after(KEYS_LAST), Way::Ask);
        assert_eq!(after(KEYS_LAST + GIVEN_UP_AFTER), Way::Wait);
        assert_eq!(after(Duration::hours(24)), Way::Look);
        assert_eq!(way(&call(Some(KEY_REUSED)), OffsetDateTime::UNIX_EPOCH), Way::Look);
    }

    #[test]
    fn a_call_names_the_object_that_it_moves() {
        assert_eq!(call(None).object().as_deref(), Some("/v1/quotes/qt_1"));
        for (path, object) in [
            ("/v1/quotes/qt_1", Some("/v1/quotes/qt_1")),
            ("/v1/quotes", None),
            ("/v1/checkout/sessions", None),
            ("/v1/checkout/sessions/cs_1/expire", Some("/v1/checkout/sessions/cs_1")),
        ] {
            assert_eq!(StoredCall { path: path.into(), ..call(None) }.object().as_deref(), object, "{path}");
        }
    }
}
