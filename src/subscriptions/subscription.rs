//! A subscription, as Stripe tells it and as people read it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Placed;
use crate::stripe;

/// The statuses that Stripe has, in the order in which a subscription usually goes through them.
pub const STATUSES: [&str; 8] =
    ["incomplete", "incomplete_expired", "trialing", "active", "past_due", "unpaid", "paused", "canceled"];

/// Whether a subscription of this status never moves again.
pub(super) fn is_over(status: &str) -> bool {
    matches!(status, "canceled" | "incomplete_expired")
}

/// What one snapshot says of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SubscriptionFacts)]
pub struct Facts {
    /// As Stripe has it: `incomplete`, `incomplete_expired`, `trialing`, `active`, `past_due`, `unpaid`, `paused` or
    /// `canceled`.
    pub status: String,
    /// `cus_…`, who subscribes.
    pub customer: Option<String>,
    /// Three letters, lower case.
    pub currency: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub collection_method: Option<String>,
    /// Within how many days an invoice that is sent is to be paid.
    pub days_until_due: Option<i32>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// The begin of the period that is under way.
    #[serde(with = "time::serde::rfc3339::option")]
    pub current_period_start: Option<OffsetDateTime>,
    /// Its end; of items with periods of their own the one that renews next.
    #[serde(with = "time::serde::rfc3339::option")]
    pub current_period_end: Option<OffsetDateTime>,
    /// When its trial began.
    #[serde(with = "time::serde::rfc3339::option")]
    pub trial_start: Option<OffsetDateTime>,
    /// When its trial ends or ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub trial_end: Option<OffsetDateTime>,
    /// Whether it ends with the period.
    pub cancel_at_period_end: bool,
    /// When it ends, where that is settled.
    #[serde(with = "time::serde::rfc3339::option")]
    pub cancel_at: Option<OffsetDateTime>,
    /// When somebody said that it is to end.
    #[serde(with = "time::serde::rfc3339::option")]
    pub cancelled_at: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended_at: Option<OffsetDateTime>,
    /// Why it is to end, in Stripe's words and the customer's.
    pub cancellation_reason: Option<String>,
    /// What becomes of its invoices while their collection is paused: `keep_as_draft`, `mark_uncollectible` or `void`.
    pub pause_behaviour: Option<String>,
    /// Until when it is paused; until it is resumed if none.
    #[serde(with = "time::serde::rfc3339::option")]
    pub pause_resumes_at: Option<OffsetDateTime>,
    /// Until when a change can be paid that waits for its payment.
    #[serde(with = "time::serde::rfc3339::option")]
    pub pending_update_expires_at: Option<OffsetDateTime>,
    /// `in_…`, the newest.
    pub latest_invoice: Option<String>,
    /// `pm_…`, what renewals are charged to; the customer's own if none.
    pub default_payment_method: Option<String>,
    /// `sub_sched_…`, which steers it.
    pub schedule: Option<String>,
    /// The merchant's own.
    pub metadata: BTreeMap<String, String>,
    /// What is subscribed to.
    pub items: Vec<Item>,
    /// When Stripe made it.
    #[serde(skip)]
    pub created: Option<OffsetDateTime>,
}

/// What is subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SubscriptionItem)]
pub struct Item {
    /// `si_…`
    pub id: String,
    /// `price_…`
    pub price: Option<String>,
    /// `prod_…`
    pub product: Option<String>,
    /// Ours, where the item's or the price's metadata tell it.
    pub sku: Option<String>,
    /// How many; none where it is billed by use.
    pub quantity: Option<i64>,
    /// What a piece costs in a period, minor units; none where the price has tiers.
    pub unit_amount: Option<i64>,
    /// Of that amount.
    pub currency: Option<String>,
    /// `day`, `week`, `month` or `year`.
    pub interval: Option<String>,
    /// How many of them make a period.
    pub interval_count: Option<i32>,
    /// The begin of its period, where items have their own.
    #[serde(with = "time::serde::rfc3339::option")]
    pub current_period_start: Option<OffsetDateTime>,
    /// Its end.
    #[serde(with = "time::serde::rfc3339::option")]
    pub current_period_end: Option<OffsetDateTime>,
}

impl Facts {
    /// Reads a snapshot.
    pub fn of(told: &stripe::Subscription) -> Self {
        let id = |id: Option<&stripe::Id>| id.map(|id| id.0.clone());
        let (current_period_start, current_period_end) = told.current_period();
        Self {
            status: told.status.clone(),
            customer: id(told.customer.as_ref()),
            currency: told.currency.clone(),
            collection_method: told.collection_method.clone(),
            days_until_due: told.days_until_due,
            started_at: told.start_date,
            current_period_start,
            current_period_end,
            trial_start: told.trial_start,
            trial_end: told.trial_end,
            cancel_at_period_end: told.cancel_at_period_end,
            cancel_at: told.cancel_at,
            cancelled_at: told.canceled_at,
            ended_at: told.ended_at,
            cancellation_reason: told.cancellation_reason(),
            pause_behaviour: told.pause_collection.as_ref().map(|pause| pause.behavior.clone()),
            pause_resumes_at: told.pause_collection.as_ref().and_then(|pause| pause.resumes_at),
            pending_update_expires_at: told.pending_update_expires_at(),
            latest_invoice: id(told.latest_invoice.as_ref()),
            default_payment_method: id(told.default_payment_method.as_ref()),
            schedule: id(told.schedule.as_ref()),
            metadata: told.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            items: told.items().iter().map(Item::of).collect(),
            created: told.created,
        }
    }
}

impl Item {
    fn of(told: &stripe::SubscriptionItem) -> Self {
        let price = told.price.as_ref();
        let recurring = price.and_then(|price| price.recurring.as_ref());
        let sku = told.metadata.get("sku").or_else(|| price?.metadata.get("sku"));
        Self {
            id: told.id.clone(),
            price: price.map(|price| price.id.clone()),
            product: price.and_then(|price| Some(price.product.as_ref()?.0.clone())),
            sku: sku.or_else(|| price?.lookup_key.as_ref()).cloned(),
            quantity: told.quantity,
            unit_amount: price.and_then(|price| price.unit_amount),
            currency: price.and_then(|price| price.currency.clone()),
            interval: recurring.map(|recurring| recurring.interval.clone()),
            interval_count: recurring.map(|recurring| recurring.interval_count.unwrap_or(1)),
            current_period_start: told.current_period_start,
            current_period_end: told.current_period_end,
        }
    }
}

/// Whether the customer has what was subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Let them in.
    Granted,
    /// Do not.
    Revoked,
}

impl Access {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Revoked => "revoked",
        }
    }
}

/// How far we are with asking Stripe for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubscriptionState)]
pub enum State {
    /// Stripe is being asked, or its answer was lost and is asked for again.
    Creating,
    /// Stripe has it.
    Known,
    /// Stripe did not make it.
    Refused,
}

impl State {
    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Known => "known",
            Self::Refused => "refused",
        }
    }
}

/// A text that is no state.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no state of a subscription")]
pub struct UnknownState(String);

impl std::str::FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let all = [Self::Creating, Self::Known, Self::Refused];
        all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// The invoice of a subscription that is to be paid and is not, and what Stripe does about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Dunning {
    /// `in_…`
    pub invoice: String,
    /// What the customer knows it by.
    pub number: Option<String>,
    /// `open` or `uncollectible`.
    pub status: String,
    /// What is still to come, in minor units of the subscription's currency.
    pub amount_remaining: i64,
    /// How often Stripe tried to collect it.
    pub attempt_count: i64,
    /// When Stripe tries again; none where it does not.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_payment_attempt: Option<OffsetDateTime>,
    /// Why the last try failed.
    pub problem: Option<String>,
    /// Whether the bank wants the customer to do something first.
    pub action_required: bool,
    /// Where the customer pays it, or does what the bank wants: the link to send them.
    pub pay_here: Option<String>,
    /// What a form in the shop's own page needs to take its payment.
    pub client_secret: Option<String>,
    /// The order that it will pay.
    pub order_id: Option<Uuid>,
}

/// A subscription, as the API and the command line show it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Subscription {
    /// Ours.
    pub id: Uuid,
    /// `sub_…`; none until Stripe's answer to its creation is known.
    pub stripe_id: Option<String>,
    /// `acct_…` where it is a connected account's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How far we are with asking Stripe for it.
    pub state: State,
    /// Why it is in that state; while it is made, how the last call ended.
    pub reason: Option<String>,
    /// Whether the customer has what was subscribed to.
    pub access: Access,
    /// Why.
    pub access_reason: String,
    /// What Stripe says of it; none until it is known.
    #[serde(flatten)]
    pub facts: Option<Facts>,
    /// We were asked to end it at once, and Stripe has not said yet that it did.
    pub is_ending: bool,
    /// The invoice of it that is to be paid and is not; none where all is paid.
    pub dunning: Option<Dunning>,
    /// As of when Stripe told this.
    #[serde(with = "time::serde::rfc3339::option")]
    pub told_at: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When we last learnt something of it.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl Placed for Subscription {
    fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.created_at, self.id)
    }
}
