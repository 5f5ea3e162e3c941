//! A call, as it is written and as it is read.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A call to be written.
#[derive(Clone, Debug)]
pub struct NewCall<'a> {
    /// Such as `quote.accept`: the feature, and what is asked.
    pub operation: &'static str,
    /// Our row that it makes or moves.
    pub subject: Uuid,
    /// Such as `/v1/quotes/qt_1/accept`. One that names no object, such as `/v1/quotes`, makes one: then our row's id is
    /// added to its metadata, so that it can be found again.
    pub path: String,
    /// The parameters, an object: one of [`crate::stripe::params`], serialised.
    pub params: Value,
    /// `acct_…` to act as a connected account.
    pub account: Option<&'a str>,
}

/// Whether a call was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was, under this id.
    New(Uuid),
    /// Another call of the subject is open.
    Busy {
        /// What it asks.
        operation: String,
        /// Its id.
        id: Uuid,
    },
}

/// A call that was written.
#[derive(Clone, Debug)]
pub struct StoredCall {
    /// Ours.
    pub id: Uuid,
    /// Such as `quote.accept`.
    pub operation: String,
    /// Our row that it makes or moves.
    pub subject: Uuid,
    /// Sent with every try.
    pub idempotency_key: String,
    /// Such as `/v1/quotes/qt_1/accept`.
    pub path: String,
    /// The parameters.
    pub params: Value,
    /// `acct_…` where it is made for a connected account.
    pub account: Option<String>,
    /// How far it is.
    pub state: CallState,
    /// Why it is not done, or not known.
    pub reason: Option<String>,
    /// Stripe's code of a refusal.
    pub code: Option<String>,
    /// Of a refusal.
    pub http_status: Option<i16>,
    /// Tries begun.
    pub tries: i32,
    /// When it was written.
    pub opened_at: OffsetDateTime,
}

impl StoredCall {
    /// The object that it moves, such as `/v1/quotes/qt_1`; none where it makes one.
    pub fn object(&self) -> Option<String> {
        object_of(&self.path)
    }
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Under way, or its outcome is not known yet.
    Open,
    /// Stripe did it.
    Done,
    /// Stripe said no.
    Refused,
    /// Stripe never did it.
    NotDone,
    /// Its object was looked at instead.
    Seen,
}

impl CallState {
    pub(super) const ALL: [Self; 5] = [Self::Open, Self::Done, Self::Refused, Self::NotDone, Self::Seen];

    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::NotDone => "not_done",
            Self::Seen => "seen",
        }
    }
}

impl fmt::Display for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no state of a call.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no state of a call")]
pub struct UnknownState(String);

impl FromStr for CallState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// Collections whose name has two parts.
const OF_TWO_PARTS: [&str; 1] = ["checkout"];

/// The object that a path names: `/v1/quotes/qt_1/accept` is about `/v1/quotes/qt_1`, `/v1/quotes` about none.
pub(super) fn object_of(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let is_long = parts.get(1).is_some_and(|collection| OF_TWO_PARTS.contains(collection));
    let named = if is_long { 4 } else { 3 };
    Some(format!("/{}", parts.get(..named)?.join("/")))
}

pub(super) fn idempotency_key(operation: &str, subject: Uuid, attempt: i32) -> String {
    format!("packline-{operation}-{subject}-{attempt}")
}
