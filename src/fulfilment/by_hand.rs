//! What people do by hand: who, why, and why not.

use serde::Serialize;
use time::OffsetDateTime;

/// A person's decision. It is kept in `audit_log`, and in the history of the orders that it moves.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Who decides.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Why something that a person asked for was not done. Then nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// It cannot be done, and what can be done instead.
    #[error("{0}")]
    Refused(String),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl ByHandError {
    pub(super) fn refused<T>(message: impl Into<String>) -> Result<T, Self> {
        Err(Self::Refused(message.into()))
    }
}

/// Something that a person did.
#[derive(Debug, Serialize)]
pub struct AuditEntry {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who.
    pub who: String,
    /// Such as `fulfilments.retry`.
    pub action: String,
    /// To what: a fulfilment's id, a provider's name.
    pub subject: String,
    /// Why.
    pub because: String,
    /// What else is to be known of it.
    pub details: serde_json::Value,
}
