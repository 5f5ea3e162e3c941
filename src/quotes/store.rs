//! All SQL of quotes.

mod known;
mod look;
mod read;

pub(super) use known::{insert_asked, insert_learnt, load_known, lock, lock_named, save};
pub(super) use look::{Due, claim_due, counts_of, look_at, put_off};
pub(super) use read::find_behind;
pub use read::{QuoteFilter, find_quote, list_quotes, load_quotes};

/// A text in a table that is none of those that its `check` allows.
fn stored<T: std::str::FromStr>(text: &str) -> sqlx::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
}
