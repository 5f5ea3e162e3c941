//! PaymentIntents: made, changed and shown here; paid in [`confirm`], captured and cancelled in [`capture`].

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::{Answer, payment_methods, search, verb};
use crate::fake_stripe::frame::auth::Key;
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::{form, pages};
use crate::fake_stripe::world::World;

mod capture;
mod checks;
mod confirm;
mod errors;
mod next_action;

pub(in crate::fake_stripe) use capture::auto_cancel;
pub(super) use capture::end;
pub(super) use checks::{check_amount, check_currency};
pub(super) use confirm::{Terms, attempt, fund};
pub(in crate::fake_stripe) use confirm::{authenticate, confirm_expired, settle_debit};

const CREATE: &str = "amount:int! amount_details{} application_fee_amount:int \
                      automatic_payment_methods{enabled:bool! allow_redirects} capture_method confirm:bool \
                      confirmation_method confirmation_token currency! customer customer_account description \
                      error_on_requires_action:bool excluded_payment_method_types:list hooks{} mandate mandate_data:any \
                      metadata:map off_session:any on_behalf_of payment_details{} payment_method \
                      payment_method_configuration payment_method_data:any payment_method_options:any \
                      payment_method_types:list radar_options{} receipt_email return_url setup_future_usage \
                      shipping:any statement_descriptor statement_descriptor_suffix transfer_data{destination! \
                      amount:int} transfer_group use_stripe_sdk:bool";

const UPDATE: &str = "amount:int amount_details{} application_fee_amount:int capture_method currency customer \
                      customer_account description excluded_payment_method_types:list hooks{} metadata:map \
                      payment_details{} payment_method payment_method_configuration payment_method_data:any \
                      payment_method_options:any payment_method_types:list receipt_email setup_future_usage \
                      shipping:any statement_descriptor statement_descriptor_suffix transfer_data{amount:int} \
                      transfer_group";

const COPIED: &[&str] = &[
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
    "application_fee_amount",
    "on_behalf_of",
];

const EMPTY_AT_FIRST: &[&str] = &[
    "application",
    "application_fee_amount",
    "canceled_at",
    "cancellation_reason",
    "customer_account",
    "description",
    "excluded_payment_method_types",
    "last_payment_error",
    "latest_charge",
    "next_action",
    "on_behalf_of",
    "processing",
    "receipt_email",
    "review",
    "setup_future_usage",
    "shipping",
    "source",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];

/// What a publishable key may see.
const SHOWN_TO_BROWSERS: &[&str] = &[
    "id",
    "object",
    "amount",
    "amount_details",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "capture_method",
    "client_secret",
    "confirmation_method",
    "created",
    "currency",
    "description",
    "last_payment_error",
    "livemode",
    "next_action",
    "payment_method",
    "payment_method_configuration_details",
    "payment_method_types",
    "processing",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "source",
    "status",
];

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["payment_intents"]) => create(world, call),
        ("get", ["payment_intents"]) => list(world, call),
        ("get", ["payment_intents", "search"]) => search::search(world, call, "payment_intent"),
        ("get", ["payment_intents", id]) => retrieve(world, call, id),
        ("post", ["payment_intents", id]) => update(world, call, id),
        ("post", ["payment_intents", id, "confirm"]) => confirm::confirm(world, call, id),
        ("post", ["payment_intents", id, "capture"]) => capture::capture(world, call, id),
        ("post", ["payment_intents", id, "cancel"]) => capture::cancel(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(CREATE)?;
    checks::check_new(world, call, &params)?;
    let id = insert(world, call, &params)?;
    world.emit("payment_intent.created", &id);
    if params.is_true("confirm") {
        confirm::confirm_with(world, call, &id, &params)?;
    }
    Ok(world.body(&id))
}

/// Makes an intent of this server's own, for an invoice; its id. Nothing is told.
///
/// # Errors
/// The form is no intent.
pub(super) fn make(world: &mut World, account: Option<String>, form: &str) -> Result<String, Failure> {
    make_of(world, account, form::read(form).map_err(Failure::invalid)?)
}

/// Makes an intent of this server's own; its id. Nothing is told.
///
/// # Errors
/// The parameters are those of no intent.
pub(super) fn make_of(
    world: &mut World,
    account: Option<String>,
    given: Map<String, Value>,
) -> Result<String, Failure> {
    let call = own_call(account, given);
    let params = call.params(CREATE)?;
    checks::check_new(world, &call, &params)?;
    insert(world, &call, &params)
}

/// Whether an intent can be made of these parameters.
///
/// # Errors
/// It cannot; says why as for a call to create one.
pub(super) fn check(world: &World, call: &Call, given: &Map<String, Value>) -> Result<(), Failure> {
    let call = own_call(call.account.clone(), given.clone());
    let params = call.params(CREATE)?;
    checks::check_new(world, &call, &params)
}

fn own_call(account: Option<String>, given: Map<String, Value>) -> Call {
    Call {
        method: Method::POST,
        path: "/v1/payment_intents".to_owned(),
        given,
        expand: Vec::new(),
        account,
        key: Key::Secret,
    }
}

/// The payment method that is named or described, if one is and this customer may pay with it.
fn given_method(
    world: &mut World,
    account: Option<&str>,
    params: &Params,
    customer: Option<&str>,
) -> Result<Option<String>, Failure> {
    let method = match (params.text("payment_method"), params.get("payment_method_data")) {
        (Some(method), _) => payment_methods::resolve(world, account, method, "payment_method")?,
        (None, Some(data)) if data.is_object() => payment_methods::make_of_data(world, account, data)?,
        _ => return Ok(None),
    };
    checks::check_method_owner(world, &method, customer)?;
    payment_methods::refuse_if_used_up(world, &method)?;
    Ok(Some(method))
}

fn insert(world: &mut World, call: &Call, params: &Params) -> Result<String, Failure> {
    let account = call.account.as_deref();
    let method = given_method(world, account, params, params.text("customer"))?;
    let id = world.id("pi_");
    let secret = world.letters(25);
    let types = params.get("payment_method_types").filter(|types| types.is_array());
    let automatic = match (params.get("automatic_payment_methods"), types) {
        (None, Some(_)) => Value::Null,
        (Some(given), _) if given["enabled"] == false => Value::Null,
        (given, _) => {
            let redirects = given.and_then(|given| given["allow_redirects"].as_str()).unwrap_or("always");
            json!({ "allow_redirects": redirects, "enabled": true })
        }
    };
    let configuration = match automatic.is_null() {
        true => Value::Null,
        false => json!({ "id": "pmc_local", "parent": null }),
    };
    // A debit in euros cannot be reserved first.
    let takes_debits = params.text("currency").is_some_and(|currency| currency.eq_ignore_ascii_case("eur"))
        && params.text("capture_method") != Some("manual");
    let default_types = match (automatic.is_null(), takes_debits) {
        (true, _) => json!(["card"]),
        (false, false) => json!(["card", "link"]),
        (false, true) => json!(["card", "link", "sepa_debit"]),
    };
    let types = types.cloned().unwrap_or(default_types);
    let status = if method.is_some() { "requires_confirmation" } else { "requires_payment_method" };
    let mut intent = json!({
        "id": id, "object": "payment_intent", "amount": params.value("amount"), "amount_capturable": 0,
        "amount_details": { "tip": {} }, "amount_received": 0, "automatic_payment_methods": automatic,
        "capture_method": params.text("capture_method").unwrap_or("automatic_async"),
        "client_secret": format!("{id}_secret_{secret}"),
        "confirmation_method": params.text("confirmation_method").unwrap_or("automatic"), "created": world.now(),
        "currency": params.text("currency").unwrap_or_default().to_lowercase(), "customer": params.value("customer"),
        "livemode": false,
        "managed_payments": { "enabled": false }, "metadata": params.metadata(),
        "payment_details": { "customer_reference": null, "order_reference": null },
        "payment_method": method, "payment_method_configuration_details": configuration,
        "payment_method_options": {}, "payment_method_types": types, "status": status,
    });
    for name in EMPTY_AT_FIRST {
        intent[*name] = Value::Null;
    }
    if call.account.is_some() {
        intent["application"] = json!(crate::fake_stripe::world::APPLICATION);
    }
    set_options(&mut intent, params);
    params.copy_into(&mut intent, COPIED);
    complete_shipping(&mut intent);
    if let Some(transfer) = params.get("transfer_data").filter(|transfer| transfer.is_object()) {
        intent["transfer_data"] = transfer.clone();
        if intent["transfer_group"].is_null() {
            intent["transfer_group"] = json!(format!("group_{id}"));
        }
    }
    world.insert(call.account.clone(), intent, json!({ "return_url": params.value("return_url") }));
    Ok(id)
}

/// The options of each type of method; a `cvc_token` is for one attempt and is not shown.
fn set_options(intent: &mut Value, params: &Params) {
    let types: Vec<String> = intent["payment_method_types"]
        .as_array()
        .map(|types| types.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let mut options = intent["payment_method_options"].clone();
    for kind in &types {
        let defaults = match kind.as_str() {
            "card" => json!({
                "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic",
            }),
            "link" => json!({ "persistent_token": null }),
            "us_bank_account" => json!({ "mandate_options": {}, "verification_method": "automatic" }),
            _ => json!({}),
        };
        if options.get(kind).is_none() {
            options[kind] = defaults;
        }
    }
    super::overlay(&mut options, &params.value("payment_method_options"));
    if let Some(card) = options.get_mut("card").and_then(Value::as_object_mut) {
        card.remove("cvc_token");
    }
    intent["payment_method_options"] = options;
}

fn complete_shipping(intent: &mut Value) {
    if intent["shipping"].is_object() {
        let mut whole = json!({
            "address": super::empty_address(), "carrier": null, "name": null, "phone": null, "tracking_number": null,
        });
        super::overlay(&mut whole, &intent["shipping"]);
        intent["shipping"] = whole;
    }
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} customer customer_account", pages::SHAPE))?;
    let mut intents = world.all(call.account.as_deref(), "payment_intent");
    intents.retain(|intent| params.text("customer").is_none_or(|customer| intent["customer"] == customer));
    pages::page("/v1/payment_intents", &params, intents)
}

fn retrieve(world: &World, call: &Call, id: &str) -> Answer {
    let params = call.params("client_secret")?;
    let intent = world.find(call, "payment_intent", id, "intent")?;
    check_secret(call, &params, &intent)?;
    Ok(shown(call, intent))
}

/// A publishable key must bring the client secret; a secret key need not.
///
/// # Errors
/// `payment_intent_invalid_parameter` or a missing parameter.
fn check_secret(call: &Call, params: &Params, intent: &Value) -> Result<(), Failure> {
    match params.text("client_secret") {
        Some(secret) if intent["client_secret"] == secret => Ok(()),
        None if call.key == Key::Secret => Ok(()),
        None => Err(Failure::missing("client_secret")),
        Some(_) => Err(Failure::invalid(
            "The client_secret provided does not match the client_secret associated with the PaymentIntent.",
        )
        .code("payment_intent_invalid_parameter")
        .param("client_secret")),
    }
}

/// The intent as this caller may see it.
fn shown(call: &Call, intent: Value) -> Value {
    match (call.key, intent) {
        (Key::Publishable, Value::Object(whole)) => Value::Object(
            whole
                .into_iter()
                .filter(|(name, _)| SHOWN_TO_BROWSERS.contains(&name.as_str()))
                .collect::<Map<_, _>>(),
        ),
        (_, intent) => intent,
    }
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(UPDATE)?;
    let intent = world.find(call, "payment_intent", id, "intent")?;
    let status = intent["status"].as_str().unwrap_or_default();
    let is_open = ["requires_payment_method", "requires_confirmation", "requires_action"].contains(&status);
    let only_notes = params.0.keys().all(|name| ["metadata", "description"].contains(&name.as_str()));
    if !is_open && !only_notes {
        return Err(errors::unexpected_state(
            &intent,
            format!(
                "This PaymentIntent's parameters could not be updated because it has a status of {status}. You may only \
                 update the parameters of a PaymentIntent with one of the following statuses: requires_payment_method, \
                 requires_confirmation, requires_action."
            ),
        ));
    }
    let currency = params.text("currency").or(intent["currency"].as_str()).unwrap_or_default().to_lowercase();
    let amount = params.int("amount").or(intent["amount"].as_i64()).unwrap_or_default();
    checks::check_amount(amount, &currency)?;
    checks::check_fee(amount, params.int("application_fee_amount"))?;
    if let Some(customer) = params.text("customer") {
        world.find(call, "customer", customer, "customer")?;
    }
    let customer = params.text("customer").or(intent["customer"].as_str());
    let method = given_method(world, call.account.as_deref(), &params, customer)?;
    world.change(id, |intent| {
        params.copy_into(intent, &["amount", "customer", "capture_method", "payment_method_types"]);
        params.copy_into(intent, COPIED);
        intent["currency"] = json!(currency);
        set_options(intent, &params);
        complete_shipping(intent);
        params.merge_metadata(&mut intent["metadata"]);
        if let Some(amount) = params.int("transfer_data.amount") {
            intent["transfer_data"]["amount"] = json!(amount);
        }
        if let Some(method) = method {
            intent["payment_method"] = json!(method);
            intent["next_action"] = Value::Null;
            intent["status"] = json!("requires_confirmation");
        }
    });
    Ok(world.body(id))
}
