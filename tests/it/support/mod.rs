//! What tests stand on: a database, a running service whose workers are drained by hand, and Stripe's side of the talk.

mod app;
mod database;
mod lock;
pub mod stripe;

pub use app::{PATIENCE, SECRET, TestApp};
pub use database::TestDatabase;
pub use lock::{OrderLock, kill, until_somebody_waits};
