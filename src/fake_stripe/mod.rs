//! A local Stripe for development, the demo and tests: stateful, on loopback only, and honest about what it lacks.

mod event;

pub use event::{CausedBy, Happening};
