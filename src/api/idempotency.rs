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

use super::{ApiError, ApiKey, store};

const HEADER: &str = "Idempotency-Key";
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
            response.insert_header(("Idempotent-Replayed", "true"));
        }
        response.content_type(ContentType::json()).body(self.body)
    }
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

    /// The key's text, for work that is told apart by it.
    pub fn text(&self) -> &str {
        &self.key
    }

    /// The hash of what was asked under it.
    pub fn request_hash(&self) -> &[u8] {
        &self.request_hash
    }

    /// Whether work that was begun under this key was asked for by the same request.
    ///
    /// # Errors
    /// 422 where it was another.
    pub fn same_request(&self, hash: &[u8]) -> Result<(), ApiError> {
        if hash == self.request_hash {
            return Ok(());
        }
        let message = format!("this {HEADER} was used with another request; use a new key");
        Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message))
    }

    /// Takes the key for the rest of the transaction; returns the answer that it got already, if any.
    ///
    /// # Errors
    /// 409 while another request holds it, 422 where it belongs to another request.
    pub async fn claim(&self, conn: &mut PgConnection) -> Result<Option<Answer>, ApiError> {
        if !store::try_lock(conn, self.owner.id, &self.key).await? {
            let message = format!("a request with this {HEADER} is still running; try again");
            return Err(ApiError::conflict("idempotency_key_in_use", message));
        }
        let Some(known) = store::find_answer(conn, self.owner.id, &self.key).await? else {
            return Ok(None);
        };
        self.same_request(&known.request_hash)?;
        let status = u16::try_from(known.status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        Ok(Some(Answer { status: status.unwrap_or(StatusCode::OK), body: known.body }))
    }

    /// Keeps the answer, in the same transaction.
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
