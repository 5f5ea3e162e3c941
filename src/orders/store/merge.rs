//! Orders that are taken over by others: what stands for them, and what was paid for them.

use sqlx::PgConnection;
use uuid::Uuid;

/// An order that another takes over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merged {
    pub order_id: Uuid,
    /// The one that keeps on.
    pub into: Uuid,
    /// Whether that one learns from it what was bought.
    pub teaches: bool,
}

/// Moves what belongs to orders to those that take them over. The caller has locked them all.
pub(crate) async fn merge(conn: &mut PgConnection, merged: &[Merged]) -> sqlx::Result<()> {
    // One by one: an order that took another over may be taken over itself.
    for Merged { order_id, into, teaches } in merged {
        sqlx::query!("update order_refs set order_id = $2 where order_id = $1", order_id, into)
            .execute(&mut *conn)
            .await?;
        sqlx::query!("update payments set order_id = $2 where order_id = $1", order_id, into)
            .execute(&mut *conn)
            .await?;
        sqlx::query!(
            "
            update orders as kept set
              metadata = case when $3 then ended.metadata else kept.metadata end,
              stripe_paid_at = least(kept.stripe_paid_at, ended.stripe_paid_at)
            from orders as ended
            where kept.id = $2
              and ended.id = $1
            ",
            order_id,
            into,
            teaches,
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            "
            insert into order_lines (
              order_id, position, kind, sku, description, quantity, unit_amount, amount, quantity_refunded, price
            )
            select $2, position, kind, sku, description, quantity, unit_amount, amount, quantity_refunded, price
            from order_lines
            where order_id = $1
              and not exists (select from order_lines where order_id = $2)
            ",
            order_id,
            into,
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!("update orders set merged_into = $2 where id = $1 or merged_into = $1", order_id, into)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}
