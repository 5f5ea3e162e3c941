//! Fulfilments as the API shows them.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::Tracking;
use super::super::download::Links;
use super::super::shown::{ShownAttempt, ShownDigital, ShownParcelLine, ShownPart, ShownShipment};

/// Reads fulfilments by their ids and by their orders, without what belongs to them.
pub(in super::super) async fn load_shown(
    conn: &mut PgConnection,
    ids: &[Uuid],
    order_ids: &[Uuid],
) -> sqlx::Result<Vec<ShownPart>> {
    let rows = sqlx::query!(
        r#"
        select
          f.id,
          f.order_id,
          o.number,
          f.part,
          f.provider,
          f.state,
          f.reason,
          f.idempotency_key,
          f.provider_reference,
          f.recall_outcome,
          f.created_at,
          f.updated_at,
          f.next_attempt_at,
          f.accepted_at,
          f.finished_at
        from fulfilments as f
        join orders as o on o.id = f.order_id
        where f.id = any($1) or f.order_id = any($2)
        order by f.order_id, f.part
        "#,
        ids,
        order_ids,
    )
    .fetch_all(conn)
    .await?;
    let parts = rows.into_iter().map(|row| ShownPart {
        id: row.id,
        order_id: row.order_id,
        order_number: row.number,
        part: row.part,
        provider: row.provider,
        state: row.state,
        reason: row.reason,
        idempotency_key: row.idempotency_key,
        reference: row.provider_reference,
        recall_outcome: row.recall_outcome,
        lines: Vec::new(),
        shipments: Vec::new(),
        digital: Vec::new(),
        attempts: Vec::new(),
        created_at: row.created_at,
        updated_at: row.updated_at,
        next_attempt_at: row.next_attempt_at,
        accepted_at: row.accepted_at,
        finished_at: row.finished_at,
    });
    Ok(parts.collect())
}

/// Reads the parcels of fulfilments, with what is in them.
pub(in super::super) async fn load_shipments(
    conn: &mut PgConnection,
    fulfilment_ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Vec<ShownShipment>>> {
    let rows = sqlx::query!(
        r#"
        select
          s.fulfilment_id,
          s.name,
          s.carrier,
          s.tracking_number,
          s.tracking_url,
          s.shipped_at,
          s.delivered_at,
          s.returned_at,
          l.position as "position?",
          l.quantity as "quantity?",
          l.returned as "returned?"
        from shipments as s
        left join shipment_lines as l on l.shipment_id = s.id
        where s.fulfilment_id = any($1)
        order by s.fulfilment_id, s.shipped_at, s.name, l.position
        "#,
        fulfilment_ids,
    )
    .fetch_all(conn)
    .await?;
    let mut shipments: HashMap<Uuid, Vec<ShownShipment>> = HashMap::new();
    for row in rows {
        let of_part = shipments.entry(row.fulfilment_id).or_default();
        if of_part.last().is_none_or(|shipment| shipment.name != row.name) {
            of_part.push(ShownShipment {
                name: row.name,
                tracking: Tracking {
                    carrier: row.carrier,
                    number: row.tracking_number,
                    url: row.tracking_url,
                },
                shipped_at: row.shipped_at,
                delivered_at: row.delivered_at,
                returned_at: row.returned_at,
                lines: Vec::new(),
            });
        }
        let line = row.position.zip(row.quantity).zip(row.returned);
        if let (Some(shipment), Some(((position, quantity), returned))) = (of_part.last_mut(), line) {
            shipment.lines.push(ShownParcelLine { position, quantity, returned });
        }
    }
    Ok(shipments)
}

/// Reads the tries of fulfilments, oldest first.
pub(in super::super) async fn load_attempts(
    conn: &mut PgConnection,
    fulfilment_ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Vec<ShownAttempt>>> {
    let rows = sqlx::query!(
        r#"
        select fulfilment_id, attempt, provider, task, outcome, detail, started_at, finished_at
        from fulfilment_attempts
        where fulfilment_id = any($1)
        order by fulfilment_id, attempt
        "#,
        fulfilment_ids,
    )
    .fetch_all(conn)
    .await?;
    let mut attempts: HashMap<Uuid, Vec<ShownAttempt>> = HashMap::new();
    for row in rows {
        attempts.entry(row.fulfilment_id).or_default().push(ShownAttempt {
            attempt: row.attempt,
            provider: row.provider,
            task: row.task,
            outcome: row.outcome,
            detail: row.detail,
            started_at: row.started_at,
            finished_at: row.finished_at,
        });
    }
    Ok(attempts)
}

/// Reads what was issued for fulfilments. Links need to know where they lead and are signed with the provider's secret;
/// without either they are not shown.
pub(in super::super) async fn load_digital(
    conn: &mut PgConnection,
    fulfilment_ids: &[Uuid],
    links: Option<&Links>,
) -> sqlx::Result<HashMap<Uuid, Vec<ShownDigital>>> {
    let rows = sqlx::query!(
        r#"
        select
          d.fulfilment_id,
          d.position,
          d.sku,
          d.kind,
          d.code,
          d.issued_at,
          d.expires_at,
          d.revoked_at,
          (d.revoked_at is not null or coalesce(l.quantity_refunded >= l.quantity, false)) as "is_revoked!",
          p.secret
        from digital_deliveries as d
        join fulfilments as f on f.id = d.fulfilment_id
        left join order_lines as l on l.order_id = f.order_id and l.position = d.position
        left join fulfilment_providers as p on p.name = f.provider
        where d.fulfilment_id = any($1)
        order by d.fulfilment_id, d.issued_at, d.position, d.piece
        "#,
        fulfilment_ids,
    )
    .fetch_all(conn)
    .await?;
    let mut digital: HashMap<Uuid, Vec<ShownDigital>> = HashMap::new();
    for row in rows {
        let is_link = row.kind == "link";
        let link = links.zip(row.secret).and_then(|(links, secret)| {
            is_link.then(|| links.link(&secret, &row.code, row.expires_at)).flatten()
        });
        digital.entry(row.fulfilment_id).or_default().push(ShownDigital {
            position: row.position,
            sku: row.sku,
            kind: row.kind,
            code: (!is_link).then_some(row.code),
            link,
            issued_at: row.issued_at,
            expires_at: row.expires_at,
            revoked: row.is_revoked,
            revoked_at: row.revoked_at,
        });
    }
    Ok(digital)
}
