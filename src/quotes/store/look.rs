//! Looks at quotes: which are due.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A quote whose turn it is.
pub(in crate::quotes) struct Due {
    pub id: Uuid,
    /// Looks that ended in an error, one after the other.
    pub looks: i32,
}

/// Takes the quote that waits longest, for as long as a look can take; another worker has it after `lease_until`.
pub(in crate::quotes) async fn claim_due(
    conn: &mut PgConnection,
    lease_until: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        "
        with due as (
          select id
          from quotes
          where next_look_at <= $1
          order by next_look_at
          limit 1
          -- Other workers pass over it.
          for update skip locked
        )
        update quotes set next_look_at = $2
        from due
        where quotes.id = due.id
        returning quotes.id, looks
        ",
        now,
        lease_until,
    )
    .fetch_optional(conn)
    .await
}

/// How often a quote was spoken of and looked at.
pub(in crate::quotes) struct Counts {
    pub news: i64,
    /// As of [`Due`].
    pub looks: i32,
}

/// Reads how often a quote was spoken of and looked at.
pub(in crate::quotes) async fn counts_of(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Counts> {
    sqlx::query_as!(Counts, "select news, looks from quotes where id = $1", id).fetch_one(conn).await
}

/// Notes that a look ended in an error, and when to look again.
pub(in crate::quotes) async fn put_off(
    conn: &mut PgConnection,
    id: Uuid,
    next_look_at: Option<OffsetDateTime>,
) -> sqlx::Result<()> {
    sqlx::query!("update quotes set looks = looks + 1, next_look_at = $2 where id = $1", id, next_look_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Asks the worker for a look.
pub(in crate::quotes) async fn look_at(
    conn: &mut PgConnection,
    id: Uuid,
    at: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!("update quotes set next_look_at = $2 where id = $1", id, at).execute(conn).await?;
    Ok(())
}
