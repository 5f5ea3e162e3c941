//! Pauses: a person keeps everything from a provider, or everything with a sku in it, until the pause ends or expires.
//!
//! Nothing is lost and no attempt is used up meanwhile; what an attempt has begun goes on.

use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::by_hand::{ByHandError, Decision};
use super::store;

/// What is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PauseOf {
    /// All that goes to a provider, by name.
    Provider(String),
    /// All parts with this sku in them, as order lines have it.
    Sku(String),
}

impl PauseOf {
    pub(super) fn columns(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Provider(name) => (Some(name), None),
            Self::Sku(sku) => (None, Some(sku)),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Provider(name) | Self::Sku(name) => name,
        }
    }

    fn action(&self, verb: &str) -> String {
        match self {
            Self::Provider(_) => format!("providers.{verb}"),
            Self::Sku(_) => format!("skus.{verb}"),
        }
    }
}

impl std::fmt::Display for PauseOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Provider(name) => write!(f, "the provider {name}"),
            Self::Sku(sku) => write!(f, "the sku {sku}"),
        }
    }
}

/// Pauses, until a time or until [`resume`]. A pause that is there already is replaced; returns whether one was.
///
/// # Errors
/// There is no such provider, or the time is over; the database's.
pub async fn pause(
    conn: &mut PgConnection,
    what: &PauseOf,
    until: Option<OffsetDateTime>,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<bool, ByHandError> {
    if let PauseOf::Provider(name) = what
        && !store::is_provider(conn, name).await?
    {
        return ByHandError::refused(no_provider(name));
    }
    if until.is_some_and(|until| until <= now) {
        return ByHandError::refused("the pause would be over already: give a time that is to come");
    }
    let was_paused = store::end_pause(conn, what, &decision.by, now).await?;
    store::insert_pause(conn, what, until, decision, now).await?;
    let details = json!({ "until": until.and_then(|until| until.format(&Rfc3339).ok()) });
    store::insert_audit(conn, decision, &what.action("pause"), &[what.name().to_owned()], &details, now)
        .await?;
    Ok(was_paused)
}

/// Ends a pause and wakes what waited for it.
///
/// # Errors
/// It is not paused; the database's.
pub async fn resume(
    conn: &mut PgConnection,
    what: &PauseOf,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<(), ByHandError> {
    if !store::end_pause(conn, what, &decision.by, now).await? {
        return ByHandError::refused(format!("{what} is not paused"));
    }
    store::insert_audit(conn, decision, &what.action("resume"), &[what.name().to_owned()], &json!({}), now)
        .await?;
    if let PauseOf::Sku(sku) = what {
        store::mark_sku_due(conn, sku, now).await?;
    }
    store::notify(conn).await?;
    Ok(())
}

pub(super) fn no_provider(name: &str) -> String {
    format!("there is no provider {name:?}; `packline providers list` shows those that there are")
}
