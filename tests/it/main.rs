//! The whole service through its front door, on a real Postgres: one binary, a database for each test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod adoption;
mod any_order;
mod api;
mod architecture;
#[cfg(feature = "fake-stripe")]
mod catalogue;
mod cli;
mod cluster;
#[cfg(feature = "fake-stripe")]
mod connect;
mod crashes;
mod fake_delivery;
mod fake_stripe;
mod finalised;
mod fixtures;
#[cfg(feature = "fake-stripe")]
mod flows;
mod fulfilment;
mod growth;
mod holds;
mod invoices;
mod kept_plans;
mod limits;
#[cfg(feature = "fake-stripe")]
mod lookups;
mod openapi;
mod ops;
mod orders;
#[cfg(feature = "fake-stripe")]
mod outbox;
mod payments;
mod poison;
mod process;
mod queries;
#[cfg(feature = "fake-stripe")]
mod quotes;
mod readme;
mod receive;
mod record;
mod retention;
mod settle;
mod statements;
mod steering;
mod stripe_client;
mod subscriptions;
mod support;
mod united;
mod wake;
#[cfg(feature = "fake-stripe")]
mod walk;
