//! Creation a thing at Stripe: its row and its call in one transaction, then the call.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::call::{NewCall, Written};
use super::{Outbox, in_progress, store};
use crate::api::{ApiError, Claim, IdempotencyKey};
use crate::db;

/// A thing that a request made, now or before under the same key.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Its row.
    pub id: Uuid,
    /// Whether it was made before.
    pub is_replay: bool,
}

/// Where a kind of thing is made.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    /// What the call is named, such as `product.create`.
    pub operation: &'static str,
    /// Stripe's list of such things, such as `/v1/products`.
    pub path: &'static str,
}

impl Outbox {
    /// Makes a thing: `insert` writes its row under the id that it is given and returns Stripe's parameters; then Stripe
    /// is asked. Under one key one thing is made, and a repetition goes on with it.
    ///
    /// # Errors
    /// Those of `insert`; 402 or 422 where Stripe refuses, 503 where nobody knows yet what became of the call.
    pub async fn make(
        &self,
        idempotency: Option<&IdempotencyKey>,
        creation: Creation,
        insert: impl AsyncFnOnce(&mut PgConnection, Uuid) -> Result<Value, ApiError>,
    ) -> Result<Made, ApiError> {
        self.stripe()?;
        let mut tx = self.pool().begin().await?;
        let begun = self.begin(&mut tx, idempotency, creation, insert).await;
        let made = db::end(tx, begun).await?;
        let call = store::find_call(&mut *self.pool().acquire().await?, made.id, creation.operation).await?;
        self.run(call.ok_or(sqlx::Error::RowNotFound)?).await?.done()?;
        Ok(made)
    }

    async fn begin(
        &self,
        conn: &mut PgConnection,
        idempotency: Option<&IdempotencyKey>,
        creation: Creation,
        insert: impl AsyncFnOnce(&mut PgConnection, Uuid) -> Result<Value, ApiError>,
    ) -> Result<Made, ApiError> {
        if let Some(idempotency) = idempotency
            && let Claim::Begun(id) | Claim::Answered(_, Some(id)) = idempotency.look_up(conn).await?
        {
            return Ok(Made { id, is_replay: true });
        }
        let (id, now) = (Uuid::now_v7(), self.now());
        let Creation { operation, path } = creation;
        let params = insert(conn, id).await?;
        let call = NewCall { operation, subject: id, path: path.to_owned(), params, account: None };
        if let Written::Busy { operation, .. } = store::write(conn, call, now).await? {
            return Err(in_progress(&operation));
        }
        if let Some(idempotency) = idempotency {
            idempotency.begin(conn, id, now).await?;
        }
        Ok(Made { id, is_replay: false })
    }
}

/// Typed parameters, as a call is written with them.
///
/// # Errors
/// They cannot be JSON.
pub fn params(typed: &impl Serialize) -> sqlx::Result<Value> {
    serde_json::to_value(typed).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}
