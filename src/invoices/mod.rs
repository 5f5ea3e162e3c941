//! Invoices: what Stripe says of them, and what can be asked of them.
//!
//! Every snapshot that an event brings is folded into the invoice's row ([`hear()`]): whatever the order, the furthest
//! counts. What no event tells, above all the secret that a form in the shop's own page needs, is looked up by
//! [`Invoices::run_once`] once the invoice can be paid: one look an open invoice, which also tells what will pay it. What a shop asks goes through the [`crate::outbox`]; Stripe's
//! answer is folded in like any other snapshot.
//!
//! What it does not do: move orders. The same events do that elsewhere; nothing here ships anything.

use sqlx::PgPool;

use crate::clock::Clock;
use crate::orders::routes::WakeWaiting;
use crate::outbox::Outbox;

mod ask;
mod hear;
mod invoice;
mod learn;
mod look;
pub mod routes;
mod state;
mod store;

pub use hear::{follow, hear};
pub use invoice::{Facts, Invoice, Status, UnknownStatus};
pub use learn::{learn, learn_read, receive};
pub use store::{InvoiceFilter, find_invoice, list_invoices, load_invoices, load_of_orders, load_unpaid};

/// What an answer is asked to have in it beside the invoice itself: what a form needs, and what pays it.
const EXPAND: [&str; 2] = ["confirmation_secret", "payments"];

/// The invoices of a platform. Clones share everything.
#[derive(Clone)]
pub struct Invoices {
    pool: PgPool,
    clock: Clock,
    outbox: Outbox,
    wake: Option<WakeWaiting>,
}

impl Invoices {
    /// Invoices on a database. Without a key for Stripe they can be read, but nothing can be asked of them.
    pub fn new(pool: PgPool, clock: Clock, outbox: Outbox) -> Self {
        Self { pool, clock, outbox, wake: None }
    }

    /// The same, which wakes events that wait for what a look sees.
    #[must_use]
    pub fn waking(self, wake: WakeWaiting) -> Self {
        Self { wake: Some(wake), ..self }
    }
}
