//! What Stripe's events say of subscriptions and of the schedules that steer them.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::state::{Known, Schedule, Source};
use super::store;
use super::subscription::Facts;
use crate::outbox::PACKLINE_ID;
use crate::stripe::{Event, Subscription, SubscriptionSchedule};

/// An event, read for what it says of a subscription or of a schedule.
#[derive(Clone, Debug)]
pub struct SubscriptionEvent {
    account: Option<String>,
    source: Source,
    news: News,
}

#[derive(Clone, Debug)]
enum News {
    Subscription {
        stripe_id: String,
        facts: Box<Facts>,
        /// Our row, as its metadata names it.
        ours: Option<Uuid>,
    },
    Schedule {
        stripe_id: String,
        schedule: Box<Schedule>,
    },
}

/// `customer.subscription.*`: a snapshot of the subscription.
///
/// # Errors
/// The object is no subscription.
pub fn on_subscription(event: &Event<'_>) -> Result<SubscriptionEvent, serde_json::Error> {
    let told: Subscription = event.object()?;
    let ours = told.metadata.get(PACKLINE_ID).and_then(|id| id.parse().ok());
    let news = News::Subscription { stripe_id: told.id.clone(), facts: Box::new(Facts::of(&told)), ours };
    Ok(SubscriptionEvent { account: event.account.map(str::to_owned), source: source(event), news })
}

/// `subscription_schedule.*`: a snapshot of the schedule, which names its subscription once it started.
///
/// # Errors
/// The object is no schedule.
pub fn on_schedule(event: &Event<'_>) -> Result<SubscriptionEvent, serde_json::Error> {
    let told: SubscriptionSchedule = event.object()?;
    let schedule = Schedule {
        status: told.status.clone(),
        subscription: told.subscription().map(|id| id.0.clone()),
        customer: told.customer.as_ref().map(|id| id.0.clone()),
        starts_at: told.starts_at(),
        source: source(event),
    };
    let news = News::Schedule { stripe_id: told.id, schedule: Box::new(schedule) };
    Ok(SubscriptionEvent { account: event.account.map(str::to_owned), source: source(event), news })
}

fn source(event: &Event<'_>) -> Source {
    Source {
        told_as: event.event_type.to_owned(),
        at: event.created_at.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        by: event.id.to_owned(),
    }
}

/// Applies a batch of events, in the caller's transaction; of each says why it changed nothing, if it did not. Each makes
/// the worker look at the subscription itself.
///
/// # Errors
/// The database's.
pub async fn hear(
    conn: &mut PgConnection,
    events: &[SubscriptionEvent],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Option<String>>> {
    let mut reasons = vec![None; events.len()];
    hear_subscriptions(conn, events, &mut reasons, now).await?;
    for (event, reason) in events.iter().zip(&mut reasons) {
        if let News::Schedule { stripe_id, schedule } = &event.news {
            *reason = hear_schedule(conn, stripe_id, event.account.as_deref(), schedule, now).await?;
        }
    }
    Ok(reasons)
}

async fn hear_subscriptions(
    conn: &mut PgConnection,
    events: &[SubscriptionEvent],
    reasons: &mut [Option<String>],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    // In the order of names, as everybody who locks several.
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, event) in events.iter().enumerate() {
        if let News::Subscription { stripe_id, .. } = &event.news {
            by_name.entry(stripe_id).or_default().push(position);
        }
    }
    for (stripe_id, positions) in by_name {
        for position in positions {
            let event = &events[position];
            let News::Subscription { facts, ours, .. } = &event.news else { continue };
            let told = Known { facts: (**facts).clone(), source: event.source.clone() };
            let account = event.account.as_deref();
            let (mut row, is_new) =
                store::lock_or_insert(conn, stripe_id, *ours, account, &told, now).await?;
            if !is_new {
                reasons[position] = row.known.hear(facts, &event.source);
            }
            row.news += 1;
            store::save(conn, &row, Some(now), now).await?;
        }
    }
    Ok(())
}

async fn hear_schedule(
    conn: &mut PgConnection,
    stripe_id: &str,
    account: Option<&str>,
    told: &Schedule,
    now: OffsetDateTime,
) -> sqlx::Result<Option<String>> {
    if store::insert_schedule(conn, stripe_id, account, told, now).await? {
        return Ok(None);
    }
    let Some(mut known) = store::lock_schedule(conn, stripe_id).await? else { return Ok(None) };
    let reason = known.hear(told);
    store::save_schedule(conn, stripe_id, &known, now).await?;
    Ok(reason)
}
