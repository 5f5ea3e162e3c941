//! Subscriptions: what events tell of them, and what a shop can ask.

mod bad_input;
mod change;
mod events;
mod mid_period;
mod offers;
mod old_shape;
mod people;
mod recovery;
mod rests;
mod routes;
mod trials;
mod year;
