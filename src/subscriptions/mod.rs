//! Subscriptions: what Stripe says of them, and what can be asked of them.
//!
//! [`events`] hears every snapshot; of several the latest counts, whatever their order. Where Stripe can be called, each
//! event also asks [`Subscriptions::run_once`] to look at the subscription itself, and what that sees replaces the guess.
//! What a shop asks goes through the [`crate::outbox`]; only ending one at once does not, since Stripe takes no
//! idempotency key for it: it is written on the row, and asked again until Stripe has said that it is over.
//!
//! What it does not do: move orders. A subscription ships nothing; each paid invoice of it becomes one order.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use sqlx::{PgConnection, PgPool};

use crate::clock::Clock;
use crate::outbox::Outbox;

mod ask;
mod change;
mod check;
mod create;
mod end;
pub mod events;
mod learn;
mod look;
pub mod routes;
mod state;
mod store;
mod subscription;

pub use learn::receive;
pub use store::{
    SubscriptionFilter, find_subscription, list_subscriptions, load_named, load_schedules_of,
    load_subscriptions,
};
pub use subscription::{Access, Dunning, Facts, Item, STATUSES, State, Subscription, UnknownState};

/// The unpaid invoices of subscriptions, by `sub_…`. Invoices provide it.
pub type UnpaidInvoices =
    for<'c> fn(&'c mut PgConnection, Vec<String>) -> BoxFuture<'c, sqlx::Result<HashMap<String, Dunning>>>;

/// Finds Stripe's id of a thing by ours or Stripe's; the inner error says what is wrong with the name. The catalogue
/// provides it.
pub type FindId =
    for<'c> fn(&'c mut PgConnection, &'c str) -> BoxFuture<'c, sqlx::Result<Result<String, String>>>;

/// A price that can be subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecurringPrice {
    /// `price_…`
    pub stripe_id: String,
    /// Lower case; none where it was made elsewhere, and Stripe alone knows.
    pub currency: Option<String>,
}

/// Finds a price that recurs by a name; the inner error says what is wrong with the name. The catalogue provides it.
pub type FindPrice =
    for<'c> fn(&'c mut PgConnection, &'c str) -> BoxFuture<'c, sqlx::Result<Result<RecurringPrice, String>>>;

/// What subscriptions need of features that they do not know.
#[derive(Clone, Copy)]
pub struct Neighbours {
    /// The invoices that are not paid.
    pub unpaid: UnpaidInvoices,
    /// The catalogue's customers.
    pub customer: FindId,
    /// The catalogue's prices that recur, by our id or Stripe's.
    pub price: FindPrice,
    /// The same by their sku, where only one has it.
    pub price_of_sku: FindPrice,
}

/// The subscriptions of a platform. Clones share everything.
#[derive(Clone)]
pub struct Subscriptions {
    pool: PgPool,
    clock: Clock,
    outbox: Outbox,
    neighbours: Neighbours,
}

impl Subscriptions {
    /// Subscriptions on a database. Without a key for Stripe they can be read, but nothing can be asked of them.
    pub fn new(pool: PgPool, clock: Clock, outbox: Outbox, neighbours: Neighbours) -> Self {
        Self { pool, clock, outbox, neighbours }
    }
}

/// Adds to subscriptions which invoices of theirs are not paid.
///
/// # Errors
/// The database's.
pub async fn add_dunning(
    conn: &mut PgConnection,
    unpaid: UnpaidInvoices,
    subscriptions: &mut [Subscription],
) -> sqlx::Result<()> {
    let names: Vec<String> = subscriptions.iter().filter_map(|one| one.stripe_id.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let mut found = unpaid(conn, names).await?;
    for subscription in subscriptions {
        subscription.dunning = subscription.stripe_id.as_ref().and_then(|name| found.remove(name));
    }
    Ok(())
}
