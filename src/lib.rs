//! Packline turns Stripe's webhook events into fulfilled orders.
//!
//! # The life of an order
//!
//! 1. Stripe posts an event. [`webhooks`] proves over the raw bytes that it is Stripe's.
//! 2. [`inbox`] stores it, many requests in one transaction, and only then is it answered with 200. From here on
//!    nothing is lost.
//! 3. The inbox worker takes a batch of events and asks [`inbox::dispatch`] who reads them. [`orders::events`] says
//!    what each tells of an order.
//! 4. [`orders::settle`] finds the orders that they concern, or makes one of a success that no order was made for,
//!    applies the rules of the payment axis and saves everything in one transaction. An order that became paid is
//!    queued for fulfilment in the same transaction.
//! 5. The worker of [`fulfilment`] claims it, calls the provider with no transaction open, and records the outcome.
//!
//! Where Packline takes the payment, [`payments`] makes the order's PaymentIntent when it is placed, confirms it when the
//! browser asks, and gives money back. Its answers are news for pages; only events move the order.
//!
//! What customers are billed is kept by [`invoices`] and [`subscriptions`], from the same events; what a shop asks of them is
//! written down and made by the [`outbox`].
//!
//! Before there is an order, [`quotes`] follow an offer from [`catalogue`] to its invoice. What they ask of Stripe goes
//! through the [`outbox`]: written before it is made, so that it is done once whatever becomes of the answer.
//!
//! Acknowledging, applying and fulfilling are three steps with a durable row between them: each can fail, restart and
//! scale alone. What nobody can need any more is deleted by [`retention`]. Merchants place orders through [`orders::routes`]; people read and steer through SQL and [`cli`].

pub mod api;
pub mod app;
pub mod catalogue;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod db;
#[cfg(feature = "fake-stripe")]
pub mod fake_stripe;
pub mod fulfilment;
pub mod http_client;
pub mod inbox;
pub mod invoices;
pub mod lookups;
pub mod money;
pub mod orders;
pub mod outbox;
pub mod payments;
pub mod quotes;
pub mod retention;
pub mod server;
pub mod stripe;
pub mod subscriptions;
pub mod telemetry;
pub mod webhooks;
pub mod worker;
