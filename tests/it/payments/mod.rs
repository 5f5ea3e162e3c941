//! Paying for orders, through HTTP, against the local Stripe.

mod adversary;
mod browsers;
mod capture;
mod checkout;
mod destination;
mod faults;
mod logged;
mod news;
mod off_session;
mod page;
mod pay;
mod place;
mod random;
mod refund;
mod refund_by_line;
pub mod shop;

pub use shop::Shop;
