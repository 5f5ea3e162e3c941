//! The whole service through its front door, on a real Postgres: one binary, a database for each test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod adoption;
mod any_order;
mod api;
mod architecture;
mod cli;
mod cluster;
#[cfg(feature = "fake-stripe")]
mod connect;
mod crashes;
mod fake_delivery;
mod fake_stripe;
mod fixtures;
#[cfg(feature = "fake-stripe")]
mod flows;
mod fulfilment;
mod holds;
mod limits;
mod openapi;
mod ops;
mod orders;
#[cfg(feature = "fake-stripe")]
mod outbox;
mod payments;
mod poison;
mod process;
mod queries;
mod readme;
mod receive;
mod record;
mod settle;
mod steering;
mod stripe_client;
mod support;
mod wake;
