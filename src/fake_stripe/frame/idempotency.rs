//! Idempotency keys: the first call under a key is carried out, the same again is answered alike.

use std::collections::HashMap;

use serde_json::Value;

use super::failure::Failure;

/// Stripe forgets a key when it is at least 24 hours old.
const KEPT_SECONDS: i64 = 24 * 60 * 60;

/// The keys that were used, for each account.
#[derive(Debug, Default)]
pub(in crate::fake_stripe) struct Keys(HashMap<(Option<String>, String), Use>);

/// What a key was used for.
#[derive(Debug)]
struct Use {
    path: String,
    given: Value,
    first_request: String,
    at: i64,
    answer: Option<(u16, Value)>,
}

/// What to do with a call under a key.
#[derive(Debug)]
pub(in crate::fake_stripe) enum Turn {
    /// Nobody has used it: carry it out, then [`Keys::save`] or [`Keys::release`].
    First,
    /// It was answered before: answer so again.
    Again {
        /// The status that was answered.
        status: u16,
        /// The body that was answered.
        body: Value,
        /// The request that was carried out.
        first_request: String,
    },
}

impl Keys {
    /// Begins a call under a key.
    ///
    /// # Errors
    /// The key is being used now (409), or was used for something else (400).
    pub(in crate::fake_stripe) fn begin(
        &mut self,
        account: Option<&str>,
        key: &str,
        path: &str,
        given: &Value,
        request: &str,
        now: i64,
    ) -> Result<Turn, Failure> {
        if key.chars().count() > 255 {
            return Err(Failure::parameter(
                "idempotency_key_too_long",
                "Idempotency-Key",
                "Idempotency keys can be at most 255 characters long.",
            ));
        }
        self.0.retain(|_, used| used.answer.is_none() || now - used.at < KEPT_SECONDS);
        let place = (account.map(str::to_owned), key.to_owned());
        let Some(used) = self.0.get(&place) else {
            let first = Use {
                path: path.to_owned(),
                given: given.clone(),
                first_request: request.to_owned(),
                at: now,
                answer: None,
            };
            self.0.insert(place, first);
            return Ok(Turn::First);
        };
        match &used.answer {
            _ if used.path != path => Err(Failure::other_parameters(key, true)),
            _ if used.given != *given => Err(Failure::other_parameters(key, false)),
            None => Err(Failure::in_use(key)),
            Some((status, body)) => Ok(Turn::Again {
                status: *status,
                body: body.clone(),
                first_request: used.first_request.clone(),
            }),
        }
    }

    /// Keeps the answer for whoever asks again.
    pub(in crate::fake_stripe) fn save(
        &mut self,
        account: Option<&str>,
        key: &str,
        status: u16,
        body: &Value,
    ) {
        if let Some(used) = self.0.get_mut(&(account.map(str::to_owned), key.to_owned())) {
            used.answer = Some((status, body.clone()));
        }
    }

    /// Forgets a key under which nothing was done.
    pub(in crate::fake_stripe) fn release(&mut self, account: Option<&str>, key: &str) {
        self.0.remove(&(account.map(str::to_owned), key.to_owned()));
    }
}
