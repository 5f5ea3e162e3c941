//! From a request to its answer: key, form, fault, idempotency, work, `expand`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::Method;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::Shared;
use crate::fake_stripe::event::CausedBy;
use crate::fake_stripe::frame::auth::{self, Key};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::expand;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::faults::{Fault, FaultKind};
use crate::fake_stripe::frame::form;
use crate::fake_stripe::frame::idempotency::Turn;
use crate::fake_stripe::frame::reply::{Echo, Reply};
use crate::fake_stripe::resources::{self, quotes};
use crate::fake_stripe::world::World;

/// Answers any call of the API.
pub(super) async fn answer(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut echo = Echo {
        request_id: shared.with(|world| world.id("req_")),
        version: header("Stripe-Version"),
        account: header("Stripe-Account"),
        idempotency_key: header("Idempotency-Key").filter(|_| request.method() == Method::POST),
    };
    if !["/v1/", "/v2/", "/oauth/"].iter().any(|known| request.path().starts_with(known)) {
        let failure = Failure::not_modelled(&format!("{} {}", request.method(), request.path()));
        return Reply::refused(&failure, &echo.request_id).response(&echo);
    }
    let call = match read(&request, &body, echo.account.clone()) {
        Ok(call) => call,
        Err(failure) => return Reply::refused(&failure, &echo.request_id).response(&echo),
    };
    // Stripe names a random key of its own where none is given.
    if request.method() == Method::POST && echo.idempotency_key.is_none() {
        let own = shared.with(|world| world.letters(32));
        return work(&shared, &call, &mut echo, Some(own)).await;
    }
    work(&shared, &call, &mut echo, None).await
}

/// The PDF of a quote, which Stripe has on its host of files.
pub(super) async fn quote_pdf(request: HttpRequest, id: Path<String>, shared: Data<Shared>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let echo = Echo {
        request_id: shared.with(|world| world.id("req_")),
        version: header("Stripe-Version").map(str::to_owned),
        account: header("Stripe-Account").map(str::to_owned),
        idempotency_key: None,
    };
    let pdf = auth::key(header("Authorization"), None).and_then(|key| {
        auth::secret_only(key)?;
        shared.with(|world| match world.faults.take("GET", request.path()) {
            Some(_) => Err(Failure::api_error()),
            None => quotes::pdf(world, echo.account.as_deref(), &id),
        })
    });
    match pdf {
        Ok(pdf) => HttpResponse::Ok()
            .content_type("application/pdf")
            .insert_header(("Request-Id", echo.request_id.as_str()))
            .body(pdf),
        Err(failure) => Reply::refused(&failure, &echo.request_id).response(&echo),
    }
}

async fn work(shared: &Shared, call: &Call, echo: &mut Echo, own_key: Option<String>) -> HttpResponse {
    let fault = shared.with(|world| world.faults.take(call.method.as_str(), &call.path));
    if let Some(Fault { kind, .. }) = &fault
        && let Some(failure) = before_work(*kind, echo)
    {
        return Reply::refused(&failure, &echo.request_id).response(echo);
    }
    let kind = fault.as_ref().map(|fault| fault.kind);
    match kind {
        Some(FaultKind::Hang) => std::future::pending::<()>().await,
        Some(FaultKind::Dropped) => return dropped(),
        _ => {}
    }
    let turn = shared.with(|world| begin(world, call, echo));
    let mut reply = match turn {
        Ok(Some(replayed)) => replayed,
        Err(failure) => Reply::refused(&failure, &echo.request_id),
        Ok(None) => {
            let fails = kind == Some(FaultKind::ServerErrorSaved);
            let wait = fault.filter(|fault| fault.kind == FaultKind::Slow).map(|fault| fault.ms);
            carry_out_after(shared, call, echo, wait, fails).await
        }
    };
    if own_key.is_some() {
        echo.idempotency_key = own_key;
    }
    match kind {
        Some(FaultKind::Lost) => dropped(),
        Some(FaultKind::Garbage) => HttpResponse::Ok()
            .content_type("text/html")
            .body("<!DOCTYPE html><html><body><h1>Something is in between</h1></body></html>"),
        Some(FaultKind::ServerErrorDone) => {
            reply = Reply::refused(&Failure::api_error(), &echo.request_id);
            reply.response(echo)
        }
        _ => reply.response(echo),
    }
}

/// Carries a call out, at once or after a while; then also if the caller has gone meanwhile.
async fn carry_out_after(shared: &Shared, call: &Call, echo: &Echo, wait: Option<u64>, fails: bool) -> Reply {
    let Some(ms) = wait else {
        return shared.with(|world| carry_out(world, call, echo, fails));
    };
    let (shared, call, for_work) = (shared.clone(), call.clone(), echo.clone());
    let working = actix_web::rt::spawn(async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        shared.with(|world| carry_out(world, &call, &for_work, fails))
    });
    working.await.unwrap_or_else(|_| Reply::refused(&Failure::api_error(), &echo.request_id))
}

/// What a fault answers instead of any work.
fn before_work(kind: FaultKind, echo: &Echo) -> Option<Failure> {
    match kind {
        FaultKind::RateLimited => Some(Failure::rate_limited("rate_limit")),
        FaultKind::LockTimeout => Some(Failure::rate_limited("lock_timeout")),
        FaultKind::ServerError => Some(Failure::api_error()),
        FaultKind::InUse => Some(Failure::in_use(echo.idempotency_key.as_deref().unwrap_or_default())),
        _ => None,
    }
}

fn read(request: &HttpRequest, body: &Bytes, account: Option<String>) -> Result<Call, Failure> {
    let text = if request.method() == Method::POST {
        std::str::from_utf8(body).map_err(|_| Failure::invalid("Invalid request: the body is not UTF-8."))?
    } else {
        ""
    };
    let both = format!("{}&{text}", request.query_string());
    let mut given = form::read(&both).map_err(Failure::invalid)?;
    let parameter = given.remove("key");
    let authorization = request.headers().get("Authorization").and_then(|value| value.to_str().ok());
    let key = match request.path().starts_with("/oauth/") {
        // OAuth names the secret in its body, where the header does not.
        true => {
            let secret = given.remove("client_secret");
            auth::key(authorization, secret.as_ref().and_then(Value::as_str))?
        }
        false => auth::key(authorization, parameter.as_ref().and_then(Value::as_str))?,
    };
    if key == Key::Publishable {
        leave_out_what_stripe_js_adds(&mut given);
    }
    let expand = match given.remove("expand") {
        None => Vec::new(),
        Some(Value::Array(paths)) => paths.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(_) => return Err(Failure::parameter("parameter_invalid_array", "expand", "Invalid array")),
    };
    Ok(Call {
        method: request.method().clone(),
        path: request.path().to_owned(),
        given,
        expand,
        account,
        key,
    })
}

/// Stripe.js tells of itself in parameters that no document names.
fn leave_out_what_stripe_js_adds(given: &mut Map<String, Value>) {
    for name in ["_stripe_version", "_stripe_account", "guid", "muid", "sid", "client_attribution_metadata"] {
        given.remove(name);
    }
}

fn begin(world: &mut World, call: &Call, echo: &Echo) -> Result<Option<Reply>, Failure> {
    if call.method != Method::POST {
        return Ok(None);
    }
    let Some(key) = &echo.idempotency_key else {
        return Ok(None);
    };
    let mut given = Value::Object(call.given.clone());
    given["expand"] = call.expand.clone().into();
    let now = world.now();
    match world.keys.begin(call.account.as_deref(), key, &call.path, &given, &echo.request_id, now)? {
        Turn::First => Ok(None),
        Turn::Again { status, body, first_request } => {
            let should_retry = (status == 402).then_some(false);
            Ok(Some(Reply { status, body, replays: Some(first_request), should_retry }))
        }
    }
}

fn carry_out(world: &mut World, call: &Call, echo: &Echo, fails: bool) -> Reply {
    world.cause = (call.method != Method::GET).then(|| CausedBy {
        request_id: echo.request_id.clone(),
        idempotency_key: echo.idempotency_key.clone(),
    });
    world.begin();
    let done = if fails { Err(Failure::api_error()) } else { resources::carry_out(world, call) };
    let done = done.and_then(|mut answer| {
        expand::expand(world, &mut answer, &call.expand)?;
        Ok(answer)
    });
    // A decline has happened and stays; what was refused otherwise has not.
    match &done {
        Err(failure) if failure.status != 402 => world.undo(),
        _ => world.commit(),
    }
    let (reply, is_saved) = match done {
        Ok(body) => (Reply::done(body), true),
        Err(failure) => (Reply::refused(&failure, &echo.request_id), failure.is_saved || fails),
    };
    if let Some(key) = &echo.idempotency_key {
        let account = call.account.as_deref();
        if is_saved {
            world.keys.save(account, key, reply.status, &reply.body);
        } else {
            world.keys.release(account, key);
        }
    }
    reply
}

/// A response whose body breaks before a byte of it was sent: the connection is closed without an answer.
fn dropped() -> HttpResponse {
    HttpResponse::Ok().body(Broken)
}

struct Broken;

impl MessageBody for Broken {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "dropped as told"))))
    }
}
