//! A request of our API that comes to one written call: the same request with the same Idempotency-Key joins the call that
//! it wrote before, and has its answer again once it had one.

use actix_web::http::StatusCode;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::call::Written;
use super::{Outbox, in_progress, store};
use crate::api::{Answer, ApiError, Claim, IdempotencyKey};
use crate::db;

/// What a request comes to, decided under the lock of the row that it is about.
pub enum Plan {
    /// A call was written, or another of that row is open.
    Call(Written),
    /// Nothing is to be asked: it is so already.
    IsSo,
}

/// How a request went.
pub enum Asked {
    /// It was answered before.
    Answered(Answer),
    /// It is done; the row that was moved, where a call moved one.
    Done(Option<Uuid>),
}

enum Planned {
    Answered(Answer),
    IsSo,
    Run(Uuid),
}

impl Outbox {
    /// Carries out a request: `plan` decides and writes the call, in a transaction; then the call is made. Where a call
    /// of the operation `joins` is open already, the request waits for that one.
    ///
    /// # Errors
    /// Those of `plan`; 402 or 422 where Stripe refused, 409 while another call moves the same thing, 503 where nobody
    /// knows yet what became of it.
    pub async fn request(
        &self,
        idempotency: Option<&IdempotencyKey>,
        joins: Option<&str>,
        plan: impl AsyncFnOnce(&mut PgConnection) -> Result<Plan, ApiError>,
    ) -> Result<Asked, ApiError> {
        self.stripe()?;
        let mut tx = self.pool().begin().await?;
        let planned = self.plan(&mut tx, idempotency, joins, plan).await;
        match db::end(tx, planned).await? {
            Planned::Answered(answer) => Ok(Asked::Answered(answer)),
            Planned::IsSo => Ok(Asked::Done(None)),
            Planned::Run(call) => {
                self.run(call).await?.done()?;
                let call = store::load(&mut *self.pool().acquire().await?, call).await?;
                Ok(Asked::Done(Some(call.subject)))
            }
        }
    }

    async fn plan(
        &self,
        conn: &mut PgConnection,
        idempotency: Option<&IdempotencyKey>,
        joins: Option<&str>,
        plan: impl AsyncFnOnce(&mut PgConnection) -> Result<Plan, ApiError>,
    ) -> Result<Planned, ApiError> {
        if let Some(idempotency) = idempotency {
            match idempotency.look_up(conn).await? {
                Claim::New => {}
                Claim::Begun(call) => return Ok(Planned::Run(call)),
                Claim::Answered(answer, _) => return Ok(Planned::Answered(answer)),
            }
        }
        let call = match plan(conn).await? {
            Plan::IsSo => return Ok(Planned::IsSo),
            Plan::Call(Written::New(id)) => id,
            Plan::Call(Written::Busy { operation, id }) if joins == Some(operation.as_str()) => id,
            Plan::Call(Written::Busy { operation, .. }) => return Err(in_progress(&operation)),
        };
        if let Some(idempotency) = idempotency {
            idempotency.begin(conn, call, self.now()).await?;
        }
        Ok(Planned::Run(call))
    }

    /// Keeps the answer of a request that is done, for its repetitions; says whether it had one before.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep(
        &self,
        idempotency: Option<&IdempotencyKey>,
        status: StatusCode,
        body: &impl Serialize,
    ) -> Result<(Answer, bool), ApiError> {
        let body = serde_json::to_string(body).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        let answer = Answer { status, body };
        let Some(idempotency) = idempotency else { return Ok((answer, false)) };
        let mut tx = self.pool().begin().await?;
        let kept = async {
            if let Some(answer) = idempotency.claim(&mut tx).await? {
                return Ok((answer, true));
            }
            idempotency.keep(&mut tx, &answer, self.now()).await?;
            Ok::<_, ApiError>((answer, false))
        };
        let kept = kept.await;
        db::end(tx, kept).await
    }
}
