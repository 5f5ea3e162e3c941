//! What tests stand on: a database, a running service whose workers are drained by hand, and Stripe's side of the talk.

mod app;
mod database;
pub mod stripe;

pub use app::{SECRET, TestApp};
pub use database::TestDatabase;
