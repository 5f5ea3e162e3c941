//! A local Stripe for development, the demo and tests: stateful, on loopback only, and honest about what it lacks.
//!
//! It speaks Stripe's API as version `2026-08-26.dahlia` has it: keys, form bodies, errors, idempotency, lists and
//! `expand` (`frame`), over one world of objects in memory (`world`, `resources`). What happens to them is handed on
//! as [`Happening`]s, in Stripe's order, and told by signed webhooks ([`delivery`]), or to the Stripe CLI
//! (`cli_protocol`). Pages get a stand-in for Stripe.js from it (`stripe_js`), and people the pages that Stripe would
//! show them (`hosted_pages`). `/_fake/…` (`controls`) moves its clock, completes what a person would complete, and
//! orders faults.
//!
//! A seed decides its ids, and a [`crate::clock::Clock`] its time, which `/_fake/clock/advance` moves further.
//!
//! # What it does not model
//! Embedded Checkout and that of mode `setup`, taxes, coupons, credit notes, tiers and meters, balances, payouts, mandates
//! as objects, files but for the PDFs of quotes and invoices, and everything of v2. Those answer 404 and say so. No money
//! is counted: nobody runs out of balance.

mod cli_protocol;
mod controls;
pub mod delivery;
mod event;
mod frame;
mod hosted_pages;
mod resources;
mod server;
mod stripe_js;
mod world;

pub use controls::{AfterRetries, Outcome};
pub use event::{CausedBy, Happening};
pub use frame::faults::{Fault, FaultKind};
pub use server::{FakeStripe, Options, Publish};
