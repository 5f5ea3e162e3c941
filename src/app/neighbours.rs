//! Where features of one level meet: payments ask fulfilment and connected accounts, and know neither.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use crate::api::{ApiError, FieldError};
use crate::connect::Obstacle;
use crate::money::{Commission, Money};
use crate::outbox::Receivers;
use crate::payments::{Deal, Destinations, Follow, Neighbours};
use crate::{connect, fulfilment, inbox};

/// Who records what calls to Stripe come to.
pub const RECEIVERS: Receivers = &[];

/// What payments need of features that they do not know, in a mode of Stripe's.
pub fn neighbours(livemode: bool) -> Neighbours {
    let follow: Follow =
        |conn, consequences, now| Box::pin(async move { fulfilment::follow(conn, &consequences, now).await });
    Neighbours { wake: inbox::wake_waiting, follow, destinations: Some(Arc::new(Accounts { livemode })) }
}

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
