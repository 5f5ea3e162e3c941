//! `/_fake/deliveries` and `/_fake/webhook_endpoints`: what a test does to the deliveries. JSON in, JSON out.

use actix_web::web::{Data, Json, Query, ServiceConfig};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::{ApiVersion, Deliveries, Endpoint, Mode};

/// Registers the routes.
pub(in crate::fake_stripe) fn configure(routes: &mut ServiceConfig) {
    routes
        .route("/_fake/deliveries", web::get().to(list))
        .route("/_fake/deliveries", web::post().to(set_mode))
        .route("/_fake/deliveries/deliver", web::post().to(deliver))
        .route("/_fake/deliveries/settled", web::post().to(settled))
        .route("/_fake/deliveries/resend", web::post().to(resend))
        .route("/_fake/webhook_endpoints", web::post().to(add_endpoint));
}

#[derive(Deserialize)]
struct Which {
    event: Option<String>,
}

/// Every delivery and what became of it.
async fn list(deliveries: Data<Deliveries>, which: Query<Which>) -> HttpResponse {
    HttpResponse::Ok().json(deliveries.deliveries(which.event.as_deref()))
}

/// How deliveries go wrong from now on; what is not named is as it should be.
async fn set_mode(deliveries: Data<Deliveries>, mode: Json<Mode>) -> HttpResponse {
    match deliveries.set_mode(mode.into_inner()) {
        Ok(()) => HttpResponse::Ok().json(deliveries.mode()),
        Err(error) => refused(&error),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Deliver {
    /// Ids or types of events; all if none is named.
    only: Vec<String>,
}

/// Sends what is held or delayed now.
async fn deliver(deliveries: Data<Deliveries>, body: Option<Json<Deliver>>) -> HttpResponse {
    let only = body.map(|body| body.into_inner().only).unwrap_or_default();
    HttpResponse::Ok().json(json!({ "delivered": deliveries.deliver_now(&only) }))
}

/// Answers when nothing that is due is under way any more.
async fn settled(deliveries: Data<Deliveries>) -> HttpResponse {
    deliveries.settled().await;
    HttpResponse::Ok().json(json!({ "ok": true }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resend {
    event: String,
    endpoint: Option<String>,
}

/// Sends an event again, whatever the mode.
async fn resend(deliveries: Data<Deliveries>, body: Json<Resend>) -> HttpResponse {
    match deliveries.resend(&body.event, body.endpoint.as_deref(), false) {
        Some(event) => HttpResponse::Ok().json(event),
        None => refused(&format!("there is no event {}", body.event)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEndpoint {
    url: String,
    /// Drawn from the seed where it is not given.
    #[serde(default)]
    secret: String,
    #[serde(default)]
    connect: bool,
    enabled_events: Option<Vec<String>>,
    api_version: Option<String>,
}

/// Adds an endpoint, with a secret that both sides know already if need be.
async fn add_endpoint(deliveries: Data<Deliveries>, body: Json<NewEndpoint>) -> HttpResponse {
    let body = body.into_inner();
    let version = match body.api_version.as_deref().map(ApiVersion::parse).transpose() {
        Ok(version) => version,
        Err(error) => return refused(&error),
    };
    let mut endpoint = Endpoint {
        connect: body.connect,
        secret: body.secret,
        api_version: version,
        ..Endpoint::to(body.url)
    };
    if let Some(types) = body.enabled_events {
        endpoint.enabled_events = types;
    }
    match deliveries.add_endpoint(endpoint) {
        Ok(endpoint) => {
            let mut shown = endpoint.json();
            shown["secret"] = json!(endpoint.secret);
            HttpResponse::Ok().json(shown)
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({ "error": { "message": error } }))
}
