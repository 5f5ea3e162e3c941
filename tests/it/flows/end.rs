//! What a flow comes to: the rows that it leaves, without ids and times.

use sqlx::{PgPool, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::payments::Shop;

/// Each table, as texts.
const TABLES: [(&str, &str); 7] = [
    (
        "order",
        "select format('%s: %s, %s, paid %s of %s, back %s%s', status, payment_status, fulfilment_status, amount_paid,
           coalesce(amount_to_capture, amount_total), amount_refunded,
           (select string_agg(format(', %s of line %s taken back', quantity_refunded, position), '' order by position)
            from order_lines where order_id = orders.id and quantity_refunded > 0))
         from orders where id = $1",
    ),
    ("money", "select format('%s %s', kind, amount) from payments where order_id = $1 order by 1"),
    (
        "hold",
        "select format('%s: %s -> %s', kind, reason, coalesce(release_reason, 'open')) from holds where order_id = $1
         order by 1",
    ),
    (
        "fulfilment",
        "select concat_ws(': ', state, reason) from fulfilments where order_id = $1 order by part",
    ),
    (
        "refund",
        "select concat_ws(' ', origin, amount, state, reason, lines, case when reverse_transfer then 'reverses' end,
           case when refund_application_fee then 'with fee' end, problem)
         from refund_requests where order_id = $1 order by created_at, id",
    ),
    (
        "payment",
        r"select concat_ws(', ', intent_status, nullif(application_fee, 0), problem_code,
           regexp_replace(problem, '(acct|req)_\w+', '\1_…', 'g'))
         from order_payments where order_id = $1",
    ),
    (
        "call",
        "select concat_ws(' ', operation, state, code) from stripe_calls where order_id = $1 order by opened_at, id",
    ),
];

/// What a flow that bills leaves beside its orders: the rows that it made since it began.
const BILLING: [(&str, &str); 6] = [
    (
        "line",
        "select format('%s × %s, %s', l.quantity, l.sku, l.kind) from order_lines l join orders o on o.id = l.order_id
         where o.created_at >= $1 and exists (select from invoices where order_id = o.id)
         order by o.created_at, o.id, l.position",
    ),
    ("quote", "select format('%s, %s', state, amount_total) from quotes where created_at >= $1 order by created_at, id"),
    (
        "subscription",
        "select concat_ws(', ', s.state, s.status) from subscriptions s
         where exists (
           select from invoices i join orders o on o.id = i.order_id
           where i.subscription = s.stripe_id and o.created_at >= $1
         )
         order by s.id",
    ),
    (
        "invoice",
        "select format('%s, paid %s of %s, order of %s', i.status, i.amount_paid, i.amount_due, o.amount_total)
         from invoices i join orders o on o.id = i.order_id where o.created_at >= $1 order by o.created_at, o.id",
    ),
    (
        "asked",
        "select format('%s %s%s', operation, state, nullif(' ' || code, ' ')) from outbox_calls
         where opened_at >= $1 order by opened_at, id",
    ),
    ("parked", "select concat_ws(': ', type, reason) from stripe_events where state in ('parked', 'failed') and received_at >= $1"),
];

/// What was said, and the rows of all orders that were made since the flow began, and of what it billed.
pub async fn end(shop: &Shop, said: &[String], began: OffsetDateTime) -> String {
    let mut lines = vec![format!("said        {}", said.join("; ")).trim_end().to_owned()];
    let made = "select id from orders where created_at >= $1 order by created_at, id";
    let made: Vec<Uuid> = sqlx::query_scalar(made).bind(began).fetch_all(&shop.app.pool).await.unwrap();
    for order in made {
        for (name, query) in TABLES {
            let rows = texts(&shop.app.pool, query, order).await;
            lines.extend(rows.iter().map(|row| format!("{name:<11} {row}").trim_end().to_owned()));
        }
    }
    for (name, query) in BILLING {
        let rows = sqlx::query(query).bind(began).fetch_all(&shop.app.pool).await.unwrap();
        lines.extend(rows.iter().map(|row| format!("{name:<11} {}", row.get::<String, _>(0))));
    }
    lines.join("\n")
}

async fn texts(pool: &PgPool, query: &'static str, order: Uuid) -> Vec<String> {
    let rows = sqlx::query(query).bind(order).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
