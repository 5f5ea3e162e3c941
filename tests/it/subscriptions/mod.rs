//! Subscriptions: what events tell of them, and what a shop can ask.

mod bad_input;
mod change;
mod events;
mod old_shape;
mod routes;
mod year;
