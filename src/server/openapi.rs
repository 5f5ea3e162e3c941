//! `/openapi.json`: what the routes take and answer, from the code of the routes.

use actix_web::{HttpResponse, web};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::health;
use crate::api::ErrorBody;
use crate::{connect, orders, payments, webhooks};

/// The description of the service itself; the features' own are merged into it.
#[derive(OpenApi)]
#[openapi(
    info(title = "Packline", description = "Stripe payments in, fulfilled orders out, each exactly once."),
    paths(description),
    components(schemas(ErrorBody)),
    modifiers(&Keys),
    tags(
        (name = "orders", description = "For the merchant's back end."),
        (name = "payments", description = "Capturing, calling off and refunding, for the merchant's back end."),
        (name = "connect", description = "Connected accounts, for the platform's back end."),
        (name = "browsers", description = "Where browsers come by: those of customers with a checkout token, those of accounts' owners with an address."),
        (name = "webhooks", description = "For Stripe."),
        (name = "operation", description = "For whoever runs the service."),
    )
)]
struct Service;

/// How callers show who they are.
struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let text = "`packline keys create` makes one.";
        let key =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("plk_…").description(Some(text));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(key.build()));
        let text =
            "Placing an order with a payment makes one; so does `POST /v1/orders/{name}/checkout_tokens`.";
        let token =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("plc_…").description(Some(text));
        components.add_security_scheme("checkout_token", SecurityScheme::Http(token.build()));
    }
}

/// All routes, described.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut whole = Service::openapi();
    for part in [
        orders::routes::Described::openapi(),
        payments::routes::Described::openapi(),
        connect::routes::Described::openapi(),
        webhooks::Described::openapi(),
        health::Described::openapi(),
    ] {
        whole.merge(part);
    }
    whole
}

pub(super) fn configure(service: &mut web::ServiceConfig) {
    service.app_data(web::Data::new(document())).service(web::resource("/openapi.json").get(description));
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object))
)]
async fn description(document: web::Data<utoipa::openapi::OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(document.get_ref())
}
