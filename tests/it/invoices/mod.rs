//! Invoices: what events tell of them, and what a shop can ask.

pub mod desk;
mod events;
mod locks;
mod routes;

pub use desk::Desk;
