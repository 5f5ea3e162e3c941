//! `/_fake/…`: what a test does to the local Stripe itself. JSON in, JSON out.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, ServiceConfig};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::frame::failure::Failure;
use super::frame::faults::Fault;
use super::resources::{Answer, accounts, payment_intents};
use super::server::Shared;
use super::world::World;

/// Registers the routes.
pub(super) fn configure(routes: &mut ServiceConfig) {
    routes
        .route("/_fake/clock", web::get().to(clock))
        .route("/_fake/clock/advance", web::post().to(advance))
        .route("/_fake/faults", web::post().to(order_fault))
        .route("/_fake/faults", web::delete().to(clear_faults))
        .route("/_fake/billing", web::post().to(billing))
        .route("/_fake/reset", web::post().to(reset))
        .route("/_fake/payment_intents/{id}/authenticate", web::post().to(authenticate))
        .route("/_fake/accounts/{id}/{what}", web::post().to(account));
}

#[derive(Deserialize)]
struct Advance {
    seconds: u64,
}

async fn clock(shared: Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "now": shared.with(|world| world.now()) }))
}

async fn advance(shared: Data<Shared>, body: Json<Advance>) -> HttpResponse {
    shared.with(|world| world.advance(Duration::from_secs(body.seconds)));
    clock(shared).await
}

async fn order_fault(shared: Data<Shared>, fault: Json<Fault>) -> HttpResponse {
    shared.with(|world| world.faults.order(fault.into_inner()));
    HttpResponse::Ok().json(json!({ "ok": true }))
}

async fn clear_faults(shared: Data<Shared>) -> HttpResponse {
    shared.with(|world| world.faults.clear());
    HttpResponse::Ok().json(json!({ "ok": true }))
}

/// What becomes of a subscription when the last retry of a charge failed, which the Dashboard says at Stripe.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum AfterRetries {
    /// It is cancelled.
    #[default]
    Cancel,
    /// It is `unpaid`: its further invoices stay drafts.
    Unpaid,
    /// It stays `past_due`.
    PastDue,
}

#[derive(Deserialize)]
struct Billing {
    after_retries: AfterRetries,
}

async fn billing(shared: Data<Shared>, body: Json<Billing>) -> HttpResponse {
    shared.with(|world| world.after_retries = body.after_retries);
    HttpResponse::Ok().json(json!({ "ok": true }))
}

#[derive(Deserialize)]
struct Authenticate {
    outcome: Outcome,
}

/// How a 3-D Secure step ended.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The customer passed it.
    Succeeded,
    /// The customer failed it, or gave up.
    Failed,
}

async fn authenticate(shared: Data<Shared>, id: Path<String>, body: Json<Authenticate>) -> HttpResponse {
    let is_passed = body.outcome == Outcome::Succeeded;
    answer(shared.with(|world| payment_intents::authenticate(world, &id, is_passed)))
}

/// `complete`, `restrict` or `deauthorize` a connected account, as its owner or Stripe would.
async fn account(shared: Data<Shared>, path: Path<(String, String)>) -> HttpResponse {
    let (id, what) = path.into_inner();
    answer(shared.with(|world| match what.as_str() {
        "complete" => accounts::complete(world, &id),
        "restrict" => accounts::restrict(world, &id),
        "deauthorize" => accounts::deauthorize(world, &id),
        _ => Err(Failure::not_modelled(&format!("/_fake/accounts/…/{what}"))),
    }))
}

fn answer(answer: Answer) -> HttpResponse {
    match answer {
        Ok(body) => HttpResponse::Ok().json(body),
        Err(failure) => {
            let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_REQUEST);
            HttpResponse::build(status).json(failure.body("req_fake"))
        }
    }
}

async fn reset(shared: Data<Shared>) -> HttpResponse {
    shared.with(World::reset);
    HttpResponse::Ok().json(json!({ "ok": true }))
}
