//! Invoices: what events tell of them, and what a shop can ask.

mod bad_input;
pub mod desk;
mod events;
mod locks;
mod routes;

pub use desk::Desk;
