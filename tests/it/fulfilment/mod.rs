//! Fulfilment on a real Postgres: orders placed and paid as in real life, a worker that the test runs, and a warehouse
//! that does what a script says.

mod answers;
mod beats;
mod bounds;
mod callbacks;
mod dead_workers;
mod digital;
mod flapping;
mod http;
mod http_warehouse;
mod locks;
mod manual;
mod measured;
mod partial;
mod processes;
mod protocol;
mod readiness;
mod recall;
mod scripted;
mod shop;
mod split;
mod statements;
mod stopping;
mod straight_line;
mod suspicion;
pub mod warehouse;

pub use http_warehouse::HttpWarehouse;
pub use shop::{Sale, Shop, drain};
