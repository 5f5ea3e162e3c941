//! The catalogue: customers, products and prices that are made through Packline.
//!
//! Each is a row first and then Stripe's ([`crate::outbox`]): the same request makes one, however often its answer is
//! lost. The merchant's sku goes to Stripe as metadata, and is learnt for the price's lines, so that an invoice's line
//! says what to send.
//!
//! What it does not do: keep up with what is changed in the Dashboard, or know what was made there. Such customers,
//! products and prices are named by Stripe's ids, and prices are learnt when an invoice's line first has them.

use sqlx::PgPool;
use time::OffsetDateTime;

use crate::clock::Clock;
use crate::outbox::Outbox;

mod customer;
mod find;
mod make;
mod price;
mod product;
mod receive;
pub mod routes;
mod store;
mod thing;

pub use customer::{CreateCustomer, Customer};
pub use find::{KnownCustomer, KnownPrice, find_customer, find_price, find_recurring_price};
pub use price::{CreatePrice, Interval, Price, Recurring};
pub use product::{CreateProduct, Product};
pub use receive::{receive_customer, receive_price, receive_product};
pub use thing::Making;

/// Makes and tells what is sold, and to whom. Clones share everything.
#[derive(Clone)]
pub struct Catalogue {
    pool: PgPool,
    clock: Clock,
    outbox: Outbox,
}

impl Catalogue {
    /// A catalogue on a database.
    pub fn new(pool: PgPool, clock: Clock, outbox: Outbox) -> Self {
        Self { pool, clock, outbox }
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}
