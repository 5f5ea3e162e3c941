//! What an answer of the provider means. Pure.
//!
//! | answer to `POST` | outcome |
//! |---|---|
//! | 2xx | fulfilled; a JSON body `{"reference": "…"}` gives the provider's name for it, any other body is passed over |
//! | 409 | fulfilled: it already has this key |
//! | 401, 403, 404, 405, 408, 425, 429, 503 | not done; `Retry-After` is heeded |
//! | other 4xx | rejected, with the beginning of the body as the reason |
//! | 3xx | not done: redirects are not followed |
//! | other 5xx, anything else | unknown: asked by key before it is sent again |
//!
//! | answer to `GET …/{key}` | meaning |
//! |---|---|
//! | 2xx with a JSON object | it has it; an `idempotency_key` in it must be the one asked for |
//! | 404 | it does not: send |
//! | 408, 425, 429, 3xx, 5xx but 501 | unclear: ask again later, do not send |
//! | anything else | look-ups are not offered: send, relying on the `Idempotency-Key` |

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::{LookUp, Outcome};

/// How much of a body is quoted, in characters.
const MOST_QUOTED: usize = 500;

/// An answer, as far as it was read.
pub(super) struct Reply {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// What a good answer may say.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    reference: Option<serde_json::Value>,
    #[serde(default)]
    idempotency_key: Option<serde_json::Value>,
}

impl Reply {
    /// What it means as the answer to a hand-over.
    pub(super) fn to_sending(&self) -> Outcome {
        let why = self.what_it_said();
        let retry_after = self.retry_after;
        match self.status.as_u16() {
            200..=299 | 409 => Outcome::Fulfilled { reference: self.said().and_then(Said::into_reference) },
            300..=399 => Outcome::NotDone {
                why: format!("{why}: redirects are not followed, set FULFILMENT_URL to the final address"),
                retry_after,
            },
            // The address or the credentials are wrong, not the order: mend them, and the next try goes through.
            401 | 403..=405 | 408 | 425 | 429 | 503 => Outcome::NotDone { why, retry_after },
            400..=499 => Outcome::Rejected { why: self.quoted() },
            _ => Outcome::Unknown { why, retry_after },
        }
    }

    /// What it means as the answer to a look-up. A 2xx without a JSON object is no look-up's answer: a server that
    /// answers so to any path would make us believe that everything was sent.
    pub(super) fn to_look_up(&self, idempotency_key: &str) -> LookUp {
        match self.status.as_u16() {
            200..=299 => match self.said() {
                Some(said) if said.idempotency_key.as_ref().is_none_or(|key| key == idempotency_key) => {
                    LookUp::Has { reference: said.into_reference() }
                }
                _ => LookUp::NotOffered,
            },
            404 => LookUp::Absent,
            300..=399 | 408 | 425 | 429 | 500 | 502..=599 => LookUp::Unclear {
                why: format!("look-up: {}", self.what_it_said()),
                retry_after: self.retry_after,
            },
            _ => LookUp::NotOffered,
        }
    }

    fn said(&self) -> Option<Said> {
        // Through a map: serde would take an array for a struct as well.
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&self.body).ok()?;
        Some(serde_json::from_value(object.into()).unwrap_or_default())
    }

    fn what_it_said(&self) -> String {
        format!("the provider answered {}", self.status)
    }

    fn quoted(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let quoted: String = body.trim().chars().take(MOST_QUOTED).collect();
        if quoted.is_empty() { self.what_it_said() } else { format!("{}: {quoted}", self.what_it_said()) }
    }
}

impl Said {
    /// Numbers are names, too.
    fn into_reference(self) -> Option<String> {
        match self.reference? {
            serde_json::Value::String(text) if !text.is_empty() => Some(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Reads `Retry-After`: seconds, or an HTTP date. A time that is over means at once.
pub(super) fn retry_after(value: &str, now: OffsetDateTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    Some(Duration::try_from(at - now).unwrap_or_default())
}
