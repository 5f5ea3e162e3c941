//! All SQL of fulfilments. The caller owns the transaction; sets in, sets out.

mod attempts;
mod axis;
mod by_hand;
mod claim;
mod digital;
mod events;
mod health;
mod lease;
mod lines;
mod lock;
mod manual;
mod pauses;
mod read;
mod registry;
mod save;
mod shown;
mod split;

pub(super) use attempts::{Begun, Ended, begin_attempts, delete_attempts, finish_attempts};
pub(super) use axis::load_parts;
pub(super) use by_hand::{insert_audit, list_audit};
pub(super) use claim::{Lane, list_lanes, load_locked, lock_dead, lock_in_lanes};
pub(super) use digital::{Goods, Issue, find_link, insert_issued, load_goods, load_issued, revoke_issued};
pub(super) use events::{Kept, find_provider, insert_event, load_said, load_told, save_progress};
pub(super) use health::{ProviderRow, load_providers, lock_providers, save_health};
pub(super) use lease::{lengthen_leases, note_refunded_pieces};
pub(super) use lines::{Done, insert_shipments, load_lines, mark_done, take_back_answered};
pub(super) use lock::{Locked, lock_held, lock_parts, lock_parts_of};
pub use manual::{count_redrive, list_redrive};
pub(super) use manual::{mark_shipped, set_priority};
pub(super) use pauses::{end_pause, insert_pause, mark_sku_due};
pub(super) use read::{find_fulfilments, load_rows};
pub use read::{list_fulfilments, list_providers, list_stuck};
pub(super) use registry::{
    delete_good, delete_rule, insert_provider, insert_rule, is_provider, lock_provider, update_provider,
    upsert_good,
};
pub use registry::{list_goods, list_rules};
pub(super) use save::{Change, key, save};
pub(super) use shown::{load_attempts, load_digital, load_shipments, load_shown};
pub(super) use split::{
    Insert, Unqueued, delete_untouched, insert_parts, list_closed, load_rules, load_to_split, put_off_parts,
    requeue_cancelled,
};

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::FULFILMENTS_CHANNEL;

/// Wakes the workers when the transaction commits.
pub(super) async fn notify(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!(r#"select pg_notify($1, '') as "ignored: ()""#, FULFILMENTS_CHANNEL).execute(conn).await?;
    Ok(())
}

/// Makes what waits for a worker due for these orders, if it is not; returns how many that were.
pub(super) async fn mark_due(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<u64> {
    let result = sqlx::query!(
        r#"
        update fulfilments
        set
          next_attempt_at = $2,
          updated_at = $2
        where order_id = any($1)
          and state in ('queued', 'recalling')
          and next_attempt_at > $2
        "#,
        order_ids,
        now,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected())
}

/// Locks orders whose axis is about to move. Orders are locked before fulfilments, by everybody, in the order of their
/// ids: without that, recording an outcome and applying an event could wait for each other.
pub(super) async fn lock_orders(conn: &mut PgConnection, order_ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query_scalar!(
        r#"
        select id
        from orders
        where id = any($1)
        order by id
        for no key update
        "#,
        order_ids,
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

fn all_hit(rows: u64, expected: usize) -> sqlx::Result<()> {
    if usize::try_from(rows).is_ok_and(|rows| rows == expected) {
        Ok(())
    } else {
        Err(sqlx::Error::RowNotFound)
    }
}
