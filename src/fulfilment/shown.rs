//! Fulfilments as the API shows them.

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::download::Links;
use super::fulfilment::PartLine;
use super::{Tracking, store};

/// A part of an order, with how far it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fulfilment)]
pub struct ShownPart {
    /// Our id.
    pub id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// The order's name for people.
    pub order_number: String,
    /// Which part of the order, from 1.
    pub part: i32,
    /// Who carries it out.
    pub provider: String,
    /// `queued`, `in_progress`, `accepted`, `recalling`, `fulfilled`, `rejected`, `failed` or `cancelled`.
    pub state: String,
    /// Why, where the state does not speak for itself.
    pub reason: Option<String>,
    /// The key that it is handed over with at present.
    pub idempotency_key: String,
    /// The provider's own name for it.
    pub reference: Option<String>,
    /// How the last recall ended: `recalled`, `too_late` or `not_offered`.
    pub recall_outcome: Option<String>,
    /// What it carries out; empty for orders without lines.
    pub lines: Vec<ShownLine>,
    /// The parcels that are known.
    pub shipments: Vec<ShownShipment>,
    /// Links and licence codes that were issued.
    pub digital: Vec<ShownDigital>,
    /// All tries, oldest first.
    pub attempts: Vec<ShownAttempt>,
    /// When the order was paid.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When anything of it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When it is tried or looked at next.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// When the provider said that it has it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub accepted_at: Option<OffsetDateTime>,
    /// When it came to its end.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

/// A line of a part: `quantity` pieces were bought.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FulfilmentLine)]
pub struct ShownLine {
    /// Which line of the order, from 1.
    pub position: i32,
    /// The merchant's name for the article.
    pub sku: String,
    /// Pieces that were bought.
    pub quantity: i64,
    /// Pieces that left; more than were bought where the provider says so.
    pub shipped: i64,
    /// Pieces that are still to be sent.
    pub left: i64,
    /// Pieces that will not be sent: refunded, or the part was called off.
    pub cancelled: i64,
    /// Pieces that came back.
    pub returned: i64,
}

/// A parcel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Shipment)]
pub struct ShownShipment {
    /// The provider's name for it.
    pub name: String,
    /// Where it is to be followed.
    pub tracking: Tracking,
    /// When it left; null where the provider only announced it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub shipped_at: Option<OffsetDateTime>,
    /// When it arrived.
    #[serde(with = "time::serde::rfc3339::option")]
    pub delivered_at: Option<OffsetDateTime>,
    /// When it, or a piece of it, came back.
    #[serde(with = "time::serde::rfc3339::option")]
    pub returned_at: Option<OffsetDateTime>,
    /// What is in it.
    pub lines: Vec<ShownParcelLine>,
}

/// Pieces of a line in a parcel.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShipmentLine)]
pub struct ShownParcelLine {
    /// Which line of the order, from 1.
    pub position: i32,
    /// Pieces in it.
    pub quantity: i64,
    /// Of them came back.
    pub returned: i64,
}

/// A link or a licence code.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DigitalDelivery)]
pub struct ShownDigital {
    /// Which line of the order, from 1.
    pub position: i32,
    /// The merchant's name for the article.
    pub sku: String,
    /// `link` or `licence`.
    pub kind: String,
    /// For a licence: the code.
    pub code: Option<String>,
    /// For a link: where the customer gets it.
    pub link: Option<String>,
    /// When it was issued.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// Until when a link works.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Whether it is taken back: by a recall, or since all of its line is refunded. A link does not work then; that a
    /// code does not is for you to see to.
    pub revoked: bool,
    /// When a recall took it back.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
}

/// A try.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FulfilmentAttempt)]
pub struct ShownAttempt {
    /// Which one, from 1.
    pub attempt: i32,
    /// Who was asked.
    pub provider: String,
    /// `send` or `recall`.
    pub task: String,
    /// What came of it; null while it is under way.
    pub outcome: Option<String>,
    /// What the provider said.
    pub detail: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

impl ShownLine {
    /// Nothing is left of what has come to its end.
    pub(super) fn of(line: &PartLine, is_open: bool) -> Self {
        let left = if is_open { line.left() } else { 0 };
        Self {
            position: line.position,
            sku: line.sku.clone(),
            quantity: line.quantity,
            shipped: line.shipped,
            left,
            cancelled: (line.quantity - line.shipped - left).max(0),
            returned: line.returned,
        }
    }
}

/// Loads a fulfilment; none where there is none of that id.
///
/// # Errors
/// The database's.
pub async fn load_part(
    conn: &mut PgConnection,
    id: Uuid,
    links: Option<&Links>,
) -> sqlx::Result<Option<ShownPart>> {
    let part = store::load_shown(conn, &[id], &[]).await?;
    Ok(fill(conn, part, links).await?.pop())
}

/// Loads the fulfilments of an order, by part.
///
/// # Errors
/// The database's.
pub async fn load_parts_of(
    conn: &mut PgConnection,
    order_id: Uuid,
    links: Option<&Links>,
) -> sqlx::Result<Vec<ShownPart>> {
    let parts = store::load_shown(conn, &[], &[order_id]).await?;
    fill(conn, parts, links).await
}

/// Loads these fulfilments, by order and part.
pub(super) async fn load_these(
    conn: &mut PgConnection,
    ids: &[Uuid],
    links: Option<&Links>,
) -> sqlx::Result<Vec<ShownPart>> {
    let parts = store::load_shown(conn, ids, &[]).await?;
    fill(conn, parts, links).await
}

async fn fill(
    conn: &mut PgConnection,
    mut parts: Vec<ShownPart>,
    links: Option<&Links>,
) -> sqlx::Result<Vec<ShownPart>> {
    let ids: Vec<Uuid> = parts.iter().map(|part| part.id).collect();
    let mut lines = store::load_lines(conn, &ids).await?;
    let mut shipments = store::load_shipments(conn, &ids).await?;
    let mut digital = store::load_digital(conn, &ids, links).await?;
    let mut attempts = store::load_attempts(conn, &ids).await?;
    for part in &mut parts {
        // What was rejected or failed is still to be sent: a person sees to it.
        let is_open = !matches!(part.state.as_str(), "fulfilled" | "cancelled");
        let of_part = lines.remove(&part.id).unwrap_or_default();
        part.lines = of_part.iter().map(|line| ShownLine::of(line, is_open)).collect();
        part.shipments = shipments.remove(&part.id).unwrap_or_default();
        part.digital = digital.remove(&part.id).unwrap_or_default();
        part.attempts = attempts.remove(&part.id).unwrap_or_default();
    }
    Ok(parts)
}
