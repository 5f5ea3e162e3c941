//! Making a quote: its row and its call in one transaction, then the call.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::request::QuoteTerms;
use super::{Quotes, store};
use crate::api::{ApiError, ApiKey, Claim, IdempotencyKey};
use crate::db;
use crate::outbox::{self, NewCall, Written};

pub(super) const CREATE: &str = "quote.create";

/// A quote that a request made, now or before under the same key.
pub(super) struct Made {
    pub id: Uuid,
    pub is_replay: bool,
}

impl Quotes {
    /// Makes a draft.
    ///
    /// # Errors
    /// 422 for what is not right or where Stripe refuses, 503 where it gave no answer: then a repetition with the same
    /// key goes on.
    pub(super) async fn create(
        &self,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &QuoteTerms,
    ) -> Result<Made, ApiError> {
        self.outbox.stripe()?;
        asked.check(true, self.now())?;
        let mut tx = self.pool.begin().await?;
        let begun = self.begin(&mut tx, key, idempotency, asked).await;
        let made = db::end(tx, begun).await?;
        let call = outbox::find_call(&mut *self.pool.acquire().await?, made.id, CREATE).await?;
        self.outbox.run(call.ok_or(sqlx::Error::RowNotFound)?).await?.done()?;
        self.complete(made.id).await?;
        Ok(made)
    }

    async fn begin(
        &self,
        conn: &mut PgConnection,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &QuoteTerms,
    ) -> Result<Made, ApiError> {
        if let Some(idempotency) = idempotency
            && let Claim::Begun(id) | Claim::Answered(_, Some(id)) = idempotency.look_up(conn).await?
        {
            return Ok(Made { id, is_replay: true });
        }
        let (id, now) = (Uuid::now_v7(), self.now());
        let params = asked.resolve(conn, id, self.neighbours).await?;
        store::insert_asked(conn, id, key.id, now).await?;
        let call = NewCall {
            operation: CREATE,
            subject: id,
            path: "/v1/quotes".to_owned(),
            params: value(&params)?,
            account: None,
        };
        if let Written::Busy { operation, .. } = outbox::write(conn, call, now).await? {
            return Err(outbox::in_progress(&operation));
        }
        if let Some(idempotency) = idempotency {
            idempotency.begin(conn, id, now).await?;
        }
        Ok(Made { id, is_replay: false })
    }
}

pub(super) fn value(typed: &impl Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(typed).map_err(|error| sqlx::Error::Encode(Box::new(error)).into())
}
