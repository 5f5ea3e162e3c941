//! The subscription and the schedule that can steer it, in the shapes before and after 2025-03-31.basil: since then each
//! item has a period of its own.

use serde::Deserialize;
use time::OffsetDateTime;

use super::{Customer, List, Metadata, null_as_default, unix};
use crate::stripe::Id;

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// `sub_…`
    pub id: String,
    /// `incomplete`, `incomplete_expired`, `trialing`, `active`, `past_due`, `canceled`, `unpaid` or `paused`.
    pub status: String,
    /// Who subscribes.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// Three letters, lower case; from 2022-11-15.
    #[serde(default)]
    pub currency: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    #[serde(default)]
    pub collection_method: Option<String>,
    /// Within how many days an invoice that is sent is to be paid.
    #[serde(default)]
    pub days_until_due: Option<i32>,
    /// When it began.
    #[serde(default, deserialize_with = "unix")]
    pub start_date: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(default, deserialize_with = "unix")]
    pub created: Option<OffsetDateTime>,
    /// When its trial began.
    #[serde(default, deserialize_with = "unix")]
    pub trial_start: Option<OffsetDateTime>,
    /// When its trial ends or ended.
    #[serde(default, deserialize_with = "unix")]
    pub trial_end: Option<OffsetDateTime>,
    /// Whether it ends with the period.
    #[serde(default, deserialize_with = "null_as_default")]
    pub cancel_at_period_end: bool,
    /// When it ends, where that is settled.
    #[serde(default, deserialize_with = "unix")]
    pub cancel_at: Option<OffsetDateTime>,
    /// When somebody said that it is to end.
    #[serde(default, deserialize_with = "unix")]
    pub canceled_at: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(default, deserialize_with = "unix")]
    pub ended_at: Option<OffsetDateTime>,
    /// Why it is to end.
    #[serde(default)]
    cancellation_details: Option<CancellationDetails>,
    /// What becomes of its invoices for a while.
    #[serde(default)]
    pub pause_collection: Option<PauseCollection>,
    /// A change that waits for its payment.
    #[serde(default)]
    pending_update: Option<PendingUpdate>,
    /// The newest invoice.
    #[serde(default)]
    pub latest_invoice: Option<Id>,
    /// What renewals are charged to.
    #[serde(default)]
    pub default_payment_method: Option<Id>,
    /// `sub_sched_…`, which steers it.
    #[serde(default)]
    pub schedule: Option<Id>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// Old shape.
    #[serde(default, deserialize_with = "unix")]
    current_period_start: Option<OffsetDateTime>,
    /// Old shape.
    #[serde(default, deserialize_with = "unix")]
    current_period_end: Option<OffsetDateTime>,
    /// The first ten items, or twenty.
    #[serde(default)]
    items: Option<List<SubscriptionItem>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct CancellationDetails {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct PendingUpdate {
    #[serde(default, deserialize_with = "unix")]
    expires_at: Option<OffsetDateTime>,
}

/// What becomes of a subscription's invoices for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PauseCollection {
    /// `keep_as_draft`, `mark_uncollectible` or `void`.
    pub behavior: String,
    /// Until when; for ever if none.
    #[serde(default, deserialize_with = "unix")]
    pub resumes_at: Option<OffsetDateTime>,
}

/// What is subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscriptionItem {
    /// `si_…`
    pub id: String,
    /// What a piece costs in a period.
    #[serde(default)]
    pub price: Option<SubscriptionPrice>,
    /// How many; none where it is billed by use.
    #[serde(default)]
    pub quantity: Option<i64>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// New shape.
    #[serde(default, deserialize_with = "unix")]
    pub current_period_start: Option<OffsetDateTime>,
    /// New shape.
    #[serde(default, deserialize_with = "unix")]
    pub current_period_end: Option<OffsetDateTime>,
}

/// A price as a subscription's item shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscriptionPrice {
    /// `price_…`, or an old plan's name.
    pub id: String,
    /// Minor units; none where it has tiers or fractions.
    #[serde(default)]
    pub unit_amount: Option<i64>,
    /// Three letters, lower case.
    #[serde(default)]
    pub currency: Option<String>,
    /// What is sold.
    #[serde(default)]
    pub product: Option<Id>,
    /// The merchant's own name for it.
    #[serde(default)]
    pub lookup_key: Option<String>,
    /// How long a period is.
    #[serde(default)]
    pub recurring: Option<SubscriptionRecurring>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// How long a period is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscriptionRecurring {
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// How many of them.
    #[serde(default)]
    pub interval_count: Option<i32>,
}

impl Subscription {
    /// What is subscribed to, as far as the sender lists it.
    pub fn items(&self) -> &[SubscriptionItem] {
        self.items.as_ref().map_or(&[], |list| &list.data)
    }

    /// The period that is under way, in either shape; of items with periods of their own the one that ends next.
    pub fn current_period(&self) -> (Option<OffsetDateTime>, Option<OffsetDateTime>) {
        if self.current_period_end.is_some() {
            return (self.current_period_start, self.current_period_end);
        }
        let periods = self.items().iter().filter_map(|item| {
            let end = item.current_period_end?;
            Some((end, item.current_period_start))
        });
        periods.min().map_or((None, None), |(end, start)| (start, Some(end)))
    }

    /// Why it is to end, in Stripe's words and the customer's.
    pub fn cancellation_reason(&self) -> Option<String> {
        let details = self.cancellation_details.as_ref()?;
        let words: Vec<&str> =
            [&details.reason, &details.comment].into_iter().flatten().map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join(": "))
    }

    /// Until when a change of it can be paid that waits for that.
    pub fn pending_update_expires_at(&self) -> Option<OffsetDateTime> {
        self.pending_update.as_ref()?.expires_at
    }
}

/// A plan for a subscription that begins or changes later.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SubscriptionSchedule {
    /// `sub_sched_…`
    pub id: String,
    /// `not_started`, `active`, `completed`, `released` or `canceled`.
    pub status: String,
    /// Who subscribes.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// The subscription that it steers; none before it starts and after it let go.
    #[serde(default)]
    subscription: Option<Id>,
    /// The subscription that it let go.
    #[serde(default)]
    released_subscription: Option<Id>,
    /// What it does, one after the other.
    #[serde(default)]
    phases: Vec<SchedulePhase>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct SchedulePhase {
    #[serde(default, deserialize_with = "unix")]
    start_date: Option<OffsetDateTime>,
}

impl SubscriptionSchedule {
    /// The subscription that it became.
    pub fn subscription(&self) -> Option<&Id> {
        self.subscription.as_ref().or(self.released_subscription.as_ref())
    }

    /// When the subscription begins or began.
    pub fn starts_at(&self) -> Option<OffsetDateTime> {
        self.phases.first()?.start_date
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_is_read_in_either_shape() {
        let old: Subscription = serde_json::from_str(
            r#"{"id":"sub_1","status":"active","current_period_start":10,"current_period_end":20,"metadata":null}"#,
        )
        .unwrap();
        let new: Subscription = serde_json::from_str(
            r#"{"id":"sub_1","status":"active","items":{"data":[
                {"id":"si_1","current_period_start":10,"current_period_end":40},
                {"id":"si_2","current_period_start":10,"current_period_end":20}]}}"#,
        )
        .unwrap();

        for (subscription, items) in [(old, 0), (new, 2)] {
            let (start, end) = subscription.current_period();
            assert_eq!((start.unwrap().unix_timestamp(), end.unwrap().unix_timestamp()), (10, 20));
            assert_eq!(subscription.items().len(), items);
        }
    }

    #[test]
    fn a_schedule_names_its_subscription_also_once_it_let_go() {
        for text in [
            r#"{"id":"sub_sched_1","status":"active","subscription":"sub_1","phases":[{"start_date":5}]}"#,
            r#"{"id":"sub_sched_1","status":"released","subscription":null,"released_subscription":"sub_1"}"#,
        ] {
            let schedule: SubscriptionSchedule = serde_json::from_str(text).unwrap();
            assert_eq!(schedule.subscription().unwrap().as_str(), "sub_1");
        }
    }
}
