//! Subscriptions: what events tell of them, and what a shop can ask.

mod change;
mod events;
mod routes;
mod year;
