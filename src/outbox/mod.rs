//! Calls to Stripe that change something and are no order's payment: the mirror of the inbox.
//!
//! # How a call is made
//!
//! Three steps, so that no crash and no lost answer does a thing twice or forgets it:
//! 1. In the feature's transaction, with its row locked: [`write()`] the call, with its parameters and idempotency key.
//! 2. With no transaction open: ask Stripe ([`Outbox::run`] for whoever waits, [`Outbox::run_once`] in the worker).
//! 3. In a transaction: the feature records what it came to ([`Receive`]), and the call is closed.
//!
//! # What is guaranteed
//!
//! A written call is made, sooner or later, and has its effect once. While Stripe knows its key (a day) it is asked again
//! under it; later its object is looked at, and nothing is asked again blindly. That nobody knows what became of a call
//! is never taken for a failure: it stays open until Stripe has said. One open call at a time moves a thing; the table
//! enforces it.
//!
//! # What is not
//!
//! It knows nothing of what is asked. Answers are handed to features as JSON; each reads what it knows of it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::api::ApiError;
use crate::clock::Clock;
use crate::stripe::{Client, Refusal};

mod call;
mod look;
mod make;
mod request;
mod run;
mod state;
mod store;
mod told;

pub use call::{CallState, NewCall, StoredCall, Written};
pub use make::{Creation, Made, params};
pub use request::{Asked, Plan};
pub use store::{open_calls, write};
pub use told::{Told, call_failed, in_progress, not_configured};

/// The key of Stripe's metadata under which a thing that we make carries the id of our row.
pub const PACKLINE_ID: &str = "packline_id";

/// What a call came to, once that is known.
#[derive(Debug)]
pub enum Outcome {
    /// Stripe did it, and answered with the object.
    Done(Value),
    /// Stripe said no; nothing was done.
    Refused(Box<Refusal>),
    /// It was looked for once its key was too old, and Stripe never did it.
    NotDone {
        /// For people.
        why: String,
    },
    /// Its key was too old to ask again: the object as it is, whether it was done or not.
    Seen(Value),
}

/// Records an outcome, in the transaction that closes the call. It must first lock the row that the call moves, as
/// whoever writes a call does before writing it; and it may be told of one call twice, of which one is rolled back.
pub type Receive = for<'c> fn(
    &'c mut PgConnection,
    &'c StoredCall,
    &'c Outcome,
    OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>>;

/// Who records outcomes, by the beginning of an operation, such as `quote.`.
pub type Receivers = &'static [(&'static str, Receive)];

/// Makes calls that were written. Clones share everything.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    pool: PgPool,
    clock: Clock,
    stripe: Option<Client>,
    receivers: Receivers,
}

impl Outbox {
    /// An outbox on a database. Without `stripe` nothing is called, and whoever asks is told what to set.
    pub fn new(pool: PgPool, clock: Clock, stripe: Option<Client>, receivers: Receivers) -> Self {
        Self(Arc::new(Inner { pool, clock, stripe, receivers }))
    }

    /// The client, for what changes nothing.
    ///
    /// # Errors
    /// 503 where there is none.
    pub fn stripe(&self) -> Result<&Client, ApiError> {
        self.0.stripe.as_ref().ok_or_else(not_configured)
    }

    fn now(&self) -> OffsetDateTime {
        self.0.clock.now()
    }

    fn pool(&self) -> &PgPool {
        &self.0.pool
    }
}
