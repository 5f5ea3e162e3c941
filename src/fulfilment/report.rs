//! Fulfilments, as people and their programs read them.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::by_hand::AuditEntry;
use super::shown::{self, ShownPart};
use super::store;

/// A part of an order that goes to one provider.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub struct FulfilmentRow {
    /// Our id of it.
    pub id: Uuid,
    /// The order's name for people.
    pub order_number: String,
    /// The order.
    pub order_id: Uuid,
    /// The order's one word.
    pub order_status: String,
    /// Which part of the order, from 1.
    pub part: i32,
    /// Who carries it out.
    pub provider: String,
    /// The value of `fulfilments.state`.
    pub state: String,
    /// Why it is not on its way, or what the last try said.
    pub reason: Option<String>,
    /// The connected account whose turn it takes; empty for our own.
    pub account: String,
    /// 0 before 1 before 2.
    pub priority: i16,
    /// Tries begun.
    pub attempts: i32,
    /// How the last one ended.
    pub last_outcome: Option<String>,
    /// The key under which the provider knows it.
    pub idempotency_key: String,
    /// The provider's own name for it.
    pub provider_reference: Option<String>,
    /// When a worker looks at it (again).
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// Not tried before, as an operator wants.
    #[serde(with = "time::serde::rfc3339::option")]
    pub snoozed_until: Option<OffsetDateTime>,
    /// Why an operator wants it not to be sent.
    pub called_off: Option<String>,
    /// How its last recall ended.
    pub recall_outcome: Option<String>,
    /// When it was queued first.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

impl FulfilmentRow {
    /// The states of fulfilments.
    pub const STATES: [&'static str; 8] =
        ["queued", "in_progress", "accepted", "recalling", "fulfilled", "rejected", "failed", "cancelled"];
}

/// A part with all that became of it, and what people did to it.
#[derive(Debug, Serialize)]
pub struct FulfilmentReport {
    /// As the API shows it.
    #[serde(flatten)]
    pub part: ShownPart,
    /// The order's one word.
    pub order_status: String,
    /// The connected account whose turn it takes; empty for our own.
    pub account: String,
    /// 0 before 1 before 2.
    pub priority: i16,
    /// How the last try ended.
    pub last_outcome: Option<String>,
    /// Not tried before, as an operator wants.
    #[serde(with = "time::serde::rfc3339::option")]
    pub snoozed_until: Option<OffsetDateTime>,
    /// Why an operator wants it not to be sent.
    pub called_off: Option<String>,
    /// What people did to it.
    pub audit: Vec<AuditEntry>,
}

/// Which fulfilments to list; newest first.
#[derive(Clone, Debug, Default)]
pub struct FulfilmentFilter {
    /// The value of `fulfilments.state`.
    pub state: Option<String>,
    /// Who carries them out.
    pub provider: Option<String>,
    /// At most.
    pub limit: i64,
}

/// An order whose money is there and that does not go out by itself: a row of `ops_v1.stuck_orders`.
#[derive(Debug, Serialize)]
pub struct StuckOrder {
    /// The order's name for people.
    pub order_number: String,
    /// Our id of it.
    pub order_id: Uuid,
    /// The part that is stuck; none where none was queued.
    pub fulfilment_id: Option<Uuid>,
    /// Who is to carry it out.
    pub provider: Option<String>,
    /// The part's state.
    pub state: Option<String>,
    /// What kind of trouble, in a word.
    pub stuck: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// For how long.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Duration,
    /// What it waits for, or what went wrong.
    pub reason: Option<String>,
    /// What to do.
    pub next_action: String,
}

/// How a provider is doing: a row of `ops_v1.providers`.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderRow {
    /// Its name.
    pub name: String,
    /// `settings`, `http`, `log` or `digital`.
    pub kind: String,
    /// Scheme and host of its URL.
    pub host: Option<String>,
    /// How many attempts may be under way at once.
    pub concurrency: Option<i32>,
    /// How many attempts may begin a second.
    pub rate_per_second: Option<f64>,
    /// `closed`, `open` or `half_open`.
    pub breaker: String,
    /// What opened the breaker.
    pub breaker_reason: Option<String>,
    /// When it is tried again.
    #[serde(with = "time::serde::rfc3339::option")]
    pub breaker_retry_at: Option<OffsetDateTime>,
    /// Whether a person paused it.
    pub paused: bool,
    /// Why.
    pub pause_reason: Option<String>,
    /// Who.
    pub paused_by: Option<String>,
    /// Until when.
    #[serde(with = "time::serde::rfc3339::option")]
    pub paused_until: Option<OffsetDateTime>,
    /// Parts that wait.
    pub queued: i64,
    /// For how long the oldest that may be tried now has been waiting, in seconds.
    pub oldest_due_seconds: Option<f64>,
    /// Parts that a worker is at.
    pub in_progress: i64,
    /// Parts that it is to give back.
    pub recalling: i64,
    /// Parts that it has, and tells of later.
    pub accepted: i64,
    /// Parts that it refused.
    pub rejected: i64,
    /// Dead letters.
    pub failed: i64,
}

fn seconds<S: Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(age.as_secs())
}

/// The ids of the fulfilments that a name stands for: their own id or key, or their order.
///
/// # Errors
/// The database's.
pub async fn find_fulfilments(
    conn: &mut PgConnection,
    name: &str,
    order_id: Option<Uuid>,
) -> sqlx::Result<Vec<Uuid>> {
    // `ful_<id>`, or `ful_<id>_<round>`.
    let key = name.strip_prefix("ful_").map(|key| key.split('_').next().unwrap_or_default());
    let id = Uuid::parse_str(key.unwrap_or(name)).ok();
    store::find_fulfilments(conn, id, order_id).await
}

/// Loads all of these fulfilments, by order and part.
///
/// # Errors
/// The database's.
pub async fn load_reports(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<FulfilmentReport>> {
    let rows = store::load_rows(conn, ids).await?;
    let mut rows: HashMap<Uuid, FulfilmentRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    let mut reports = Vec::new();
    for part in shown::load_these(conn, ids, None).await? {
        let Some(row) = rows.remove(&part.id) else { continue };
        reports.push(FulfilmentReport {
            // Orders have few parts, and people read few orders at a time.
            audit: store::list_audit(conn, &[part.id.to_string()]).await?,
            part,
            order_status: row.order_status,
            account: row.account,
            priority: row.priority,
            last_outcome: row.last_outcome,
            snoozed_until: row.snoozed_until,
            called_off: row.called_off,
        });
    }
    Ok(reports)
}

/// Loads these fulfilments as the list has them, by order and part.
///
/// # Errors
/// The database's.
pub async fn load_rows(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<FulfilmentRow>> {
    store::load_rows(conn, ids).await
}
