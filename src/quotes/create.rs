//! Creation a quote: its row and its call in one transaction, then the call.

use super::request::QuoteTerms;
use super::{Quotes, store};
use crate::api::{ApiError, ApiKey, IdempotencyKey};
use crate::outbox::{self, Creation, Made};

pub(super) const CREATE: Creation = Creation { operation: "quote.create", path: "/v1/quotes" };

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
        // Said first, whatever else is wrong.
        self.outbox.stripe()?;
        asked.check(true, self.now())?;
        let making = self.outbox.make(idempotency, CREATE, async |conn, id| {
            let params = asked.resolve(conn, id, self.neighbours).await?;
            store::insert_asked(conn, id, key.id, self.now()).await?;
            Ok(outbox::params(&params)?)
        });
        let made = making.await?;
        self.complete(made.id).await?;
        Ok(made)
    }
}
