//! All SQL of subscriptions.

mod items;
mod known;
mod look;
mod read;
mod schedule;

pub(super) use known::{NewRow, call_off, insert_creating, lock, lock_or_insert, save};
pub(super) use look::{Due, ask_to_end, claim_due, look_at, news_of, put_off};
pub use read::{SubscriptionFilter, find_subscription, list_subscriptions, load_named, load_subscriptions};
pub use schedule::load_schedules_of;
pub(super) use schedule::{insert_schedule, lock_schedule, save_schedule};
