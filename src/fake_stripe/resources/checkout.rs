//! Checkout Sessions: a purchase that is paid on a page of Stripe's. Made, shown and expired here; paid in [`mod@pay`].
//!
//! Modelled are hosted pages in modes `payment` and `subscription`. A session makes its PaymentIntent, or its
//! subscription, only when the customer confirms.

use serde_json::{Map, Value, json};

use super::{Answer, payment_intents, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::{pages, shape};
use crate::fake_stripe::world::{Timer, World};

mod bill;
mod body;
mod lines;
pub(super) mod links;
mod pay;
mod private;

pub(in crate::fake_stripe) use links::open as open_link;
pub(in crate::fake_stripe) use pay::{Given, pay};
pub(super) use pay::{after_failure, after_payment};

const NEW: &str = "adaptive_pricing{} after_expiration{recovery{enabled:bool allow_promotion_codes:bool}} \
                   allow_promotion_codes:bool automatic_tax{enabled:bool! liability{}} billing_address_collection \
                   branding_settings{} cancel_url client_reference_id consent_collection{} currency custom_fields:any \
                   custom_text{} customer customer_account customer_creation customer_email customer_update{} discounts:any \
                   excluded_payment_method_types:list expires_at:int integration_identifier \
                   invoice_creation{enabled:bool! invoice_data{description footer metadata:map}} line_items:any locale \
                   metadata:map mode name_collection{} origin_context optional_items:any payment_intent_data:any \
                   payment_method_collection payment_method_configuration payment_method_data{} \
                   payment_method_options:any payment_method_types:list permissions{} \
                   phone_number_collection{enabled:bool!} redirect_on_completion return_url \
                   saved_payment_method_options{} setup_intent_data{} shipping_address_collection{allowed_countries:list!} \
                   shipping_options:any submit_type subscription_data:any success_url tax_id_collection{} ui_mode \
                   wallet_options{}";

/// What a session's PaymentIntent takes.
const INTENT_DATA: &str = "application_fee_amount:int capture_method description metadata:map on_behalf_of receipt_email \
                           setup_future_usage shipping:any statement_descriptor statement_descriptor_suffix \
                           transfer_data{destination! amount:int} transfer_group";

const NOT_MODELLED: &[&str] =
    &["custom_fields", "discounts", "optional_items", "setup_intent_data", "shipping_options"];

const SHORTEST: i64 = 30 * 60;
const LONGEST: i64 = 24 * 60 * 60;

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["checkout", "sessions"]) => create(world, call),
        ("get", ["checkout", "sessions"]) => list(world, call),
        ("get", ["checkout", "sessions", id]) => {
            call.params("").and_then(|_| world.find(call, "checkout.session", id, "id"))
        }
        ("post", ["checkout", "sessions", id]) => update(world, call, id),
        ("get", ["checkout", "sessions", id, "line_items"]) => line_items(world, call, id),
        ("post", ["checkout", "sessions", id, "expire"]) => expire(world, call, id),
        ("get", ["payment_pages", id]) => private::show(world, call, id),
        ("post", ["payment_pages", id, "confirm"]) => private::confirm(world, call, id),
        _ => return links::route(world, call, segments),
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(NEW)?;
    refuse_what_is_not_modelled(&params)?;
    if params.text("success_url").is_none() {
        return Err(Failure::missing("success_url"));
    }
    check_customer(world, call, &params)?;
    let lines = lines::read(world, call, &params)?;
    let id = open(world, call, &params, &lines, None)?;
    Ok(world.body(&id))
}

/// Makes a session; its id. `link` is the Payment Link that opens it.
fn open(
    world: &mut World,
    call: &Call,
    params: &Params,
    lines: &[Value],
    link: Option<&str>,
) -> Result<String, Failure> {
    let mode = params.text("mode").unwrap_or("payment");
    lines::check_mode(lines, mode)?;
    if mode == "subscription" {
        bill::check(params)?;
    }
    let expires_at = expiry(world, params)?;
    let intent = intent_data(params)?;
    let id = format!("cs_test_{}", world.letters(58));
    let session = body::new(world, &id, params, lines, expires_at, link);
    if mode == "payment" {
        check_payment(world, call, &session, &intent)?;
    }
    let hidden = json!({
        "lines": lines, "payment_intent_data": intent, "subscription_data": params.value("subscription_data"),
        "invoice_data": params.value("invoice_creation.invoice_data"), "customer_creation": params.value("customer_creation"),
    });
    world.insert(call.account.clone(), session, hidden);
    world.schedule(expires_at - world.now(), Timer::SessionExpires { session: id.clone() });
    Ok(id)
}

fn refuse_what_is_not_modelled(params: &Params) -> Result<(), Failure> {
    let is_given = |name: &str| {
        params.get(name).is_some_and(|value| {
            !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()) && value != ""
        })
    };
    if let Some(name) = NOT_MODELLED.iter().find(|name| is_given(name)) {
        return Err(Failure::not_modelled(&format!("`{name}` of Checkout Sessions")));
    }
    if params.is_true("automatic_tax.enabled") || params.is_true("after_expiration.recovery.enabled") {
        return Err(Failure::not_modelled("taxes and recovery of Checkout Sessions"));
    }
    match params.text("ui_mode") {
        None | Some("hosted" | "hosted_page") => {}
        Some(other) => return Err(Failure::not_modelled(&format!("Checkout Sessions with ui_mode {other}"))),
    }
    match params.text("mode").unwrap_or("payment") {
        "payment" | "subscription" => Ok(()),
        "setup" => Err(Failure::not_modelled("Checkout Sessions in mode setup")),
        _ => {
            let message = "Invalid mode: must be one of payment, setup, or subscription";
            Err(Failure::parameter("parameter_invalid", "mode", message))
        }
    }
}

fn check_customer(world: &World, call: &Call, params: &Params) -> Result<(), Failure> {
    let creation = params.text("customer_creation");
    if creation.is_some_and(|creation| !["always", "if_required"].contains(&creation)) {
        let message = "Invalid customer_creation: must be one of always or if_required";
        return Err(Failure::parameter("parameter_invalid", "customer_creation", message));
    }
    if creation.is_some() && params.text("mode") == Some("subscription") {
        let message = "`customer_creation` can only be used in `payment` mode.";
        return Err(Failure::invalid(message).param("customer_creation"));
    }
    let Some(customer) = params.text("customer") else { return Ok(()) };
    for other in ["customer_email", "customer_creation"] {
        if params.text(other).is_some() {
            return Err(Failure::invalid(format!(
                "You may only specify one of these parameters: customer, {other}."
            )));
        }
    }
    world.find(call, "customer", customer, "customer").map(|_| ())
}

/// 24 hours from now, or what was asked for.
fn expiry(world: &World, params: &Params) -> Result<i64, Failure> {
    let now = world.now();
    match params.int("expires_at") {
        None => Ok(now + LONGEST),
        Some(at) if (now + SHORTEST..=now + LONGEST).contains(&at) => Ok(at),
        Some(_) => {
            let message = "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout \
                           Session creation.";
            Err(Failure::invalid(message).param("expires_at"))
        }
    }
}

/// What the PaymentIntent will be made with, as it came.
fn intent_data(params: &Params) -> Result<Map<String, Value>, Failure> {
    let Some(Value::Object(given)) = params.get("payment_intent_data") else { return Ok(Map::new()) };
    if params.text("mode") == Some("subscription") {
        let message = "You can not pass `payment_intent_data` in `subscription` mode.";
        return Err(Failure::invalid(message).param("payment_intent_data"));
    }
    shape::read_under("payment_intent_data", INTENT_DATA, given)?;
    Ok(given.clone())
}

/// What would make the PaymentIntent fail is refused now.
fn check_payment(
    world: &World,
    call: &Call,
    session: &Value,
    intent: &Map<String, Value>,
) -> Result<(), Failure> {
    if session["amount_total"] == 0 {
        return Ok(());
    }
    let given = body::intent(session, intent);
    payment_intents::check(world, call, &given).map_err(|failure| {
        let name = failure.error.get("param").and_then(Value::as_str).unwrap_or_default().to_owned();
        match name.split('[').next().unwrap_or_default() {
            "amount" => {
                let message = "The Checkout Session's total amount due is not one that can be charged: ";
                let why = failure.error["message"].as_str().unwrap_or_default().to_owned();
                failure.with("message", json!(format!("{message}{why}"))).with("param", Value::Null)
            }
            first if intent.contains_key(first) => {
                failure.param(&format!("payment_intent_data[{first}]{}", &name[first.len()..]))
            }
            _ => failure,
        }
    })
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!(
        "{} customer customer_account customer_details{{email!}} payment_intent payment_link status subscription",
        pages::SHAPE
    ))?;
    let mut sessions = world.all(call.account.as_deref(), "checkout.session");
    sessions.retain(|session| {
        let filters = ["customer", "payment_intent", "payment_link", "status", "subscription"];
        let email = params.text("customer_details.email");
        super::fits(session, &params, &filters)
            && email.is_none_or(|email| session["customer_details"]["email"] == email)
    });
    pages::page("/v1/checkout/sessions", &params, sessions)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("metadata:map")?;
    world.find(call, "checkout.session", id, "id")?;
    world.change(id, |session| params.merge_metadata(&mut session["metadata"]));
    Ok(world.body(id))
}

fn line_items(world: &World, call: &Call, id: &str) -> Answer {
    let params = call.params(pages::SHAPE)?;
    world.find(call, "checkout.session", id, "id")?;
    let lines = world.hidden(id)["lines"].as_array().cloned().unwrap_or_default();
    pages::page(&format!("/v1/checkout/sessions/{id}/line_items"), &params, lines)
}

fn expire(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let session = world.find(call, "checkout.session", id, "id")?;
    if session["status"] != "open" {
        return Err(Failure::invalid(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{}`.",
            session["status"].as_str().unwrap_or_default()
        )));
    }
    end(world, id);
    Ok(world.body(id))
}

/// The time of a session is over.
pub(in crate::fake_stripe) fn expired(world: &mut World, id: &str) {
    if world.body(id)["status"] == "open" {
        end(world, id);
    }
}

fn end(world: &mut World, id: &str) {
    world.change(id, |session| {
        session["status"] = json!("expired");
        session["url"] = Value::Null;
    });
    // A payment that was begun can not be finished any more.
    if let Some(intent) = world.hidden(id)["intent"].as_str() {
        payment_intents::end(world, intent, Value::Null);
    }
    world.emit("checkout.session.expired", id);
}

/// The lines of a session, as `expand` shows them.
pub(in crate::fake_stripe) fn lines_of(world: &World, id: &str) -> Vec<Value> {
    world.hidden(id)["lines"].as_array().cloned().unwrap_or_default()
}
