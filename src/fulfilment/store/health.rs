//! Who carries orders out, and how each is doing.

use std::fmt::Display;
use std::str::FromStr;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::super::state::Health;

/// A provider, as its rows have it.
#[derive(Clone, Debug)]
pub(in crate::fulfilment) struct ProviderRow {
    pub name: String,
    pub kind: String,
    pub url: Option<String>,
    pub secret: Option<String>,
    pub timeout_ms: Option<i32>,
    pub concurrency: Option<i32>,
    pub rate_per_second: Option<f64>,
    pub updated_at: OffsetDateTime,
    pub is_paused: bool,
    pub health: Health,
    /// How many of its fulfilments are in progress; counted only where that is bounded.
    pub under_way: i64,
    /// A worker died with something of whichever provider: its lease is over.
    pub has_dead: bool,
}

/// Reads all providers, by name.
pub(in crate::fulfilment) async fn load_providers(
    conn: &mut PgConnection,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<ProviderRow>> {
    read(conn, None, now).await
}

/// Locks these providers and reads them: claims under a bound take turns, and so do those who tell how a provider does.
pub(in crate::fulfilment) async fn lock_providers(
    conn: &mut PgConnection,
    names: &[String],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<ProviderRow>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar!(
        r#"
        select name
        from fulfilment_providers
        where name = any($1)
        order by name
        -- In this order by everybody, so that nobody waits in a circle; for short.
        for no key update
        "#,
        names,
    )
    .fetch_all(&mut *conn)
    .await?;
    read(conn, Some(names), now).await
}

async fn read(
    conn: &mut PgConnection,
    names: Option<&[String]>,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<ProviderRow>> {
    let rows = sqlx::query!(
        r#"
        select
          p.name,
          p.kind,
          p.url,
          p.secret,
          p.timeout_ms,
          p.concurrency,
          p.rate_per_second,
          p.updated_at,
          exists (
            select
            from fulfilment_pauses as x
            where x.provider = p.name
              and x.ended_at is null
              and (x.expires_at is null or x.expires_at > $2)
          ) as "is_paused!",
          coalesce(h.breaker, 'closed') as "breaker!",
          h.reason as "reason?",
          h.opened_at,
          h.retry_at,
          coalesce(h.trips, 0) as "trips!",
          h.window_started_at,
          coalesce(h.window_attempts, 0) as "window_attempts!",
          coalesce(h.window_failures, 0) as "window_failures!",
          h.tokens,
          h.tokens_at,
          case
            when p.concurrency is null then 0
            else (select count(*) from fulfilments as f where f.provider = p.name and f.state = 'in_progress')
          end as "under_way!",
          exists (select from fulfilments as f where f.state = 'in_progress' and f.lease_until <= $2) as "has_dead!"
        from fulfilment_providers as p
        left join fulfilment_provider_health as h on h.provider = p.name
        where $1::text[] is null or p.name = any($1)
        order by p.name
        "#,
        names,
        now,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let health = Health {
                breaker: stored(&row.breaker)?,
                reason: row.reason,
                opened_at: row.opened_at,
                retry_at: row.retry_at,
                trips: row.trips,
                window_started_at: row.window_started_at,
                window_attempts: row.window_attempts,
                window_failures: row.window_failures,
                tokens: row.tokens,
                tokens_at: row.tokens_at,
            };
            Ok(ProviderRow {
                name: row.name,
                kind: row.kind,
                url: row.url,
                secret: row.secret,
                timeout_ms: row.timeout_ms,
                concurrency: row.concurrency,
                rate_per_second: row.rate_per_second,
                updated_at: row.updated_at,
                is_paused: row.is_paused,
                health,
                under_way: row.under_way,
                has_dead: row.has_dead,
            })
        })
        .collect()
}

/// Writes how locked providers are doing.
pub(in crate::fulfilment) async fn save_health<'a>(
    conn: &mut PgConnection,
    healths: impl Iterator<Item = (&'a str, &'a Health)> + Clone,
) -> sqlx::Result<()> {
    let names: Vec<&str> = healths.clone().map(|(name, _)| name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let of = healths.map(|(_, health)| health);
    let breakers: Vec<&str> = of.clone().map(|health| health.breaker.as_str()).collect();
    let reasons: Vec<Option<&str>> = of.clone().map(|health| health.reason.as_deref()).collect();
    let opened_at: Vec<Option<OffsetDateTime>> = of.clone().map(|health| health.opened_at).collect();
    let retry_at: Vec<Option<OffsetDateTime>> = of.clone().map(|health| health.retry_at).collect();
    let trips: Vec<i32> = of.clone().map(|health| health.trips).collect();
    let started: Vec<Option<OffsetDateTime>> = of.clone().map(|health| health.window_started_at).collect();
    let attempts: Vec<i32> = of.clone().map(|health| health.window_attempts).collect();
    let failures: Vec<i32> = of.clone().map(|health| health.window_failures).collect();
    let tokens: Vec<Option<f64>> = of.clone().map(|health| health.tokens).collect();
    let tokens_at: Vec<Option<OffsetDateTime>> = of.map(|health| health.tokens_at).collect();
    sqlx::query!(
        r#"
        insert into fulfilment_provider_health (
          provider, breaker, reason, opened_at, retry_at, trips,
          window_started_at, window_attempts, window_failures, tokens, tokens_at
        )
        select *
        from unnest(
          $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::integer[],
          $7::timestamptz[], $8::integer[], $9::integer[], $10::double precision[], $11::timestamptz[]
        )
        on conflict (provider) do update set
          breaker = excluded.breaker,
          reason = excluded.reason,
          opened_at = excluded.opened_at,
          retry_at = excluded.retry_at,
          trips = excluded.trips,
          window_started_at = excluded.window_started_at,
          window_attempts = excluded.window_attempts,
          window_failures = excluded.window_failures,
          tokens = excluded.tokens,
          tokens_at = excluded.tokens_at
        "#,
        &names as &[&str],
        &breakers as &[&str],
        &reasons as &[Option<&str>],
        &opened_at as &[Option<OffsetDateTime>],
        &retry_at as &[Option<OffsetDateTime>],
        &trips,
        &started as &[Option<OffsetDateTime>],
        &attempts,
        &failures,
        &tokens as &[Option<f64>],
        &tokens_at as &[Option<OffsetDateTime>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn stored<T: FromStr>(text: &str) -> sqlx::Result<T>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.to_string().into()))
}
