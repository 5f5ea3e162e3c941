//! `/openapi.json`: what the routes take and answer, from the code of the routes.

use actix_web::{HttpResponse, web};
use utoipa::openapi::schema::{AllOfBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{Modify, OpenApi};

use super::health;
use crate::api::ErrorBody;
use crate::{catalogue, connect, fulfilment, invoices, orders, payments, quotes, subscriptions, webhooks};

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
        (name = "invoices", description = "What customers are asked to pay, for the merchant's back end."),
        (name = "subscriptions", description = "What customers pay again and again, for the merchant's back end."),
        (name = "fulfilment", description = "What is sent, for the merchant's back end; and the call-backs of those who send it."),
        (name = "billing", description = "Customers, products, prices and quotes, for the merchant's back end."),
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
        invoices::routes::Described::openapi(),
        subscriptions::routes::Described::openapi(),
        catalogue::routes::Described::openapi(),
        quotes::routes::Described::openapi(),
        fulfilment::routes::Described::openapi(),
        webhooks::Described::openapi(),
        health::Described::openapi(),
    ] {
        whole.merge(part);
    }
    tie(&mut whole);
    whole
}

/// Orders do not know payments: to them `payment` and `destination` are any JSON. What is truly in them is said here,
/// where both are known.
fn tie(whole: &mut utoipa::openapi::OpenApi) {
    let schemas = &mut whole.components.get_or_insert_default().schemas;
    for (schema, field, part) in [
        ("PlaceOrder", "payment", "PaymentRequest"),
        ("PlaceOrder", "destination", "DestinationRequest"),
        ("ShownOrder", "payment", "PaymentReport"),
    ] {
        if let Some(RefOr::T(schema)) = schemas.get_mut(schema)
            && let Some(property) = own_part(schema).and_then(|own| own.properties.get_mut(field))
        {
            *property = nothing_or(part, property);
        }
    }
    let payment =
        ObjectBuilder::new().property("payment", Ref::from_schema_name("NewPayment")).description(Some(
            "With `payment` in the request: what a browser needs to pay. Told once to whoever placed the order.",
        ));
    let placed = AllOfBuilder::new().item(Ref::from_schema_name("Order")).item(payment.build());
    schemas.insert("PlacedOrder".to_owned(), placed.into());
    let place = whole.paths.paths.get_mut("/v1/orders").and_then(|path| path.post.as_mut());
    let created = place.and_then(|place| place.responses.responses.get_mut("201"));
    if let Some(RefOr::T(created)) = created {
        let placed = Content::new(Some(Ref::from_schema_name("PlacedOrder")));
        created.content.insert("application/json".to_owned(), RefOr::T(placed));
    }
}

/// An object, or the part of it that is no other's.
fn own_part(schema: &mut Schema) -> Option<&mut Object> {
    match schema {
        Schema::Object(object) => Some(object),
        Schema::AllOf(parts) => parts.items.iter_mut().find_map(|part| match part {
            RefOr::T(Schema::Object(object)) => Some(object),
            _ => None,
        }),
        _ => None,
    }
}

/// A schema or null, described as the property that it takes the place of.
fn nothing_or(name: &str, before: &RefOr<Schema>) -> RefOr<Schema> {
    let description = match before {
        RefOr::T(Schema::Object(object)) => object.description.clone(),
        _ => None,
    };
    let nothing = ObjectBuilder::new().schema_type(Type::Null);
    let either = OneOfBuilder::new().item(nothing).item(Ref::from_schema_name(name));
    either.description(description).into()
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
