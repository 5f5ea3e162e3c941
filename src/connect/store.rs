//! All SQL of connected accounts.

mod account;
mod grant;
mod known;
mod read;
mod token;

pub(super) use account::{
    NewAccountRow, Phase, call_off, claim_due, connect, disconnect, insert_account, mark_disconnecting,
    next_link, put_off, refuse,
};
pub(super) use grant::{GrantRow, end_grant, find_grant, insert_grant, upsert_granted};
pub(super) use known::{LockedAccount, lock_accounts, news_of, record_look, save_known};
pub(super) use read::find_in_any_mode;
pub use read::{AccountFilter, find_account, list_accounts, load_accounts};
pub(super) use token::{NewToken, Purpose, delete_old_tokens, find_token, insert_token, use_token};

/// A text in a table that is none of those that its `check` allows.
fn stored<T: std::str::FromStr>(text: &str) -> sqlx::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
}
