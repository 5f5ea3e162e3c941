//! Looks at invoices: which are due.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// An invoice whose turn it is.
pub(in crate::invoices) struct Due {
    pub id: Uuid,
    pub stripe_id: String,
    pub account: Option<String>,
    /// Looks that ended in an error, one after the other.
    pub looks: i32,
}

/// Takes the invoice that waits longest, for as long as a look can take; another worker has it after `lease_until`.
pub(in crate::invoices) async fn claim_due(
    conn: &mut PgConnection,
    lease_until: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        "
        with due as (
          select id
          from invoices
          where next_look_at <= $1
          order by next_look_at
          limit 1
          -- Other workers pass over it.
          for update skip locked
        )
        update invoices set next_look_at = $2
        from due
        where invoices.id = due.id
        returning invoices.id, stripe_id, account, looks
        ",
        now,
        lease_until,
    )
    .fetch_optional(conn)
    .await
}

/// Notes that a look ended in an error, and when to look again.
pub(in crate::invoices) async fn put_off(
    conn: &mut PgConnection,
    id: Uuid,
    next_look_at: Option<OffsetDateTime>,
) -> sqlx::Result<()> {
    sqlx::query!("update invoices set looks = looks + 1, next_look_at = $2 where id = $1", id, next_look_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Asks the worker for a look.
pub(in crate::invoices) async fn look_at(
    conn: &mut PgConnection,
    id: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!("update invoices set next_look_at = $2 where id = $1", id, now).execute(conn).await?;
    Ok(())
}
