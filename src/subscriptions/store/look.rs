//! Looks at subscriptions: which are due, and which of them we were asked to end.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A subscription whose turn it is.
pub(in crate::subscriptions) struct Due {
    pub id: Uuid,
    /// Looks that ended in an error, one after the other.
    pub looks: i32,
}

/// Takes the subscription that waits longest, for as long as a call can take; another worker has it after `lease_until`.
pub(in crate::subscriptions) async fn claim_due(
    conn: &mut PgConnection,
    lease_until: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        "
        with due as (
          select id
          from subscriptions
          where next_look_at <= $1
          order by next_look_at
          limit 1
          -- Other workers pass over it.
          for update skip locked
        )
        update subscriptions set next_look_at = $2
        from due
        where subscriptions.id = due.id
        returning subscriptions.id, looks
        ",
        now,
        lease_until,
    )
    .fetch_optional(conn)
    .await
}

/// What a look that begins now must know.
pub(in crate::subscriptions) struct Seen {
    pub stripe_id: String,
    pub account: Option<String>,
    /// The news that were heard of it.
    pub news: i64,
    /// Whether it is to end at once, and whether what is owed is billed first.
    pub end_now: Option<bool>,
}

/// What a look that begins now must know; none where Stripe does not have it.
pub(in crate::subscriptions) async fn news_of(
    conn: &mut PgConnection,
    id: Uuid,
) -> sqlx::Result<Option<Seen>> {
    sqlx::query_as!(
        Seen,
        r#"
        select
          stripe_id as "stripe_id!",
          account,
          news,
          end_now = 'asked_with_invoice' as end_now
        from subscriptions
        where id = $1
          and stripe_id is not null
        "#,
        id,
    )
    .fetch_optional(conn)
    .await
}

/// Writes that it is to end at once; the worker asks Stripe from `next_look_at` on.
pub(in crate::subscriptions) async fn ask_to_end(
    conn: &mut PgConnection,
    id: Uuid,
    with_invoice: bool,
    next_look_at: OffsetDateTime,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let end_now = if with_invoice { "asked_with_invoice" } else { "asked" };
    sqlx::query!(
        "update subscriptions set end_now = $2, next_look_at = $3, looks = 0, updated_at = $4 where id = $1",
        id,
        end_now,
        next_look_at,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a look ended in an error, and when to look again.
pub(in crate::subscriptions) async fn put_off(
    conn: &mut PgConnection,
    id: Uuid,
    next_look_at: Option<OffsetDateTime>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update subscriptions set looks = looks + 1, next_look_at = $2 where id = $1",
        id,
        next_look_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Asks the worker for a look.
pub(in crate::subscriptions) async fn look_at(
    conn: &mut PgConnection,
    id: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!("update subscriptions set next_look_at = $2 where id = $1 and state = 'known'", id, now)
        .execute(conn)
        .await?;
    Ok(())
}
