//! Payments with a destination: whether an account can take one now, and what the platform keeps of it.

use sqlx::PgConnection;
use uuid::Uuid;

use super::account::{Account, Obstacle};
use super::store;
use crate::money::{Commission, Money};

/// Where a payment goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Ours.
    pub account_id: Uuid,
    /// `acct_…`
    pub stripe_id: String,
    /// What the fee is worked out from, also of a part.
    pub commission: Commission,
    /// What the platform keeps of the payment, in its minor units.
    pub fee: i64,
}

/// Says whether a payment can go to an account, named by our id or Stripe's, and what the fee on it is. `commission` is
/// the order's own; without one the account's default counts. `on_behalf_of` asks the account to be the business that
/// the customer sees.
///
/// # Errors
/// The database's. The inner error says why no payment can go there.
pub async fn destination(
    conn: &mut PgConnection,
    livemode: bool,
    name: &str,
    commission: Option<Commission>,
    on_behalf_of: bool,
    payment: Money,
) -> sqlx::Result<Result<Destination, Obstacle>> {
    Ok(match store::find_in_any_mode(conn, name, livemode).await? {
        None => Err(Obstacle::Unknown(name.to_owned())),
        Some(account) => judge(account, livemode, commission, on_behalf_of, payment),
    })
}

fn judge(
    account: Account,
    livemode: bool,
    commission: Option<Commission>,
    on_behalf_of: bool,
    payment: Money,
) -> Result<Destination, Obstacle> {
    if let Some(obstacle) = account.obstacle(livemode) {
        return Err(obstacle);
    }
    if let Some(obstacle) = account.obstacle_to_standing_in().filter(|_| on_behalf_of) {
        return Err(obstacle);
    }
    let (id, own) = (account.id, account.commission);
    let stripe_id = account.stripe_id.ok_or_else(|| Obstacle::Unknown(id.to_string()))?;
    let commission = match (commission, own.currency) {
        (Some(commission), _) => commission,
        (None, Some(theirs)) if own.fixed != 0 && theirs != payment.currency => {
            return Err(Obstacle::FeeCurrency { account: stripe_id, theirs, asked: payment.currency });
        }
        (None, _) => own.commission(),
    };
    Ok(Destination { account_id: id, stripe_id, commission, fee: commission.fee(payment.amount) })
}
