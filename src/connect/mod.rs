//! Connected accounts: how they join and leave, and what the platform keeps of payments to them.
//!
//! An account joins by onboarding (the platform makes it, its owner fills it in behind an account link) or by OAuth (its
//! owner lets the platform in). What it may do is Stripe's word: [`events`] hears it, [`Platform::run_once`] looks at the
//! account itself after each event, and whatever a browser brings back proves nothing. A payment is refused a
//! destination that cannot take transfers now ([`destination()`]), with the reason. What the platform keeps of it is the
//! arithmetic of [`crate::money::Commission`].
//!
//! What it does not do: move money, or know of orders. Payments ask.

mod account;
mod check;
mod destination;
pub mod events;
mod leave;
mod look;
mod oauth;
mod onboard;
mod page;
mod platform;
pub mod routes;
mod state;
mod store;
mod token;

pub use account::{Account, AccountState, DefaultCommission, Facts, Obstacle, Requirements, UnknownState};
pub use destination::{Destination, destination};
pub use platform::Platform;
pub use store::{AccountFilter, find_account, list_accounts, load_accounts};
