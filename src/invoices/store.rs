//! All SQL of invoices.

mod known;
mod look;
mod notes;
mod read;

pub(super) use known::{LockedInvoice, Seen, insert, link_orders, lock, move_invoices, save};
pub(super) use look::{Due, claim_due, look_at, put_off};
pub(super) use notes::{Failure, Receipt, add_failures, add_intents, add_receipts};
pub use read::{InvoiceFilter, find_invoice, list_invoices, load_invoices, load_of_orders, load_unpaid};

/// A text in a table that is none of those that its `check` allows.
fn stored<T: std::str::FromStr>(text: &str) -> sqlx::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
}

/// The same for a currency.
fn currency(text: &str) -> sqlx::Result<crate::money::Currency> {
    crate::money::Currency::parse(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
