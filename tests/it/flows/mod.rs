//! Whole flows of payments, through HTTP, against the local Stripe: whichever way its answers and events come, they end
//! in the same rows.
//!
//! Each flow is a list of steps ([`step::Step`]) and the end that it must come to ([`end`]), played in every
//! [`variant::Variant`]. What the local Stripe does to single calls is in `failing`.

mod billing;
mod billing_failing;
mod connected;
mod desk;
mod end;
mod failing;
pub mod gate;
mod giving_back;
mod paying;
mod stage;
mod step;
mod variant;
