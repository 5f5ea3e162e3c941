//! Checkout tokens: what lets a browser pay for one order, and see how far it is, and nothing else. 256 random bits,
//! shown once, kept as their SHA-256.

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::store;
use crate::api::ApiError;

/// What every token begins with, so that scanners for leaked secrets can tell what it is.
const PREFIX: &str = "plc_";
/// How long a token is good for: as long as an open shopping basket. A new one can be made at any time.
const LASTS: Duration = Duration::hours(24);

/// A token that was just made: the only time that its text is known.
pub(super) struct NewToken {
    pub text: String,
    pub expires_at: OffsetDateTime,
}

/// Makes a token for an order.
pub(super) async fn create(
    conn: &mut PgConnection,
    order_id: Uuid,
    now: OffsetDateTime,
) -> sqlx::Result<NewToken> {
    let secret: [u8; 32] = rand::rng().random();
    let token =
        NewToken { text: format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret)), expires_at: now + LASTS };
    store::insert_token(conn, &hash(&token.text), order_id, now, token.expires_at).await?;
    Ok(token)
}

/// The order that a token is for.
///
/// # Errors
/// 401 for one that is unknown or has expired, or none.
pub(super) async fn order_of(
    conn: &mut PgConnection,
    token: Option<&str>,
    now: OffsetDateTime,
) -> Result<Uuid, ApiError> {
    let order = match token {
        Some(token) => store::find_token(conn, &hash(token), now).await?,
        None => None,
    };
    order.ok_or_else(|| {
        let message = "give the order's checkout token; this one is unknown or has expired, \
                       `POST /v1/orders/{id}/checkout_tokens` makes a new one";
        ApiError::new(StatusCode::UNAUTHORIZED, "bad_checkout_token", message)
    })
}

/// The token of a request's `Authorization: Bearer`.
pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
