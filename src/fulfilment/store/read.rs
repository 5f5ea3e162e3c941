//! Attempts, as people read them.

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A try at a fulfilment.
#[derive(Debug, Serialize)]
pub struct AttemptRow {
    /// Of which fulfilment.
    pub fulfilment_id: Uuid,
    /// Which one, from 1.
    pub attempt: i32,
    /// Who was asked.
    pub provider: String,
    /// What came of it; none while it is under way.
    pub outcome: Option<String>,
    /// What the provider said.
    pub detail: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

/// Lists all attempts to fulfil an order, oldest first.
///
/// # Errors
/// The database's.
pub async fn list_attempts(conn: &mut PgConnection, order_id: Uuid) -> sqlx::Result<Vec<AttemptRow>> {
    sqlx::query_as!(
        AttemptRow,
        "
        select
          attempts.fulfilment_id, attempts.attempt, attempts.provider, attempts.outcome, attempts.detail,
          attempts.started_at, attempts.finished_at
        from fulfilment_attempts attempts
        join fulfilments on fulfilments.id = attempts.fulfilment_id
        where fulfilments.order_id = $1
        order by attempts.started_at, attempts.attempt
        ",
        order_id,
    )
    .fetch_all(conn)
    .await
}
