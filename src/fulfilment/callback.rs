//! Call-backs: providers tell what became of what they got, in any order and as often as they like.
//!
//! Each is kept, once, and where the part stands follows from all of them together (`progress.rs`). What a worker is at
//! is left to it: it looks at what was told when it records its attempt.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::progress::{DIGEST, EventKind, Pieces, Progress, Standing, Told};
use super::recall::{ToRecall, recall};
use super::state::{Next, Present, RecallsFrom, State, told};
use super::store::{self, Change, Kept, Locked};
use super::{FulfilmentMetrics, Moved, Tracking, move_orders};
use crate::api::{ApiError, CallerKey};
use crate::orders::Cause;

mod check;

/// What a provider tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FulfilmentEvent)]
pub struct CallBack {
    /// The provider's own id of this event, at most 200 characters: what comes with it again is a repetition. Without
    /// one, the same words are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub id: Option<String>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The key that it was handed over with. Give it where you can: it tells late news of an earlier hand-over from
    /// news of the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// When it happened; without it, now.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub occurred_at: Option<OffsetDateTime>,
    /// Your name for the parcel, where there may be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub shipment: Option<String>,
    /// Where the parcel is to be followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Tracking>,
    /// For `shipped`, `delivered` and `returned`: what is in the parcel, or came back. Without it: all that is left, or
    /// all of the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1)]
    pub lines: Option<Vec<CallBackLine>>,
    /// For `failed`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 600)]
    pub reason: Option<String>,
    /// Your name for the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub reference: Option<String>,
}

/// Pieces of a line, named by its position or its sku.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FulfilmentEventLine)]
pub struct CallBackLine {
    /// As the hand-over named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i32>,
    /// As the hand-over named it; enough where it stands in one line only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub quantity: i64,
}

/// Takes a call-back about a fulfilment; a repetition changes nothing.
///
/// # Errors
/// 404 for an unknown fulfilment, 403 for another provider's, 422 with what to mend, 409 where the id came with other
/// words.
pub(super) async fn take(
    pool: &PgPool,
    id: Uuid,
    caller: &CallerKey,
    said: CallBack,
    metrics: &FulfilmentMetrics,
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    let mut tx = pool.begin().await?;
    let (order_id, provider) = store::find_provider(&mut tx, id)
        .await?
        .ok_or_else(|| ApiError::not_found(format!("there is no fulfilment {id}")))?;
    if let Some(own) = caller.provider.as_ref().filter(|own| **own != provider) {
        let message = format!("this key is the provider {own}'s; the fulfilment is with {provider}");
        return Err(ApiError::new(actix_web::http::StatusCode::FORBIDDEN, "another_providers", message));
    }
    let part = store::lock_parts(&mut tx, &[id], now).await?.pop();
    let part = part.ok_or_else(|| ApiError::not_found(format!("the fulfilment {id} is gone")))?;
    let lines = store::load_lines(&mut tx, &[id]).await?.remove(&id).unwrap_or_default();
    let round = check::round(&part.idempotency_key, part.round, said.idempotency_key.as_deref());
    let (round, pieces) = check::check(&said, round, &lines).map_err(ApiError::invalid)?;

    let event = Told {
        id: said.id.clone().unwrap_or_else(|| digest(&said)),
        round,
        kind: said.kind,
        occurred_at: said.occurred_at.unwrap_or(now),
        shipment: said.shipment.clone(),
        tracking: None,
        pieces: None,
        wanted: Pieces::new(),
        reason: None,
        reference: None,
    };
    let wanted = lines.iter().map(|line| (line.position, line.wanted())).collect();
    let kept = Kept { said, pieces, wanted };
    if !store::insert_event(&mut tx, id, &event, &kept, now).await? {
        if store::load_said(&mut tx, id, &event.id).await? != kept.said {
            let message =
                format!("an event with the id {:?} said something else; give each its own", event.id);
            return Err(ApiError::conflict("event_id_reused", message));
        }
        return Ok(());
    }
    let next = advance(&mut tx, &part, &event.id, now).await?;
    tx.commit().await?;
    if let Some(next) = next {
        // What had been fulfilled, and was to be recalled, was observed then.
        let is_first = part.facts.recalls_from != Some(RecallsFrom::Fulfilled);
        metrics.count_end(&next, part.paid_at.filter(|_| is_first), now);
    }
    tracing::info!(
        fulfilment.id = %id,
        order.id = %order_id,
        provider = part.provider,
        event.r#type = kept.said.kind.as_str(),
        "fulfilment call-back"
    );
    Ok(())
}

/// Moves a part to where all that was told puts it, and asks it back where it must not leave. Returns what it became by
/// what was told, if anything.
async fn advance(
    conn: &mut PgConnection,
    part: &Locked,
    event_id: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Next>> {
    let present = Present { state: part.facts.state, was_tried: part.attempts > 0 };
    let heard = hear(conn, &[(part.id, present)], now).await?;
    let Some(Heard { next, said, .. }) = heard.into_iter().next() else {
        return Ok(None);
    };
    let cause = Cause::Provider { provider: part.provider.clone(), event: event_id.to_owned() };
    let reason = next.as_ref().and_then(Next::reason).map(str::to_owned).or(said);
    if let Some(next) = &next {
        let stays = Next::Returned { to: RecallsFrom::Accepted, reason: String::new() };
        store::save(conn, &[Change::of(part, stays).becoming(next.clone())], now).await?;
    }
    let moved = Moved { order_id: part.order_id, cause: cause.clone(), reason, known: None };
    move_orders(conn, vec![moved], now).await?;
    recall(conn, &[ToRecall { order_id: part.order_id, cause }], now).await?;
    Ok(next)
}

/// Lets attempts that are recorded heed what was told while they were under way; the changes are saved already, and are
/// saved again where something else follows. Returns the parts that were told of.
pub(super) async fn fold_in(
    conn: &mut PgConnection,
    changes: &mut [Change],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Uuid>> {
    let present = |change: &Change| Present { state: change.next.state(), was_tried: true };
    let parts: Vec<_> = changes.iter().map(|change| (change.id, present(change))).collect();
    let (mut told_of, mut moved) = (Vec::new(), Vec::new());
    for Heard { id, next, .. } in hear(conn, &parts, now).await? {
        told_of.push(id);
        let change = changes.iter_mut().find(|change| change.id == id);
        if let Some((change, next)) = change.zip(next) {
            *change = change.clone().becoming(next);
            moved.push(change.clone());
        }
    }
    store::save(conn, &moved, now).await?;
    Ok(told_of)
}

/// What was told of a part, and what follows.
pub(super) struct Heard {
    pub id: Uuid,
    /// What it becomes, where it does not stay as it is.
    pub next: Option<Next>,
    /// What people should read in the order's history.
    pub said: Option<String>,
}

/// Writes what was told of parts, which are locked, and says what they become by it. Parts of which nothing was told
/// are not there: nearly all.
pub(super) async fn hear(
    conn: &mut PgConnection,
    parts: &[(Uuid, Present)],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Heard>> {
    let ids: Vec<Uuid> = parts.iter().map(|(id, _)| *id).collect();
    let all_told = store::load_told(conn, &ids).await?;
    if all_told.is_empty() {
        return Ok(Vec::new());
    }
    let with_news: Vec<Uuid> = all_told.keys().copied().collect();
    let all_lines = store::load_lines(conn, &with_news).await?;
    let mut heard = Vec::new();
    for (id, present) in parts {
        let Some((round, events)) = all_told.get(id) else { continue };
        let lines = all_lines.get(id).map_or(&[][..], Vec::as_slice);
        let progress = Progress::of(events, *round);
        let standing = progress.standing(lines);
        store::save_progress(conn, *id, &progress, lines, now).await?;
        let next = told(*present, &progress, &standing);
        let said = progress.excess(lines).or_else(|| surprise(present.state, &standing));
        heard.push(Heard { id: *id, next, said });
    }
    Ok(heard)
}

/// What must not be passed over in silence.
fn surprise(state: State, standing: &Standing) -> Option<String> {
    let what = match standing {
        Standing::AllShipped => "shipped it all the same",
        Standing::Known => "has it all the same",
        Standing::Silent | Standing::Failed { .. } => return None,
    };
    match state {
        State::Cancelled => Some(format!("it was called off, but the provider {what}")),
        State::Failed => Some(format!("tries were used up, but the provider {what}")),
        State::Rejected => Some(format!("it was rejected, but the provider {what}")),
        _ => None,
    }
}

/// Names an event whose provider did not by its words.
fn digest(said: &CallBack) -> String {
    let words = serde_json::to_vec(said).unwrap_or_default();
    let digest = Sha256::digest(words);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{DIGEST}{hex}")
}
