//! What orders have as lines, and what of that is learnt after they were made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::late::KnownLines;
use super::super::order::{Line, LineKind, Origin};
use super::stored;

/// An order that may still learn what was bought.
pub(crate) struct Learner {
    pub origin: Origin,
    pub has_lines: bool,
}

/// Those of some orders that Stripe's events made, and that an invoice or a session can still teach. It locks nothing: an
/// order only ever learns more.
pub(crate) async fn list_learners(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<HashMap<Uuid, Learner>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"
        select
          id,
          origin,
          (select true from order_lines where order_id = orders.id limit 1) as has_lines
        from orders
        where id = any($1)
          and origin in ('payment_intent', 'checkout_session')
        "#,
        ids,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.id, Learner { origin: stored(&row.origin)?, has_lines: row.has_lines.is_some() })))
        .collect()
}

/// Reads the lines of orders, and whether anything of them was ever handed over: their history tells. The caller has
/// locked the orders, so that nobody begins to meanwhile.
pub(crate) async fn load_known_lines(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> sqlx::Result<BTreeMap<Uuid, KnownLines>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let orders = sqlx::query!(
        r#"
        select
          o.id as "id!",
          exists (
            select
            from order_transitions as moves
            where moves.order_id = o.id
              and moves.axis = 'fulfilment'
              and (
                moves.to_value in ('in_progress', 'partially_fulfilled', 'failed')
                -- Else it is an order that was closed since nothing of it was to be sent.
                or moves.to_value = 'fulfilled'
                and moves.from_value is distinct from 'none'
                and moves.cause_kind in ('attempt', 'operator', 'provider')
              )
          ) as "is_handed_over!"
        from unnest($1::uuid[]) as o (id)
        "#,
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut known: BTreeMap<Uuid, KnownLines> = orders
        .into_iter()
        .map(|row| (row.id, KnownLines { is_handed_over: row.is_handed_over, ..KnownLines::default() }))
        .collect();
    let lines = sqlx::query!(
        "
        select order_id, kind, sku, description, quantity, unit_amount, amount, quantity_refunded, price
        from order_lines
        where order_id = any($1)
        order by order_id, position
        ",
        ids,
    )
    .fetch_all(conn)
    .await?;
    for row in lines {
        let kind: LineKind = stored(&row.kind)?;
        if let Some(order) = known.get_mut(&row.order_id) {
            order.stand_ins.extend(row.price);
            order.lines.push(Line {
                kind,
                sku: row.sku,
                description: row.description,
                quantity: row.quantity,
                unit_amount: row.unit_amount,
                amount: row.amount,
                refunded: row.quantity_refunded,
            });
        }
    }
    Ok(known)
}

/// Writes the lines of orders, over those that were known, with the prices that stand in for skus. None of them is taken
/// away: parcels and refunds count by their positions.
pub(crate) async fn write_lines<'l>(
    conn: &mut PgConnection,
    orders: impl Iterator<Item = (Uuid, &'l [Line], &'l BTreeSet<String>)>,
) -> sqlx::Result<()> {
    let lines: Vec<(Uuid, i32, &Line, Option<&str>)> = orders
        .flat_map(|(order, lines, stand_ins)| {
            (1..).zip(lines).map(move |(position, line)| {
                (order, position, line, stand_ins.get(&line.sku).map(String::as_str))
            })
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let order_ids: Vec<Uuid> = lines.iter().map(|(order, ..)| *order).collect();
    let positions: Vec<i32> = lines.iter().map(|(_, position, ..)| *position).collect();
    let kinds: Vec<&str> = lines.iter().map(|(_, _, line, _)| line.kind.as_str()).collect();
    let skus: Vec<&str> = lines.iter().map(|(_, _, line, _)| line.sku.as_str()).collect();
    let descriptions: Vec<Option<&str>> =
        lines.iter().map(|(_, _, line, _)| line.description.as_deref()).collect();
    let quantities: Vec<i64> = lines.iter().map(|(_, _, line, _)| line.quantity).collect();
    let unit_amounts: Vec<i64> = lines.iter().map(|(_, _, line, _)| line.unit_amount).collect();
    let amounts: Vec<i64> = lines.iter().map(|(_, _, line, _)| line.amount).collect();
    let prices: Vec<Option<&str>> = lines.iter().map(|(.., price)| *price).collect();
    sqlx::query!(
        "
        insert into order_lines (order_id, position, kind, sku, description, quantity, unit_amount, amount, price)
        select *
        from unnest(
          $1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[]
        )
        on conflict (order_id, position) do update set
          kind = excluded.kind,
          sku = excluded.sku,
          description = excluded.description,
          quantity = excluded.quantity,
          unit_amount = excluded.unit_amount,
          amount = excluded.amount,
          price = excluded.price
        ",
        &order_ids,
        &positions,
        &kinds as &[&str],
        &skus as &[&str],
        &descriptions as &[Option<&str>],
        &quantities,
        &unit_amounts,
        &amounts,
        &prices as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds the orders that have lines in whose sku a price stands in.
pub(crate) async fn list_orders_of_stand_in(
    conn: &mut PgConnection,
    account: Option<&str>,
    price: &str,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "
        select distinct orders.id
        from order_lines
        join orders on orders.id = order_lines.order_id
        where order_lines.price = $1
          and orders.account is not distinct from $2
        ",
        price,
        account,
    )
    .fetch_all(conn)
    .await
}

/// Calls lines as the merchant does, in these orders; and ends the wait for it in those that keep the price's id.
pub(crate) async fn name_lines(
    conn: &mut PgConnection,
    price: &str,
    sku: &str,
    (named, kept): (&[Uuid], &[Uuid]),
) -> sqlx::Result<()> {
    sqlx::query!(
        "
        update order_lines set
          sku = case when order_id = any($3) then $2 else sku end,
          price = null
        where price = $1
          and (order_id = any($3) or order_id = any($4))
        ",
        price,
        sku,
        named,
        kept,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these prices Stripe is still asked for.
pub(crate) async fn list_open_prices(
    conn: &mut PgConnection,
    account: Option<&str>,
    prices: &BTreeSet<String>,
) -> sqlx::Result<BTreeSet<String>> {
    let prices: Vec<&str> = prices.iter().map(String::as_str).collect();
    let open = sqlx::query_scalar!(
        "
        select stripe_id
        from lookups
        where account = $1
          and kind = 'price'
          and stripe_id = any($2)
          and state = 'open'
        ",
        account.unwrap_or_default(),
        &prices as &[&str],
    )
    .fetch_all(conn)
    .await?;
    Ok(open.into_iter().collect())
}
