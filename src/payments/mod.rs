//! Paying for an order that was placed here: its one PaymentIntent, the calls of the browser that pays, capture,
//! cancellation and refunds.
//!
//! # Who moves what
//!
//! Stripe's events alone move an order. What Stripe answers to our calls is kept beside it (`store`:
//! `order_payments.intent_status`) as news that makes pages quick: a page may say "thank you" on an answer, a parcel
//! leaves only on an event. Whichever comes first, the other finds the same row: an event that is there before the
//! answer finds the order by the intent's metadata, an answer that comes after the event takes nothing back. An answer that
//! says "succeeded" and whose event does not come is noticed (`awaits_event_since`), and shown among what is stuck.
//!
//! # How a call is made
//!
//! Three steps, so that no crash and no lost answer can charge twice or forget a charge (`call.rs`):
//! 1. In a transaction, under the order's lock: decide (`state.rs`), write the call with its idempotency key.
//! 2. With no transaction open: ask Stripe.
//! 3. In a transaction: record what it came to.
//!
//! There is one PaymentIntent for each order, ever, and one open call at a time that changes it; the table enforces
//! both. A call whose outcome is not known stays open: the same request joins it under its key, another is told to
//! wait, and the [`Resumer`] asks again until Stripe has said what became of it, or looks at the object once the key is
//! too old. Every row that is stuck says why.
//!
//! # What is not
//!
//! Packline does not see cards: browsers give them to Stripe and get a payment method's id.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::Url;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::api::ApiError;
use crate::clock::Clock;
use crate::config::StripeConfig;
use crate::orders::routes::WakeWaiting;
use crate::orders::{Cause, Consequence};
use crate::stripe::Client;

mod call;
mod capture;
mod checkout;
mod checkout_token;
mod describe;
mod destination;
mod hear;
mod issue;
mod page;
mod pay;
mod payment;
mod record;
mod refund;
mod request;
mod resume;
pub mod routes;
mod state;
mod store;
mod take;

use page::PagePolicy;

pub use describe::{NewPayment, OpenCall, PaymentReport, report};
pub use destination::{Deal, Destinations};
pub use hear::hear;
pub use payment::{CallState, Capture, Mode, Operation, RefundRequest, RefundState, RefundedLine, Shown};
pub use resume::Resumer;
pub use store::delete_old_tokens;

/// Does what a move of an order asks of fulfilment, in the caller's transaction. Fulfilment provides it.
pub type Follow = for<'c> fn(
    &'c mut PgConnection,
    Vec<(Uuid, Consequence, Cause)>,
    OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>>;

/// What payments need of features that they do not know.
#[derive(Clone)]
pub struct Neighbours {
    /// Wakes events that wait for an object.
    pub wake: WakeWaiting,
    /// Fulfilment.
    pub follow: Follow,
    /// Connected accounts; none takes no destinations.
    pub destinations: Option<Arc<dyn Destinations>>,
}

/// Takes payments. Clones share everything.
#[derive(Clone)]
pub struct Payments(Arc<Inner>);

struct Inner {
    pool: PgPool,
    clock: Clock,
    stripe: Option<Stripe>,
    neighbours: Neighbours,
    /// Where browsers reach this service.
    public_url: Option<Url>,
}

struct Stripe {
    client: Client,
    publishable_key: Option<String>,
    js_url: Url,
    policy: PagePolicy,
}

impl Payments {
    /// Payments on a database. Without `stripe` there are none, and whoever asks is told what to set. `public_url` is
    /// where browsers reach this service.
    pub fn new(
        pool: PgPool,
        clock: Clock,
        stripe: Option<(Client, StripeConfig)>,
        public_url: Option<Url>,
        neighbours: Neighbours,
    ) -> Self {
        let stripe = stripe.map(|(client, config)| Stripe {
            policy: PagePolicy::new(&config),
            client,
            publishable_key: config.publishable_key,
            js_url: config.js_url,
        });
        Self(Arc::new(Inner { pool, clock, stripe, neighbours, public_url }))
    }

    fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    fn now(&self) -> OffsetDateTime {
        self.0.clock.now()
    }

    fn stripe(&self) -> Result<&Stripe, ApiError> {
        self.0.stripe.as_ref().ok_or_else(|| {
            ApiError::new(
                actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
                "payments_not_configured",
                "this service takes no payments: set STRIPE_SECRET_KEY (and for `packline fake-stripe` \
                 STRIPE_API_BASE=http://127.0.0.1:12111), then restart it",
            )
        })
    }
}
