//! API keys: 256 random bits, shown once, kept as their SHA-256. So much randomness needs no slow hash.

use std::future::Future;
use std::pin::Pin;

use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ApiError, store};

/// What every key begins with, so that scanners for leaked secrets can find it.
const PREFIX: &str = "plk_";

/// A key that was just made: the only time that its text is known.
#[derive(Debug)]
pub struct NewKey {
    /// Its row.
    pub id: Uuid,
    /// What the merchant's back end sends.
    pub text: String,
}

/// Makes a key of a merchant.
///
/// # Errors
/// The database's.
pub async fn create_key(conn: &mut PgConnection, name: &str, now: OffsetDateTime) -> sqlx::Result<NewKey> {
    insert(conn, name, None, now).await
}

/// Makes a key of a fulfilment provider, which is good for its call-backs only; nothing where there is no such provider.
///
/// # Errors
/// The database's.
pub async fn create_provider_key(
    conn: &mut PgConnection,
    name: &str,
    provider: &str,
    now: OffsetDateTime,
) -> sqlx::Result<Option<NewKey>> {
    match insert(conn, name, Some(provider), now).await {
        Ok(key) => Ok(Some(key)),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn insert(
    conn: &mut PgConnection,
    name: &str,
    provider: Option<&str>,
    now: OffsetDateTime,
) -> sqlx::Result<NewKey> {
    let secret: [u8; 32] = rand::rng().random();
    let key = NewKey { id: Uuid::now_v7(), text: format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret)) };
    let prefix = &key.text[..PREFIX.len() + 4];
    store::insert_key(conn, key.id, name, provider, prefix, &hash(&key.text), now).await?;
    Ok(key)
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Who calls: a request with a valid key of a merchant. As a parameter of a handler it refuses all others with 401, and
/// providers, who may only post call-backs, with 403.
#[derive(Clone, Copy, Debug)]
pub struct ApiKey {
    /// The key's row.
    pub id: Uuid,
}

/// Who calls where providers may, too. As a parameter of a handler it refuses requests without a valid key with 401.
#[derive(Clone, Debug)]
pub struct CallerKey {
    /// The key's row.
    pub id: Uuid,
    /// The provider whose key it is; none for a merchant's.
    pub provider: Option<String>,
}

impl FromRequest for ApiKey {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = CallerKey::from_request(request, payload);
        Box::pin(async move {
            let CallerKey { id, provider } = caller.await?;
            let Some(provider) = provider else {
                return Ok(Self { id });
            };
            let message = format!(
                "this key is the provider {provider}'s: it is good for POST /v1/fulfilments/{{id}}/events only; for \
                 this route make a key with `packline keys create --name …`"
            );
            Err(ApiError::new(StatusCode::FORBIDDEN, "key_of_a_provider", message))
        })
    }
}

impl FromRequest for CallerKey {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = bearer(request).map(hash);
        let pool = request.app_data::<web::Data<PgPool>>().cloned();
        Box::pin(async move {
            let (Some(hash), Some(pool)) = (token, pool) else {
                return Err(unauthorised());
            };
            let mut conn = pool.acquire().await?;
            let (id, provider) = store::find_key(&mut conn, &hash).await?.ok_or_else(unauthorised)?;
            Ok(Self { id, provider })
        })
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorised() -> ApiError {
    let message = "give an API key as `Authorization: Bearer plk_…`; `packline keys create` makes one";
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorised", message)
}
