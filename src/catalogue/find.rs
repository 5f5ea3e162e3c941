//! What other features ask of the catalogue: the customer or price that a name stands for.

use sqlx::PgConnection;

use super::customer::Customer;
use super::price::{Price, Recurring};
use super::store::{self, Thing};
use super::thing::Making;
use crate::stripe;

/// A customer that something can be offered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCustomer {
    /// `cus_…`
    pub stripe_id: String,
}

/// A price that something can be sold at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPrice {
    /// `price_…`
    pub stripe_id: String,
    /// What it is, where it was made through Packline.
    pub terms: Option<(String, Option<Recurring>)>,
}

/// Finds a customer by our id or Stripe's; of the latter any will do, Stripe knows whether it is there. The inner error
/// says what is wrong with the name.
///
/// # Errors
/// The database's.
pub async fn find_customer(
    conn: &mut PgConnection,
    name: &str,
) -> sqlx::Result<Result<KnownCustomer, String>> {
    let known = Customer::find(conn, name).await?;
    Ok(match known.map(|customer| (customer.state, customer.stripe_id)) {
        Some((Making::Created, Some(stripe_id))) => Ok(KnownCustomer { stripe_id }),
        Some((state, _)) => Err(format!("the customer is {state}; look at GET /v1/customers/{name}")),
        None if stripe::is_id(name, "cus_") => Ok(KnownCustomer { stripe_id: name.to_owned() }),
        None => Err(format!(
            "there is no customer {name:?}: give the id that POST /v1/customers answered, or Stripe's, cus_…"
        )),
    })
}

/// Finds the one price of ours that is paid again and again and is called so. The inner error says why there is none.
///
/// # Errors
/// The database's.
pub async fn find_recurring_price(
    conn: &mut PgConnection,
    sku: &str,
) -> sqlx::Result<Result<KnownPrice, String>> {
    let mut found = store::find_recurring_prices(conn, sku).await?;
    let (Some(price), true) = (found.pop(), found.is_empty()) else {
        let why = if found.is_empty() {
            format!(
                "the catalogue has no price that recurs with the sku {sku:?}: make one with POST /v1/prices, or name one by \
                 price, our id or Stripe's, price_…"
            )
        } else {
            format!(
                "several prices that recur have the sku {sku:?}: say which by price, our id or Stripe's, price_…"
            )
        };
        return Ok(Err(why));
    };
    let Some(stripe_id) = price.stripe_id else { return Err(sqlx::Error::RowNotFound) };
    Ok(Ok(KnownPrice { stripe_id, terms: Some((price.currency, price.recurring)) }))
}

/// Finds a price by our id or Stripe's, as [`find_customer`] does.
///
/// # Errors
/// The database's.
pub async fn find_price(conn: &mut PgConnection, name: &str) -> sqlx::Result<Result<KnownPrice, String>> {
    let known = Price::find(conn, name).await?;
    Ok(match known {
        Some(price) => match (price.state, price.stripe_id) {
            (Making::Created, Some(stripe_id)) => {
                Ok(KnownPrice { stripe_id, terms: Some((price.currency, price.recurring)) })
            }
            (state, _) => Err(format!("the price is {state}; look at GET /v1/prices/{name}")),
        },
        None if stripe::is_id(name, "price_") => Ok(KnownPrice { stripe_id: name.to_owned(), terms: None }),
        None => Err(format!(
            "there is no price {name:?}: give the id that POST /v1/prices answered, or Stripe's, price_…"
        )),
    })
}
