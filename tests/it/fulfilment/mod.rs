//! Fulfilment on a real Postgres: orders placed and paid as in real life, a worker that the test runs, and a warehouse
//! that does what a script says.

mod answers;
mod dead_workers;
mod http;
mod http_warehouse;
mod locks;
mod readiness;
mod shop;
mod straight_line;
mod warehouse;

pub use http_warehouse::HttpWarehouse;
pub use shop::{Sale, Shop, drain};
