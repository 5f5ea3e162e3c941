//! What an answer of the provider means. Pure.
//!
//! | answer to `POST` | outcome |
//! |---|---|
//! | 202; 409 with `"status": "accepted"` | accepted: it has it, and tells by call-back what becomes of it |
//! | other 2xx; 409 | fulfilled |
//! | 409 with `"status": "rejected"` | rejected, with `reason` |
//! | 409 with any other `status` | unknown: asked by key before it is sent again |
//! | 401, 403, 404, 405, 408, 425, 429, 503 | not done; `Retry-After` is heeded |
//! | other 4xx | rejected, with the beginning of the body as the reason |
//! | 3xx | not done: redirects are not followed |
//! | other 5xx, anything else | unknown: asked by key before it is sent again |
//!
//! A JSON body `{"reference": "…", "tracking": {"carrier", "number", "url"}}` gives the provider's name for it and the
//! parcel; any other body of a 2xx is passed over.
//!
//! | answer to `GET …/{key}` | meaning |
//! |---|---|
//! | 2xx with a JSON object | it has it; an `idempotency_key` in it must be the one asked for. Its `status`: `accepted`; `done`, `shipped`, `fulfilled`; `rejected` with `reason`; another is unclear. None: done, or for 202 accepted |
//! | 404 | it does not: send |
//! | 408, 425, 429, 3xx, 5xx but 501 | unclear: ask again later, do not send |
//! | anything else | look-ups are not offered: send, relying on the `Idempotency-Key` |
//!
//! | answer to `DELETE …/{key}` | meaning |
//! |---|---|
//! | 2xx but 202 | it will not be sent |
//! | 404 | it does not know the key: after a recall that was not answered, that one worked; else it takes nothing back |
//! | 409, 410, 422 | too late, with the beginning of the body as the reason |
//! | 405, 501 | nothing is taken back |
//! | anything else | unclear: ask again later, heeding `Retry-After` |

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::{LookUp, Outcome, Recall, Receipt};
use crate::fulfilment::Tracking;

/// How much of a body is quoted, in characters.
const MOST_QUOTED: usize = 500;

/// An answer, as far as it was read.
pub(super) struct Reply {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// What a good answer may say: a JSON object, of which each field is taken or passed over by itself.
#[derive(Default)]
struct Said(Map<String, Value>);

/// What the provider says it did with what it has.
enum Stands {
    Accepted,
    Done,
    Rejected {
        why: String,
    },
    /// A word that is not in the protocol.
    Unknown(String),
}

impl Reply {
    /// What it means as the answer to a hand-over.
    pub(super) fn to_sending(&self) -> Outcome {
        let why = self.what_it_said();
        let retry_after = self.retry_after;
        match self.status.as_u16() {
            202 => Outcome::Accepted(self.receipt()),
            200..=299 => Outcome::Fulfilled(self.receipt()),
            409 => match self.said().unwrap_or_default().stands() {
                Stands::Accepted => Outcome::Accepted(self.receipt()),
                Stands::Done => Outcome::Fulfilled(self.receipt()),
                Stands::Rejected { why } => Outcome::Rejected { why },
                Stands::Unknown(status) => Outcome::Unknown {
                    why: format!(
                        "{why} with the status {status:?}, which is none of accepted, done, rejected"
                    ),
                    retry_after,
                },
            },
            300..=399 => Outcome::NotDone {
                why: format!(
                    "{why}: redirects are not followed, set the provider's URL to the final address"
                ),
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
                Some(said) if said.is_about(idempotency_key) => match said.stands() {
                    Stands::Done if self.status == 202 && !said.0.contains_key("status") => {
                        LookUp::Accepted(said.receipt())
                    }
                    Stands::Accepted => LookUp::Accepted(said.receipt()),
                    Stands::Done => LookUp::Done(said.receipt()),
                    Stands::Rejected { why } => LookUp::Rejected { why },
                    Stands::Unknown(status) => LookUp::Unclear {
                        why: format!(
                            "look-up: the status {status:?} is none of accepted, done, shipped, fulfilled, rejected"
                        ),
                        retry_after: self.retry_after,
                    },
                },
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

    /// What it means as the answer to a recall. A 202 promises nothing: only what surely stays is recalled.
    pub(super) fn to_recall(&self) -> Recall {
        match self.status.as_u16() {
            202 => self.unclear_recall("; it must say whether the parcel stays"),
            200..=299 => Recall::Recalled,
            404 => Recall::Absent,
            409 | 410 | 422 => Recall::TooLate { why: self.quoted() },
            405 | 501 => Recall::NotOffered,
            _ => self.unclear_recall(""),
        }
    }

    fn unclear_recall(&self, more: &str) -> Recall {
        Recall::Unclear {
            why: format!("recall: {}{more}", self.what_it_said()),
            retry_after: self.retry_after,
        }
    }

    fn receipt(&self) -> Receipt {
        self.said().unwrap_or_default().receipt()
    }

    fn said(&self) -> Option<Said> {
        serde_json::from_slice(&self.body).ok().map(Said)
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
    fn is_about(&self, idempotency_key: &str) -> bool {
        match self.0.get("idempotency_key") {
            None | Some(Value::Null) => true,
            Some(key) => key == idempotency_key,
        }
    }

    fn stands(&self) -> Stands {
        match self.0.get("status") {
            None | Some(Value::Null) => Stands::Done,
            Some(Value::String(status)) => match status.to_ascii_lowercase().as_str() {
                "accepted" => Stands::Accepted,
                "done" | "shipped" | "fulfilled" => Stands::Done,
                "rejected" => {
                    let why = text(&self.0, "reason");
                    Stands::Rejected {
                        why: why.unwrap_or_else(|| "the provider rejected it and gave no reason".to_owned()),
                    }
                }
                _ => Stands::Unknown(status.chars().take(MOST_QUOTED).collect()),
            },
            Some(other) => Stands::Unknown(other.to_string().chars().take(MOST_QUOTED).collect()),
        }
    }

    fn receipt(&self) -> Receipt {
        let tracking = self.0.get("tracking").and_then(Value::as_object).map(|tracking| Tracking {
            carrier: text(tracking, "carrier"),
            number: text(tracking, "number"),
            url: text(tracking, "url"),
        });
        Receipt { reference: text(&self.0, "reference"), tracking: tracking.filter(Tracking::is_known) }
    }
}

/// A text that says something. Numbers are names, too.
fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
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
