//! All SQL of orders. The caller owns the transaction; sets go in and sets come out.

mod adopted;
mod facts;
mod fulfilment;
mod lines;
mod lookups;
mod merge;
mod placed;
mod read;
mod refs;

use std::str::FromStr;

pub(super) use adopted::{AdoptedOrder, insert_adopted};
pub(super) use facts::{
    BY_API, BY_EVENT, BY_LOOKUP, NewTransition, Saved, insert_transitions, load_facts_for_update, save,
};
pub use fulfilment::{FulfilmentMove, move_fulfilment};
pub(super) use lines::{
    list_learners, list_open_prices, list_orders_of_stand_in, load_known_lines, name_lines, write_lines,
};
pub(super) use lookups::{
    claim_lookup, close_lookup, insert_answered_links, insert_lookups, load_lookups, load_skus,
    put_off_lookup, upsert_sku,
};
pub(super) use merge::{Merged, merge};
pub(super) use placed::{PlacedOrder, insert_placed};
pub use read::{ListFilter, Payment, Timeline, TimelineEntry, find, list, load, load_heads, load_timeline};
pub(super) use refs::{Purchase, Twin, find_twin, insert_links, insert_refs, resolve_names, resolve_refs};

/// Reads a value that the tables keep as text. One that is unknown was written by a newer version.
fn stored<T>(text: &str) -> sqlx::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
