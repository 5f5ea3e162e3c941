//! What tests stand on: a database, a running service whose workers are drained by hand, and Stripe's side of the talk.

mod app;
#[cfg(feature = "fake-stripe")]
pub mod at_stripe;
#[cfg(feature = "fake-stripe")]
pub mod billing;
mod database;
mod load;
mod lock;
#[cfg(feature = "fake-stripe")]
pub mod merchant;
mod process;
mod proxy;
pub mod raw;
pub mod stripe;

pub use app::{CONNECT_SECRET, PATIENCE, SECRET, TestApp};
pub use database::TestDatabase;
pub use load::Load;
pub use lock::{OrderLock, kill, until_somebody_waits};
pub use process::{Process, TempDir, command};
pub use proxy::Proxy;
