//! The end of payloads.

use sqlx::PgConnection;

use crate::db::{Place, Swept, Window};

/// Whose payloads expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiring {
    /// Of applied events: these stay applied for ever.
    Applied,
    /// Also of events that were set aside: these can be applied still, if what they wait for appears or a person says so.
    SetAsideToo,
}

/// Deletes the payloads of a batch of old events, oldest first. Those that are pending, parked or failed keep theirs,
/// however old they are; what became applied only after it was gone through keeps its payload too.
///
/// # Errors
/// The database's.
pub async fn expire_payloads(
    conn: &mut PgConnection,
    whose: Expiring,
    window: Window<'_>,
) -> sqlx::Result<Swept> {
    let events = sqlx::query!(
        "
        select id, received_at, state
        from stripe_events
        where (received_at, id) > ($1, $2)
          and received_at < $3
        order by received_at, id
        limit $4
        ",
        window.from.at,
        window.from.id,
        window.before,
        window.limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    let of = |state: &str| -> Vec<String> {
        events.iter().filter(|event| event.state == state).map(|event| event.id.clone()).collect()
    };
    let mut over = of("applied");
    if whose == Expiring::SetAsideToo {
        over.extend(lock_set_aside(conn, &of("set_aside")).await?);
    }
    let deleted = sqlx::query!("delete from stripe_event_payloads where event_id = any($1)", &over)
        .execute(conn)
        .await?;
    Ok(Swept {
        looked_at: i64::try_from(events.len()).unwrap_or(i64::MAX),
        deleted: deleted.rows_affected(),
        reached: events.into_iter().next_back().map(|last| Place { at: last.received_at, id: last.id }),
    })
}

async fn lock_set_aside(conn: &mut PgConnection, ids: &[String]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        "
        select id
        from stripe_events
        where id = any($1)
          and state = 'set_aside'
        -- One that wakes up at this moment is needed, and keeps its payload.
        for update skip locked
        ",
        ids,
    )
    .fetch_all(conn)
    .await
}
