//! `Idempotency-Key`, as the IETF draft "The Idempotency-Key HTTP Header Field" has it: the same key with the same
//! request gives the same answer, with another request 422, while the first still runs 409.
//!
//! The answer is kept in the transaction that does the work: either both are there or neither, whatever crashes. A
//! lock that ends with the transaction tells that the first still runs.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpResponse, http::header::ContentType};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ApiError, ApiKey, store};

const HEADER: &str = "Idempotency-Key";
/// On an answer that was given before.
pub(super) const REPLAYED: (&str, &str) = ("Idempotent-Replayed", "true");
const LONGEST: usize = 255;

/// A key together with what was asked under it.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    owner: ApiKey,
    key: String,
    request_hash: [u8; 32],
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The JSON.
    pub body: String,
}

impl Answer {
    /// As a response; a repetition says so.
    pub fn into_response(self, is_replay: bool) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if is_replay {
            response.insert_header(REPLAYED);
        }
        response.content_type(ContentType::json()).body(self.body)
    }
}

/// What is known of a key when a request comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is new.
    New,
    /// An earlier request made this and got no answer: go on with it.
    Begun(Uuid),
    /// It got this answer already, about what it made, if that was noted.
    Answered(Answer, Option<Uuid>),
}

impl IdempotencyKey {
    /// The key of a request, if it has one. `operation` tells routes apart.
    ///
    /// # Errors
    /// 400 for a key that is empty, too long or not plain text.
    pub fn of(
        headers: &HeaderMap,
        owner: ApiKey,
        operation: &str,
        body: &[u8],
    ) -> Result<Option<Self>, ApiError> {
        let Some(value) = headers.get(HEADER) else {
            return Ok(None);
        };
        let key = value.to_str().map(|key| key.trim().trim_matches('"')).unwrap_or_default();
        if key.is_empty() || key.len() > LONGEST {
            let message = format!("{HEADER} must be 1 to {LONGEST} visible ASCII characters");
            return Err(ApiError::bad_request("bad_idempotency_key", message));
        }
        let request_hash =
            Sha256::new().chain_update(operation).chain_update([0]).chain_update(body).finalize().into();
        Ok(Some(Self { owner, key: key.to_owned(), request_hash }))
    }

    /// Takes the key for the rest of the transaction; returns the answer that it got already, if any.
    ///
    /// # Errors
    /// 409 while another request holds it, 422 where it belongs to another request.
    pub async fn claim(&self, conn: &mut PgConnection) -> Result<Option<Answer>, ApiError> {
        Ok(match self.look_up(conn).await? {
            Claim::Answered(answer, _) => Some(answer),
            Claim::New | Claim::Begun(_) => None,
        })
    }

    /// Takes the key for the rest of the transaction, for work that takes more than one: says how far it came.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub async fn look_up(&self, conn: &mut PgConnection) -> Result<Claim, ApiError> {
        if !store::try_lock(conn, self.owner.id, &self.key).await? {
            let message = format!("a request with this {HEADER} is still running; try again");
            return Err(ApiError::conflict("idempotency_key_in_use", message));
        }
        let Some(known) = store::find_answer(conn, self.owner.id, &self.key).await? else {
            return Ok(Claim::New);
        };
        if known.request_hash != self.request_hash {
            let message = format!("this {HEADER} was used with another request; use a new key");
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message));
        }
        let Some((status, body)) = known.status.zip(known.body) else {
            return Ok(known.subject.map_or(Claim::New, Claim::Begun));
        };
        let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        Ok(Claim::Answered(Answer { status: status.unwrap_or(StatusCode::OK), body }, known.subject))
    }

    /// Notes what the request made, in the transaction that makes it, so that a repetition goes on with it.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(
        &self,
        conn: &mut PgConnection,
        subject: Uuid,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        store::insert_begun(conn, self.owner.id, &self.key, &self.request_hash, subject, now).await
    }

    /// Keeps the answer, in the same transaction as the work. Of two for the same key the first stays.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep(
        &self,
        conn: &mut PgConnection,
        answer: &Answer,
        now: OffsetDateTime,
    ) -> sqlx::Result<()> {
        let status = i16::try_from(answer.status.as_u16()).unwrap_or(i16::MAX);
        store::insert_answer(conn, self.owner.id, &self.key, &self.request_hash, status, &answer.body, now)
            .await
    }
}
