//! `POST /webhooks/stripe` and `POST /webhooks/stripe/connect`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use utoipa::{IntoResponses, OpenApi, ToSchema};

use super::metrics::WebhookMetrics;
use super::signature::{self, EndpointSecret, Rejected};
use crate::api::{ApiError, ErrorBody};
use crate::clock::Clock;
use crate::inbox::{Disposition, Endpoint, NewEvent, NotStored, Recorded, Recorder};
use crate::stripe::{Envelope, Malformed};

/// Stripe's events are far smaller.
const LARGEST_BODY: usize = 1024 * 1024;
/// Bodies of all requests together.
const BODY_MEMORY: usize = 32 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Room for sixteen signatures.
const LONGEST_SIGNATURE_HEADER: usize = 2048;

/// Everything that the endpoints need.
pub struct Intake {
    platform_secrets: Vec<EndpointSecret>,
    connect_secrets: Vec<EndpointSecret>,
    livemode: bool,
    recorder: Recorder,
    clock: Clock,
    metrics: WebhookMetrics,
    memory: Arc<Semaphore>,
}

impl Intake {
    /// The endpoints of a service. `livemode` is the mode that it is for.
    pub fn new(
        platform_secrets: Vec<EndpointSecret>,
        connect_secrets: Vec<EndpointSecret>,
        livemode: bool,
        recorder: Recorder,
        clock: Clock,
        metrics: WebhookMetrics,
    ) -> Self {
        let memory = Arc::new(Semaphore::new(BODY_MEMORY));
        Self { platform_secrets, connect_secrets, livemode, recorder, clock, metrics, memory }
    }

    fn secrets(&self, endpoint: Endpoint) -> &[EndpointSecret] {
        match endpoint {
            Endpoint::Platform => &self.platform_secrets,
            Endpoint::Connect => &self.connect_secrets,
        }
    }
}

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(receive_platform, receive_connect))]
pub struct Described;

/// The answer to an event that is stored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes")]
struct Filed {
    /// `stored` or `duplicate`.
    status: String,
}

/// The answers to what is not stored.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it only describes")]
enum NotFiled {
    /// No valid signature, or a signed body that is no event.
    #[response(status = 400, content_type = "application/json")]
    NotStripes(ErrorBody<'static>),
    /// The body came too slowly.
    #[response(status = 408, content_type = "application/json")]
    TooSlow(ErrorBody<'static>),
    /// The body is larger than 1 MiB.
    #[response(status = 413, content_type = "application/json")]
    TooLarge(ErrorBody<'static>),
    /// Not stored; send it again.
    #[response(status = 503, content_type = "application/json")]
    NotStored(ErrorBody<'static>),
}

/// Adds the routes to a service.
pub fn configure(service: &mut web::ServiceConfig) {
    service
        .service(web::resource("/webhooks/stripe").post(receive_platform))
        .service(web::resource("/webhooks/stripe/connect").post(receive_connect));
}

/// Stores an event of our own account.
#[utoipa::path(
    post, path = "/webhooks/stripe", tag = "webhooks",
    params(("Stripe-Signature" = String, Header, description = "`t=…,v1=…`: HMAC-SHA256 over time and body, by the endpoint's secret.")),
    request_body(content = Object, description = "A Stripe event."),
    responses((status = 200, description = "The event is durably stored.", body = Filed), NotFiled)
)]
async fn receive_platform(
    request: HttpRequest,
    body: web::Payload,
    intake: web::Data<Intake>,
) -> HttpResponse {
    receive(Endpoint::Platform, &request, body, &intake).await
}

/// Stores an event of a connected account.
#[utoipa::path(
    post, path = "/webhooks/stripe/connect", tag = "webhooks",
    params(("Stripe-Signature" = String, Header, description = "As for our own, by the secret of the Connect endpoint.")),
    request_body(content = Object, description = "A Stripe event."),
    responses((status = 200, description = "The event is durably stored.", body = Filed), NotFiled)
)]
async fn receive_connect(
    request: HttpRequest,
    body: web::Payload,
    intake: web::Data<Intake>,
) -> HttpResponse {
    receive(Endpoint::Connect, &request, body, &intake).await
}

async fn receive(
    endpoint: Endpoint,
    request: &HttpRequest,
    body: web::Payload,
    intake: &Intake,
) -> HttpResponse {
    let started = Instant::now();
    let outcome = file(endpoint, request, body, intake).await;
    let answer = outcome.as_ref().map_or_else(Refused::code, |recorded| code(*recorded));
    intake.metrics.answered(endpoint, answer);
    match outcome {
        Ok(recorded) => {
            intake.metrics.stored_after(started.elapsed());
            HttpResponse::Ok().json(serde_json::json!({ "status": code(recorded) }))
        }
        Err(refused) => refused.respond(endpoint),
    }
}

fn code(recorded: Recorded) -> &'static str {
    match recorded {
        Recorded::Stored => "stored",
        Recorded::Duplicate => "duplicate",
    }
}

/// Why a request was not filed.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    NotStripes(#[from] Rejected),
    #[error(transparent)]
    NoEvent(#[from] Malformed),
    #[error("the body is not UTF-8")]
    NotText,
    #[error("the body is larger than {LARGEST_BODY} bytes")]
    TooLarge,
    #[error("the body took longer than {} seconds to arrive", BODY_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the body broke off")]
    BrokenOff,
    #[error("too many bodies are being received; send it again")]
    NoMemory,
    #[error("{0}; send it again")]
    NotStored(#[from] NotStored),
}

impl Refused {
    fn code(&self) -> &'static str {
        match self {
            Self::NotStripes(rejected) => rejected.code(),
            Self::NoEvent(_) | Self::NotText => "not_an_event",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenOff => "broken_off",
            Self::NoMemory => "no_memory",
            Self::NotStored(_) => "not_stored",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotStripes(_) | Self::NoEvent(_) | Self::NotText | Self::BrokenOff => {
                StatusCode::BAD_REQUEST
            }
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NoMemory | Self::NotStored(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn respond(&self, endpoint: Endpoint) -> HttpResponse {
        let (status, code) = (self.status(), self.code());
        tracing::debug!(endpoint = endpoint.as_str(), status = status.as_u16(), code, "webhook refused");
        let mut response = ApiError::new(status, code, self.to_string()).error_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

async fn file(
    endpoint: Endpoint,
    request: &HttpRequest,
    body: web::Payload,
    intake: &Intake,
) -> Result<Recorded, Refused> {
    let signature = signature_header(request)?;
    let body = read_body(request, body, &intake.memory).await?;
    let received_at = intake.clock.now();
    let verified_by =
        signature::verify(intake.secrets(endpoint), signature, &body, received_at.unix_timestamp())?;

    let text = std::str::from_utf8(&body).map_err(|_| Refused::NotText)?;
    let envelope = Envelope::read(text)?;
    let disposition = Disposition::of(&envelope, intake.livemode);
    let verified_by = verified_by.to_owned();
    // Nobody looks at it again, so its one line in the log is written here.
    let set_aside = match &disposition {
        Disposition::SetAside(reason) => {
            Some((envelope.id.clone(), envelope.event_type.clone(), reason.clone()))
        }
        Disposition::Apply => None,
    };
    let event = NewEvent { envelope, body, endpoint, verified_by, received_at, disposition };
    let recorded = intake.recorder.record(event).await?;
    if let Some((id, event_type, reason)) = set_aside.filter(|_| recorded == Recorded::Stored) {
        tracing::info!(stripe.event.id = id, stripe.event.type = event_type, reason, "event set aside");
    }
    Ok(recorded)
}

/// The one signature header; more than one would leave open which of them was checked.
fn signature_header(request: &HttpRequest) -> Result<&str, Rejected> {
    let mut headers = request.headers().get_all("stripe-signature");
    let header = headers.next().ok_or(Rejected::MissingHeader)?;
    if headers.next().is_some() {
        return Err(Rejected::SeveralHeaders);
    }
    let header = header.to_str().map_err(|_| Rejected::MalformedHeader)?;
    if header.len() > LONGEST_SIGNATURE_HEADER { Err(Rejected::MalformedHeader) } else { Ok(header) }
}

/// A body with its share of the memory for bodies, which ends with the last that holds the body: not with the request,
/// whose sender may have hung up while the event still waits to be stored.
struct Body {
    bytes: BytesMut,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the body as it was sent. Its memory is accounted for as it arrives.
async fn read_body(
    request: &HttpRequest,
    mut body: web::Payload,
    memory: &Arc<Semaphore>,
) -> Result<Bytes, Refused> {
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > LARGEST_BODY) {
        return Err(Refused::TooLarge);
    }
    let mut held = take(memory, 0)?;
    let mut bytes = BytesMut::new();
    timeout(BODY_TIMEOUT, async {
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|_| Refused::BrokenOff)?;
            if bytes.len() + chunk.len() > LARGEST_BODY {
                return Err(Refused::TooLarge);
            }
            held.merge(take(memory, chunk.len())?);
            if bytes.is_empty() {
                bytes.reserve(announced.unwrap_or(chunk.len()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(())
    })
    .await
    .map_err(|_| Refused::TooSlow)??;
    Ok(Bytes::from_owner(Body { bytes, _memory: held }))
}

fn take(memory: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Refused> {
    let bytes = u32::try_from(bytes).map_err(|_| Refused::TooLarge)?;
    Arc::clone(memory).try_acquire_many_owned(bytes).map_err(|_| Refused::NoMemory)
}
