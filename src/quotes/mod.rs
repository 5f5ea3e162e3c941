//! Quotes: an offer from its draft to its acceptance, which begins an invoice or a subscription.
//!
//! A quote is a row first and then Stripe's, and each step of it is a call that was written before it was made
//! ([`crate::outbox`]): it is made once, however often its answer is lost. What Stripe answers and what its events tell
//! move one state, only ever forwards (`state.rs`), so that they may come in any order and any number. Quotes that were
//! made elsewhere are learnt from their events.
//!
//! What it does not do: make orders. The acceptance leads to an invoice, and that to an order.

use futures_util::future::BoxFuture;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::clock::Clock;
use crate::outbox::Outbox;

mod act;
mod create;
mod describe;
pub mod events;
mod look;
mod pdf;
mod quote;
mod receive;
mod request;
pub mod routes;
mod state;
mod store;

pub use describe::{Behind, behind};
pub use quote::{Origin, Quote, QuoteLine, QuoteState, Repeats, UnknownState};
pub use receive::receive;
pub use request::{CollectionMethod, FinalizeQuote, NewLine, QuoteTerms};
pub use store::{QuoteFilter, find_quote, list_quotes, load_quotes};

/// Finds the customer that a name stands for: Stripe's id, or what is wrong with the name.
pub type FindCustomer =
    for<'c> fn(&'c mut PgConnection, &'c str) -> BoxFuture<'c, sqlx::Result<Result<String, String>>>;

/// Finds the price that a name stands for, or what is wrong with the name.
pub type FindPrice =
    for<'c> fn(&'c mut PgConnection, &'c str) -> BoxFuture<'c, sqlx::Result<Result<OfferedPrice, String>>>;

/// A price that can be offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedPrice {
    /// `price_…`
    pub stripe_id: String,
    /// What is known of it; nothing where it was made elsewhere.
    pub terms: Option<PriceTerms>,
}

/// What a price asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceTerms {
    /// Lower case.
    pub currency: String,
    /// Each so many of such intervals; none for once.
    pub repeats: Option<(String, i64)>,
}

/// What quotes need of features that they do not know.
#[derive(Clone, Copy)]
pub struct Neighbours {
    /// The catalogue's customers.
    pub customer: FindCustomer,
    /// The catalogue's prices.
    pub price: FindPrice,
}

/// Makes quotes and moves them. Clones share everything.
#[derive(Clone)]
pub struct Quotes {
    pool: PgPool,
    clock: Clock,
    outbox: Outbox,
    neighbours: Neighbours,
}

impl Quotes {
    /// Quotes on a database.
    pub fn new(pool: PgPool, clock: Clock, outbox: Outbox, neighbours: Neighbours) -> Self {
        Self { pool, clock, outbox, neighbours }
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}
