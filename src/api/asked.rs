//! What a merchant's back end asks for: who asks, under which `Idempotency-Key`, and a JSON body.

use std::future::Future;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiError, ApiKey, IdempotencyKey, read_body, read_json};

/// A request that changes something. As a parameter of a handler it refuses callers without a merchant's key, bodies
/// that are too large or too slow, and an `Idempotency-Key` that is none.
#[derive(Debug)]
pub struct Asked {
    /// Who asks.
    pub key: ApiKey,
    /// The request's key, if it has one: together with its method, its path and its body.
    pub idempotency: Option<IdempotencyKey>,
    body: Bytes,
}

impl Asked {
    /// The body.
    ///
    /// # Errors
    /// 400 where it is no JSON, 422 where a field is not right.
    pub fn json<B: DeserializeOwned>(&self) -> Result<B, ApiError> {
        read_json(&self.body)
    }

    /// The body of a request that may be left without one.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub fn json_or_default<B: DeserializeOwned + Default>(&self) -> Result<B, ApiError> {
        if self.body.is_empty() { Ok(B::default()) } else { self.json() }
    }
}

impl FromRequest for Asked {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let key = ApiKey::extract(&request).await?;
            let payload = web::Payload::from_request(&request, &mut payload).await;
            let body = read_body(payload.map_err(|error| {
                ApiError::bad_request("bad_body", format!("the body cannot be read: {error}"))
            })?)
            .await?;
            let operation = format!("{} {}", request.method(), request.path());
            let idempotency = IdempotencyKey::of(request.headers(), key, &operation, &body)?;
            Ok(Self { key, idempotency, body })
        })
    }
}

/// The body of a request that says nothing.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// An answer in JSON; a repetition says that it is one.
pub fn answer(status: StatusCode, body: &impl Serialize, is_replay: bool) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    if is_replay {
        response.insert_header(super::idempotency::REPLAYED);
    }
    response.json(body)
}
