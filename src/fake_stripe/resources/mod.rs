//! The objects of Stripe's API and what can be done to them.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::frame::auth::{self, Key};
use super::frame::call::{Call, Params};
use super::frame::failure::Failure;
use super::world::World;
use super::{cli_protocol, delivery};

pub(super) mod accounts;
pub(super) mod calendar;
mod cards;
mod cash;
mod charges;
pub(super) mod checkout;
mod customers;
mod disputes;
mod fees;
pub(super) mod invoices;
pub(super) mod oauth;
pub(super) mod payment_intents;
pub(super) mod payment_methods;
mod prices;
mod products;
pub(super) mod quotes;
pub(super) mod refunds;
mod search;
pub(super) mod settlement;
pub(super) mod subscription_schedules;
pub(super) mod subscriptions;
mod tokens;
mod transfers;

/// What a call is answered with.
pub(super) type Answer = Result<Value, Failure>;

/// Answers the calls that it knows, by method and the parts of the path.
type Route = fn(&mut World, &Call, &[&str]) -> Option<Answer>;

const ROUTES: &[Route] = &[
    payment_intents::route,
    payment_methods::route,
    tokens::route,
    charges::route,
    refunds::route,
    disputes::route,
    customers::route,
    products::route,
    prices::route,
    accounts::route,
    transfers::route,
    fees::route,
    invoices::route,
    checkout::route,
    subscriptions::route,
    subscription_schedules::route,
    quotes::route,
    cash::route,
    oauth::route,
    delivery::routes::route,
    cli_protocol::route,
];

/// Carries out a call of the API.
///
/// # Errors
/// It is refused, in Stripe's words.
pub(super) fn carry_out(world: &mut World, call: &Call) -> Answer {
    let segments = call.segments();
    let is_for_browsers = matches!(
        (verb(call), segments.as_slice()),
        ("get", ["payment_intents", _])
            | ("post", ["payment_intents", _, "confirm"] | ["payment_methods"] | ["tokens"])
    );
    if call.key == Key::Publishable && !is_for_browsers {
        auth::secret_only(call.key)?;
    }
    let mut own = call.clone();
    own.account = call.account.clone().filter(|account| *account != world.platform);
    if let Some(account) = &own.account {
        accounts::must_be_connected(world, account)?;
    }
    for route in ROUTES {
        if let Some(answer) = route(world, &own, &segments) {
            return answer;
        }
    }
    Err(Failure::not_modelled(&format!("{} {}", call.method, call.path)))
}

/// The method as a word to match on.
pub(super) fn verb(call: &Call) -> &'static str {
    match call.method {
        Method::GET => "get",
        Method::POST => "post",
        Method::DELETE => "delete",
        _ => "other",
    }
}

/// Whether an object has what the filters ask for, as far as they are given.
fn fits(object: &Value, params: &Params, filters: &[&str]) -> bool {
    filters.iter().all(|name| params.text(name).is_none_or(|wanted| object[*name] == wanted))
}

/// Lays what is given over an object, field by field.
fn overlay(object: &mut Value, given: &Value) {
    let Value::Object(given) = given else {
        return;
    };
    let Value::Object(fields) = object else {
        *object = Value::Object(given.clone());
        return;
    };
    for (name, value) in given {
        let field = fields.entry(name.clone()).or_insert(Value::Null);
        match value {
            Value::Object(_) => overlay(field, value),
            // An empty text unsets.
            Value::String(text) if text.is_empty() => *field = Value::Null,
            value => *field = value.clone(),
        }
    }
}

fn empty_address() -> Value {
    json!({ "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null })
}

fn empty_billing_details() -> Value {
    json!({ "address": empty_address(), "email": null, "name": null, "phone": null, "tax_id": null })
}
