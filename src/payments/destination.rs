//! The seam to connected accounts: payments know only that an account may get the money of an order, less a fee. Who
//! may, and what the fee is, the server hands in.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::api::ApiError;
use crate::money::Money;

/// What the platform keeps: a fixed part, a part that grows with the amount, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Commission {
    /// Minor units of the order's currency.
    pub fixed: i64,
    /// Hundredths of a percent.
    pub basis_points: u16,
}

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
    /// Says what a payment of `total` to an account, by Stripe's id or the platform's, comes to. `commission` is what the request asks for; without it
    /// what was agreed with the account.
    ///
    /// # Errors
    /// An answer for the merchant that says why the account cannot take it, with the field `destination.account`.
    fn deal<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        account: &'a str,
        commission: Option<Commission>,
        total: Money,
    ) -> BoxFuture<'a, Result<Deal, ApiError>>;

    /// The fee on a captured amount, both in minor units: between nothing and all of it.
    fn fee(&self, commission: Commission, captured: i64) -> i64;
}
