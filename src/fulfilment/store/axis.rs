//! Where the parts of orders stand.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::state::Part;

/// Reads the parts of orders.
pub(in super::super) async fn load_parts(
    conn: &mut PgConnection,
    order_ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Vec<Part>>> {
    let mut parts: HashMap<Uuid, Vec<Part>> = HashMap::new();
    if order_ids.is_empty() {
        return Ok(parts);
    }
    let rows = sqlx::query!(
        r#"
        select
          f.order_id,
          f.state,
          f.recalls_from,
          exists (
            select from fulfilment_lines as l where l.fulfilment_id = f.id and l.quantity_shipped > 0
          ) as "has_shipped!"
        from fulfilments as f
        where f.order_id = any($1)
        "#,
        order_ids,
    )
    .fetch_all(conn)
    .await?;
    for row in rows {
        let part = Part { state: row.state, recalls_from: row.recalls_from, has_shipped: row.has_shipped };
        parts.entry(row.order_id).or_default().push(part);
    }
    Ok(parts)
}
