//! What came back from one attempt, and how it is read: an object, an error of Stripe's, or neither.

use std::error::Error;

use reqwest::Response;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::retry::Setback;
use crate::stripe::error::{CallError, NotDone, NotDoneCause, Refusal, Unknown, UnknownCause};
use crate::stripe::{Id, PaymentIntent};

/// How much of an answer is read, in bytes. A page of a hundred large events has a few megabytes.
const MOST_READ: usize = 16 * 1024 * 1024;

/// A whole answer.
pub(super) struct Answer {
    pub status: u16,
    pub request_id: Option<String>,
    should_retry: Option<bool>,
    body: Vec<u8>,
}

/// No whole answer.
pub(super) enum Lost {
    NotSent { why: String },
    NoAnswer { why: String, request_id: Option<String> },
    TooLarge { request_id: Option<String> },
}

/// An attempt that did not bring the object.
pub(super) enum Failed {
    Lost(Lost),
    Garbage { status: u16, request_id: Option<String>, why: String },
    Error { status: u16, request_id: Option<String>, should_retry: Option<bool>, error: Box<WireError> },
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorField,
    /// OAuth's words.
    #[serde(default)]
    error_description: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorField {
    Object(Box<WireError>),
    OAuth(String),
}

/// Stripe's error object.
#[derive(Default, Deserialize)]
pub(super) struct WireError {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
    #[serde(default)]
    advice_code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    param: Option<String>,
    /// Kept unread: an odd object here must not hide the refusal.
    #[serde(default)]
    payment_intent: Option<serde_json::Value>,
    #[serde(default)]
    charge: Option<Id>,
}

#[derive(Deserialize)]
struct Face {
    #[serde(default)]
    object: Option<String>,
}

/// Waits for the rest of an answer.
pub(super) async fn receive(sent: reqwest::Result<Response>) -> Result<Answer, Lost> {
    let mut response = match sent {
        Ok(response) => response,
        Err(error) if error.is_connect() || error.is_builder() => {
            return Err(Lost::NotSent { why: told(error) });
        }
        Err(error) => return Err(Lost::NoAnswer { why: told(error), request_id: None }),
    };
    let status = response.status().as_u16();
    let request_id = text(response.headers(), "request-id");
    let should_retry = match text(response.headers(), "stripe-should-retry").as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MOST_READ => {
                return Err(Lost::TooLarge { request_id });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(Answer { status, request_id, should_retry, body }),
            Err(error) => return Err(Lost::NoAnswer { why: told(error), request_id }),
        }
    }
}

/// Reads the object that was asked for.
pub(super) fn read<T: DeserializeOwned>(
    answer: Result<Answer, Lost>,
    object: Option<&str>,
) -> Result<T, Failed> {
    let Answer { status, request_id, should_retry, body } = answer.map_err(Failed::Lost)?;
    let garbage = |why: String| Failed::Garbage { status, request_id: request_id.clone(), why };
    match status {
        200..=299 => {
            let face: Face = serde_json::from_slice(&body).map_err(|error| garbage(no_json(&error)))?;
            if object.is_some() && face.object.as_deref() != object {
                let found = face.object.as_deref().unwrap_or("none");
                return Err(garbage(format!("the object is {found}, not {}", object.unwrap_or_default())));
            }
            serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(&body))
                .map_err(|error| garbage(format!("the object cannot be read at {}", error.path())))
        }
        400.. => {
            let read: ErrorBody = serde_json::from_slice(&body).map_err(|error| garbage(no_json(&error)))?;
            let error = match read.error {
                ErrorField::Object(error) => error,
                ErrorField::OAuth(code) => Box::new(WireError {
                    kind: "oauth_error".to_owned(),
                    code: Some(code),
                    message: read.error_description,
                    ..WireError::default()
                }),
            };
            Err(Failed::Error { status, request_id, should_retry, error })
        }
        _ => Err(garbage("a redirect or another answer that Stripe does not give".to_owned())),
    }
}

impl Failed {
    pub(super) fn setback(&self) -> Setback<'_> {
        match self {
            Self::Lost(Lost::NotSent { .. }) => Setback::NotSent,
            Self::Lost(Lost::NoAnswer { .. }) => Setback::NoAnswer,
            Self::Lost(Lost::TooLarge { .. }) | Self::Garbage { .. } => Setback::Garbage,
            Self::Error { status, should_retry, error, .. } => Setback::Error {
                status: *status,
                kind: &error.kind,
                code: error.code.as_deref(),
                should_retry: *should_retry,
            },
        }
    }

    pub(super) fn into_refused(self) -> CallError {
        match self {
            Self::Error { status, request_id, error, .. } => {
                CallError::Refused(Box::new(error.into_refusal(status, request_id)))
            }
            other => CallError::Unknown(other.into_unknown(1)),
        }
    }

    pub(super) fn into_not_done(self, attempts: u32) -> CallError {
        let (cause, why, request_id) = match self {
            Self::Lost(lost) => (NotDoneCause::NotReached, lost.why().to_owned(), None),
            Self::Garbage { request_id, why, .. } => (NotDoneCause::NotReached, why, request_id),
            Self::Error { status, request_id, error, .. } => {
                let is_key = status == 401;
                let cause = if is_key { NotDoneCause::Unauthenticated } else { NotDoneCause::Busy };
                (cause, error.into_refusal(status, None).to_string(), request_id)
            }
        };
        CallError::NotDone(NotDone { cause, why, request_id, attempts })
    }

    pub(super) fn into_unknown(self, attempts: u32) -> Unknown {
        let (cause, why, request_id) = match self {
            Self::Lost(lost) => {
                let is_garbage = matches!(lost, Lost::TooLarge { .. });
                let cause = if is_garbage { UnknownCause::Garbage } else { UnknownCause::NoAnswer };
                (cause, lost.why().to_owned(), lost.request_id().map(str::to_owned))
            }
            Self::Garbage { status, request_id, why } => {
                (UnknownCause::Garbage, format!("the answer {status} is not Stripe's: {why}"), request_id)
            }
            Self::Error { status, request_id, error, .. } => {
                let cause = match (status, error.kind.as_str()) {
                    // A key that is in use (409) is of the same type.
                    (400, "idempotency_error") => UnknownCause::KeyReused,
                    (400..=499, _) => UnknownCause::InProgress,
                    _ => UnknownCause::ServerError,
                };
                (cause, error.into_refusal(status, None).to_string(), request_id)
            }
        };
        Unknown { cause, why, request_id, attempts }
    }
}

impl Lost {
    pub(super) fn why(&self) -> &str {
        match self {
            Self::NotSent { why } | Self::NoAnswer { why, .. } => why,
            Self::TooLarge { .. } => "the answer is larger than any of Stripe's",
        }
    }

    pub(super) fn request_id(&self) -> Option<&str> {
        match self {
            Self::NotSent { .. } => None,
            Self::NoAnswer { request_id, .. } | Self::TooLarge { request_id } => request_id.as_deref(),
        }
    }
}

impl WireError {
    fn into_refusal(self, status: u16, request_id: Option<String>) -> Refusal {
        let payment_intent: Option<PaymentIntent> =
            self.payment_intent.and_then(|value| serde_json::from_value(value).ok());
        Refusal {
            status,
            kind: self.kind,
            code: self.code,
            decline_code: self.decline_code,
            advice_code: self.advice_code,
            message: self.message,
            param: self.param.filter(|param| !param.is_empty()),
            request_id,
            payment_intent: payment_intent.map(Box::new),
            charge: self.charge.map(|charge| charge.0),
        }
    }
}

/// Where the reading stopped. The parser's own words would quote the body.
fn no_json(error: &serde_json::Error) -> String {
    format!("not the JSON of an answer at line {} column {}", error.line(), error.column())
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// An error with all its causes, and without the address: queries may name customers.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    told
}
