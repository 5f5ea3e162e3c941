//! Where features of one level meet: payments ask fulfilment and connected accounts, orders ask what they were billed by,
//! and none knows the other.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use crate::api::{ApiError, FieldError};
use crate::connect::Obstacle;
use crate::money::{Commission, Money};
use crate::outbox::Receivers;
use crate::payments::{Deal, Destinations, Follow, Neighbours};
use crate::quotes::{OfferedPrice, PriceTerms};
use crate::{catalogue, connect, fulfilment, inbox, invoices, lookups, quotes};

mod billing;

pub use billing::{FOR_SUBSCRIPTIONS, UNPAID, billing};

/// Who records what calls to Stripe come to.
pub const RECEIVERS: Receivers = &[
    ("customer.", catalogue::receive_customer),
    ("invoice.", invoices::receive),
    ("price.", catalogue::receive_price),
    ("product.", catalogue::receive_product),
    ("quote.", quotes::receive),
    ("subscription.", billing::receive_subscription),
];

/// What lookups need of features that they do not know.
pub const FOR_LOOKUPS: lookups::Neighbours = lookups::Neighbours {
    wake: inbox::wake_waiting,
    follow: |conn, consequences, now| {
        Box::pin(async move {
            fulfilment::follow(conn, &consequences, now).await?;
            invoices::follow(conn, &consequences, now).await
        })
    },
    hear: Some(|conn, invoice, account, now| {
        Box::pin(async move { invoices::learn_read(conn, invoice, account, now).await.map(|_| ()) })
    }),
};

/// Does what orders ask of fulfilment.
const FOLLOW: Follow =
    |conn, consequences, now| Box::pin(async move { fulfilment::follow(conn, &consequences, now).await });

/// What payments need of features that they do not know, in a mode of Stripe's.
pub fn neighbours(livemode: bool) -> Neighbours {
    Neighbours {
        wake: inbox::wake_waiting,
        follow: FOLLOW,
        destinations: Some(Arc::new(Accounts { livemode })),
    }
}

/// What quotes need of the catalogue.
pub const FOR_QUOTES: quotes::Neighbours = quotes::Neighbours {
    customer: |conn, name| {
        Box::pin(async move {
            let found = catalogue::find_customer(conn, name).await?;
            Ok(found.map(|customer| customer.stripe_id))
        })
    },
    price: |conn, name| {
        Box::pin(async move {
            let found = catalogue::find_price(conn, name).await?;
            Ok(found.map(|price| OfferedPrice {
                stripe_id: price.stripe_id,
                terms: price.terms.map(|(currency, recurring)| PriceTerms {
                    currency,
                    repeats: recurring.map(|recurring| {
                        (recurring.interval.as_str().to_owned(), recurring.interval_count.into())
                    }),
                }),
            }))
        })
    },
};

/// The connected accounts, as payments see them.
struct Accounts {
    livemode: bool,
}

impl Destinations for Accounts {
    fn deal<'a>(
        &'a self,
        conn: &'a mut PgConnection,
        account: &'a str,
        commission: Option<Commission>,
        on_behalf_of: bool,
        total: Money,
    ) -> BoxFuture<'a, Result<Deal, ApiError>> {
        Box::pin(async move {
            let found =
                connect::destination(conn, self.livemode, account, commission, on_behalf_of, total).await?;
            let found = found.map_err(|obstacle| {
                let field = match obstacle {
                    Obstacle::FeeCurrency { .. } => "destination.commission",
                    Obstacle::NoCardPayments { .. } => "destination.on_behalf_of",
                    _ => "destination.account",
                };
                ApiError::invalid(vec![FieldError::new(field, obstacle.to_string())])
            })?;
            Ok(Deal { account: found.stripe_id, commission: found.commission, fee: found.fee })
        })
    }
}
