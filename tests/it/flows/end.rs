//! What a flow comes to: the rows that it leaves, without ids and times.

use serde_json::Value;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::payments::Shop;
use crate::payments::shop::id;

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

/// What was said, and the rows of orders.
pub async fn end(shop: &Shop, said: &[String], orders: &[&Value]) -> String {
    let mut lines = vec![format!("said        {}", said.join("; "))];
    for order in orders {
        let order: Uuid = id(order).parse().unwrap();
        for (name, query) in TABLES {
            let rows = texts(&shop.app.pool, query, order).await;
            lines.extend(rows.iter().map(|row| format!("{name:<11} {row}")));
        }
    }
    lines.join("\n")
}

async fn texts(pool: &PgPool, query: &'static str, order: Uuid) -> Vec<String> {
    let rows = sqlx::query(query).bind(order).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
