//! Providers, rules and digital goods.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::super::registry::{DigitalGood, Limits, NewKind, ProviderChange, Rule};
use crate::config::Secret;

/// Whether there is a provider of this name.
pub(in super::super) async fn is_provider(conn: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    let found = sqlx::query_scalar!("select 1 as one from fulfilment_providers where name = $1", name)
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some())
}

/// Locks a provider and returns its kind.
pub(in super::super) async fn lock_provider(
    conn: &mut PgConnection,
    name: &str,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"
        select kind
        from fulfilment_providers
        where name = $1
        -- Two people who change it take turns.
        for no key update
        "#,
        name
    )
    .fetch_optional(conn)
    .await
}

/// Inserts a provider with its health; false where the name is taken.
pub(in super::super) async fn insert_provider(
    conn: &mut PgConnection,
    name: &str,
    kind: &NewKind,
    secret: Option<&Secret>,
    limits: Limits,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let url = if let NewKind::Http(url) = kind { Some(url.as_str()) } else { None };
    let result = sqlx::query!(
        r#"
        with new as (
          insert into fulfilment_providers (
            name, kind, url, secret, timeout_ms, concurrency, rate_per_second, created_at, updated_at
          )
          values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
          on conflict (name) do nothing
          returning name
        )
        insert into fulfilment_provider_health (provider)
        select name from new
        "#,
        name,
        kind.as_str(),
        url,
        secret.map(Secret::expose),
        limits.timeout.map(millis),
        limits.concurrency,
        limits.rate_per_second,
        now,
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Changes a provider.
pub(in super::super) async fn update_provider(
    conn: &mut PgConnection,
    name: &str,
    change: &ProviderChange,
    secret: Option<&Secret>,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update fulfilment_providers
        set
          url = coalesce($2, url),
          secret = coalesce($3, secret),
          timeout_ms = case when $4 then $5 else timeout_ms end,
          concurrency = case when $6 then $7 else concurrency end,
          rate_per_second = case when $8 then $9 else rate_per_second end,
          updated_at = $10
        where name = $1
        "#,
        name,
        change.url.as_ref().map(reqwest::Url::as_str),
        secret.map(Secret::expose),
        change.timeout.is_some(),
        change.timeout.flatten().map(millis),
        change.concurrency.is_some(),
        change.concurrency.flatten(),
        change.rate_per_second.is_some(),
        change.rate_per_second.flatten(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}

/// Inserts a rule, after the last one where its position is 0; none where the position is taken.
pub(in super::super) async fn insert_rule(
    conn: &mut PgConnection,
    rule: &Rule,
    now: OffsetDateTime,
) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!(
        r#"
        insert into fulfilment_rules (position, sku, country, account, provider, priority, created_at)
        values (
          case when $1 > 0 then $1 else coalesce((select max(position) from fulfilment_rules), 0) + 1 end,
          $2, $3, $4, $5, $6, $7
        )
        on conflict (position) do nothing
        returning position
        "#,
        rule.position,
        rule.sku,
        rule.country,
        rule.account,
        rule.provider,
        rule.priority,
        now,
    )
    .fetch_optional(conn)
    .await
}

/// Deletes a rule and returns what it was.
pub(in super::super) async fn delete_rule(
    conn: &mut PgConnection,
    position: i32,
) -> sqlx::Result<Option<Rule>> {
    sqlx::query_as!(
        Rule,
        r#"
        delete from fulfilment_rules
        where position = $1
        returning position, sku, country, account, provider, priority
        "#,
        position,
    )
    .fetch_optional(conn)
    .await
}

/// All rules, in the order in which they are tried.
///
/// # Errors
/// The database's.
pub async fn list_rules(conn: &mut PgConnection) -> sqlx::Result<Vec<Rule>> {
    sqlx::query_as!(
        Rule,
        "select position, sku, country, account, provider, priority from fulfilment_rules order by position",
    )
    .fetch_all(conn)
    .await
}

/// Says what is issued for a sku.
pub(in super::super) async fn upsert_good(
    conn: &mut PgConnection,
    good: &DigitalGood,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        insert into digital_goods (sku, kind, url, valid_seconds, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $5)
        on conflict (sku) do update set
          kind = excluded.kind,
          url = excluded.url,
          valid_seconds = excluded.valid_seconds,
          updated_at = excluded.updated_at
        "#,
        good.sku,
        good.kind,
        good.url,
        good.valid_seconds,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes a digital good; false where there is none.
pub(in super::super) async fn delete_good(conn: &mut PgConnection, sku: &str) -> sqlx::Result<bool> {
    let result = sqlx::query!("delete from digital_goods where sku = $1", sku).execute(conn).await?;
    Ok(result.rows_affected() == 1)
}

/// All digital goods, by sku.
///
/// # Errors
/// The database's.
pub async fn list_goods(conn: &mut PgConnection) -> sqlx::Result<Vec<DigitalGood>> {
    sqlx::query_as!(DigitalGood, "select sku, kind, url, valid_seconds from digital_goods order by sku")
        .fetch_all(conn)
        .await
}
