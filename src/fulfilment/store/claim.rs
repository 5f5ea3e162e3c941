//! What a claim may take: the lanes of a provider, and what is due in each.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Locked;
use super::lock::load;

/// So many lanes are looked at in one claim; the next one goes on behind them.
const MOST_LANES: i64 = 64;

/// What waits at one provider with one priority, for one connected account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fulfilment) struct Lane {
    pub priority: i16,
    pub account: String,
}

/// Locks what dead workers left, and the orders it belongs to, and reads both. What somebody else has locked is passed
/// over.
pub(in crate::fulfilment) async fn lock_dead(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> sqlx::Result<Vec<Locked>> {
    let locked = sqlx::query_scalar!(
        r#"
        select f.id
        from fulfilments as f
        join orders as o on o.id = f.order_id
        where f.state = 'in_progress'
          and f.lease_until <= $1
        order by f.lease_until, f.id
        limit $2
        -- Never waited for: whoever has locked an order may want its fulfilment next.
        for no key update of f, o skip locked
        "#,
        now,
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    load(conn, &locked, now).await
}

/// Lists the lanes of a provider in which something is due: by priority, and in each from behind the account that was
/// served last, once around. It leaps from lane to lane in the index, so that a long one costs no more than a short one.
pub(in crate::fulfilment) async fn list_lanes(
    conn: &mut PgConnection,
    provider: &str,
    last_served: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Lane>> {
    sqlx::query_as!(
        Lane,
        r#"
        select
          p.priority as "priority!",
          lane.account as "account!"
        from unnest(array[0, 1, 2]::smallint[]) as p (priority)
        cross join lateral (
          with recursive
          behind (account, place) as (
            select
              (
                select f.account
                from fulfilments as f
                where f.provider = $1
                  and f.priority = p.priority
                  and f.state in ('queued', 'recalling')
                  and f.account > $2
                order by f.account
                limit 1
              ),
              1
            union all
            select
              (
                select f.account
                from fulfilments as f
                where f.provider = $1
                  and f.priority = p.priority
                  and f.state in ('queued', 'recalling')
                  and f.account > behind.account
                order by f.account
                limit 1
              ),
              behind.place + 1
            from behind
            where behind.account is not null
          ),
          before (account, place) as (
            select
              (
                select f.account
                from fulfilments as f
                where f.provider = $1
                  and f.priority = p.priority
                  and f.state in ('queued', 'recalling')
                  and f.account <= $2
                order by f.account
                limit 1
              ),
              1000000
            union all
            select
              (
                select f.account
                from fulfilments as f
                where f.provider = $1
                  and f.priority = p.priority
                  and f.state in ('queued', 'recalling')
                  and f.account > before.account
                  and f.account <= $2
                order by f.account
                limit 1
              ),
              before.place + 1
            from before
            where before.account is not null
          )
          select account, place from behind
          union all
          select account, place from before
        ) as lane
        where lane.account is not null
          -- Not `exists`: Postgres may answer that for all lanes at once, by reading the whole table.
          and (
            select f.next_attempt_at
            from fulfilments as f
            where f.provider = $1
              and f.priority = p.priority
              and f.account = lane.account
              and f.state in ('queued', 'recalling')
            order by f.next_attempt_at
            limit 1
          ) <= $3
        order by p.priority, lane.place
        limit $4
        "#,
        provider,
        last_served,
        now,
        MOST_LANES,
    )
    .fetch_all(conn)
    .await
}

/// Locks what is due in lanes, up to a number in each, oldest first, with the orders it belongs to. Returns the lane of
/// each, by its place in `lanes`. What somebody else has locked is passed over, and so is what was taken before.
pub(in crate::fulfilment) async fn lock_in_lanes(
    conn: &mut PgConnection,
    provider: &str,
    lanes: &[(&Lane, i64)],
    taken: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<(Uuid, usize)>> {
    let priorities: Vec<i16> = lanes.iter().map(|(lane, _)| lane.priority).collect();
    let accounts: Vec<&str> = lanes.iter().map(|(lane, _)| lane.account.as_str()).collect();
    let shares: Vec<i64> = lanes.iter().map(|(_, share)| *share).collect();
    let rows = sqlx::query!(
        r#"
        select
          due.id as "id!",
          lane.place as "place!"
        from unnest($2::smallint[], $3::text[], $4::bigint[]) with ordinality as lane (priority, account, share, place)
        cross join lateral (
          select f.id
          from fulfilments as f
          join orders as o on o.id = f.order_id
          where f.provider = $1
            and f.priority = lane.priority
            and f.account = lane.account
            and f.state in ('queued', 'recalling')
            and f.next_attempt_at <= $5
            and f.id <> all($6)
          order by f.next_attempt_at, f.id
          limit lane.share
          -- Never waited for: another worker's rows are its own, and whoever has locked an order may want its
          -- fulfilment next.
          for no key update of f, o skip locked
        ) as due
        "#,
        provider,
        &priorities,
        &accounts as &[&str],
        &shares,
        now,
        taken,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, usize::try_from(row.place - 1).unwrap_or_default())).collect())
}

/// Reads what a claim has locked.
pub(in crate::fulfilment) async fn load_locked(
    conn: &mut PgConnection,
    ids: &[Uuid],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Locked>> {
    load(conn, ids, now).await
}
