//! The seam to connected accounts: payments know only that an account may get the money of an order, less a fee. Who
//! may, and what the fee is, the server hands in.

use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use crate::api::ApiError;
use crate::money::{Commission, Money};

/// What an order's destination comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// `acct_…`
    pub account: String,
    /// What the platform keeps: as asked, or as agreed with the account.
    pub commission: Commission,
    /// What that comes to for the whole amount, in minor units.
    pub fee: i64,
}

/// Knows the accounts that orders can be paid out to.
pub trait Destinations: Send + Sync {
    /// Says what a payment of `total` to an account, by Stripe's id or the platform's, comes to. `commission` is what
    /// the request asks for; without it what was agreed with the account. `on_behalf_of` is whether the account is to
    /// be the business that the customer sees.
    ///
    /// # Errors
    /// An answer for the merchant that says why the account cannot take it, with the field of `destination` at fault.
    fn deal<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        account: &'a str,
        commission: Option<Commission>,
        on_behalf_of: bool,
        total: Money,
    ) -> BoxFuture<'a, Result<Deal, ApiError>>;
}
