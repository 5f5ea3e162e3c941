//! Confirming: an attempt to pay, with 3-D Secure where the card wants it, and its end, now or days later.

use serde_json::{Value, json};

use super::{check_secret, checks, errors, given_method, next_action, set_options, shown};
use crate::fake_stripe::frame::auth::Key;
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::cards::{Ending, Wants};
use crate::fake_stripe::resources::{
    Answer, charges, checkout, disputes, invoices, payment_methods, settlement, tokens,
};
use crate::fake_stripe::world::{Timer, World};

const CONFIRM: &str = "amount_details{} amount_to_confirm:int capture_method client_secret confirmation_token \
                       error_on_requires_action:bool excluded_payment_method_types:list expected_payment_method_type \
                       hooks{} mandate mandate_data:any off_session:any payment_details{} payment_method \
                       payment_method_data:any payment_method_options:any payment_method_types:list \
                       radar_options{} receipt_email return_url setup_future_usage shipping:any use_stripe_sdk:bool";

/// An intent must be confirmed again within this after its 3-D Secure step, where that is done by the server.
const CONFIRM_WITHIN: i64 = 60 * 60;
/// An authorisation lapses after this.
const CAPTURE_WITHIN: i64 = 7 * 24 * 60 * 60;

/// On what terms an attempt is made.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::fake_stripe::resources) struct Terms<'a> {
    /// The customer is not there.
    pub(in crate::fake_stripe::resources) off_session: bool,
    /// Though the customer is not there, they are asked: an invoice's charge waits for them.
    pub(in crate::fake_stripe::resources) asks_owner: bool,
    /// Rather fail than ask the customer to do something.
    pub(in crate::fake_stripe::resources) no_action: bool,
    /// Stripe.js does what there is to do.
    pub(in crate::fake_stripe::resources) by_sdk: bool,
    /// Where the customer comes back to.
    pub(in crate::fake_stripe::resources) return_url: Option<&'a str>,
}

pub(super) fn confirm(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(CONFIRM)?;
    let intent = world.find(call, "payment_intent", id, "intent")?;
    check_secret(call, &params, &intent)?;
    if call.key == Key::Publishable && intent["confirmation_method"] == "manual" {
        return Err(Failure::invalid(format!(
            "This PaymentIntent {id} cannot be confirmed using your publishable key because its `confirmation_method` is \
             set to `manual`. Please use your secret key instead, or create a PaymentIntent with \
             `confirmation_method` set to `automatic`."
        ))
        .code("payment_intent_invalid_parameter"));
    }
    confirm_with(world, call, id, &params).map_err(|failure| match failure.error.get("payment_intent") {
        Some(intent) => {
            let intent = shown(call, intent.clone());
            failure.with("payment_intent", intent)
        }
        None => failure,
    })?;
    Ok(shown(call, world.body(id)))
}

/// Confirms with what a call to create or to confirm brought.
///
/// # Errors
/// It cannot be confirmed (400) or was declined (402).
pub(super) fn confirm_with(world: &mut World, call: &Call, id: &str, params: &Params) -> Result<(), Failure> {
    let intent = world.body(id);
    check_state(&intent)?;
    checks::check_accounts(world, &intent)?;
    let account = call.account.as_deref();
    checks::check_action_error(params, !intent["automatic_payment_methods"].is_null())?;
    // What a call to create brought is on the intent already.
    let is_new = params.get("amount").is_some();
    let method = match is_new {
        true => None,
        false => given_method(world, account, params, intent["customer"].as_str())?,
    };
    let off_session =
        params.get("off_session").is_some_and(|given| !["false", ""].contains(&given.as_str().unwrap_or("")));
    let allows_redirects = intent["automatic_payment_methods"]["allow_redirects"] == "always";
    let hidden = world.hidden(id);
    let return_url = params.text("return_url").or(hidden["return_url"].as_str());
    if allows_redirects && return_url.is_none() && !off_session && call.key == Key::Secret {
        return Err(Failure::invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of \
             these payment methods might redirect your customer off of your page, you must provide a `return_url`. If \
             you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to \
             `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment \
             Intents.",
        ));
    }
    if let Some(token) = params.text("payment_method_options.card.cvc_token") {
        tokens::use_cvc(world, account, token)?;
    }
    world.change(id, |intent| {
        params.copy_into(intent, &["receipt_email", "setup_future_usage", "shipping", "capture_method"]);
        if let Some(method) = &method {
            intent["payment_method"] = json!(method);
        }
        set_options(intent, params);
    });
    if method.is_some() {
        world.hide(id, "authenticated", Value::Null);
    }
    world.hide(id, "return_url", json!(return_url));
    if world.body(id)["payment_method"].is_null() {
        return Err(errors::unexpected_state(
            &world.body(id),
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the \
             PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment \
             method or ConfirmationToken.",
        ));
    }
    let terms = Terms {
        off_session,
        asks_owner: false,
        no_action: params.is_true("error_on_requires_action"),
        by_sdk: params.is_true("use_stripe_sdk"),
        return_url,
    };
    let tried = attempt(world, id, terms);
    if tried.is_err() {
        invoices::after_failure(world, id);
    }
    tried
}

fn check_state(intent: &Value) -> Result<(), Failure> {
    match intent["status"].as_str().unwrap_or_default() {
        "requires_payment_method" | "requires_confirmation" | "requires_action" => Ok(()),
        "succeeded" => Err(errors::unexpected_state(
            intent,
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
        )),
        status => Err(errors::unexpected_state(
            intent,
            format!(
                "You cannot confirm this PaymentIntent because it has a status of {status}. Only a PaymentIntent with \
                 one of the following statuses may be confirmed: requires_confirmation, requires_action."
            ),
        )),
    }
}

/// Tries to pay with the method that the intent has.
///
/// # Errors
/// 402: it was declined.
pub(in crate::fake_stripe::resources) fn attempt(
    world: &mut World,
    id: &str,
    terms: Terms<'_>,
) -> Result<(), Failure> {
    let intent = world.body(id);
    let method = intent["payment_method"].as_str().unwrap_or_default().to_owned();
    let kind = world.body(&method)["type"].as_str().unwrap_or_default().to_owned();
    let types = intent["payment_method_types"].as_array().cloned().unwrap_or_default();
    if !types.contains(&json!(kind)) && intent["automatic_payment_methods"].is_null() {
        let message = format!(
            "The PaymentMethod provided ({kind}) is not allowed for this PaymentIntent. Please attach a PaymentMethod \
             of one of the following types: {}.",
            types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        );
        return Err(errors::unexpected_state(&intent, message).code("payment_intent_invalid_parameter"));
    }
    if kind == "customer_balance" {
        let kind = intent["payment_method_options"]["customer_balance"]["bank_transfer"]["type"].clone();
        let action = next_action::transfer_money(&intent, kind.as_str().unwrap_or("jp_bank_account"));
        ask(world, id, action);
        return Ok(());
    }
    let was_authenticated = world.hidden(id)["authenticated"] == method.as_str();
    let is_set_up = world.hidden(&method)["is_set_up"] == true;
    let wants = payment_methods::card_of(world, &method).map_or(Wants::Nothing, |card| card.wants);
    let asked = intent["payment_method_options"]["card"]["request_three_d_secure"].as_str();
    let wants_owner = match wants {
        Wants::Nothing => kind == "card" && !terms.off_session && matches!(asked, Some("any" | "challenge")),
        Wants::Always => true,
        Wants::UnlessSetUp => !(terms.off_session && is_set_up),
        Wants::OnSession => !terms.off_session,
    };
    if !wants_owner || was_authenticated {
        return pay(world, id);
    }
    if (terms.off_session && !terms.asks_owner) || terms.no_action {
        let message = "Your card was declined. This transaction requires authentication.";
        let failure =
            charges::card_error("authentication_required", Some("authentication_required"), message);
        let charge = charges::make_failed(world, id, &failure);
        return Err(errors::attempt_failed(world, id, failure.with("charge", json!(charge))));
    }
    let action = next_action::authenticate(world, id, terms.return_url, terms.by_sdk);
    ask(world, id, action);
    Ok(())
}

fn ask(world: &mut World, id: &str, action: Value) {
    world.change(id, |intent| {
        intent["status"] = json!("requires_action");
        intent["next_action"] = action;
        intent["last_payment_error"] = Value::Null;
    });
    world.emit("payment_intent.requires_action", id);
}

fn pay(world: &mut World, id: &str) -> Result<(), Failure> {
    let intent = world.body(id);
    let method = intent["payment_method"].as_str().unwrap_or_default().to_owned();
    world.change(id, |intent| {
        intent["last_payment_error"] = Value::Null;
        intent["next_action"] = Value::Null;
    });
    if let Some(debit) = payment_methods::debit_of(world, &method) {
        let charge = charges::make_pending(world, id);
        world.change(id, |intent| {
            intent["status"] = json!("processing");
            intent["latest_charge"] = json!(charge);
        });
        world.emit("charge.pending", &charge);
        world.emit("payment_intent.processing", id);
        save_method(world, id);
        checkout::after_payment(world, id);
        let settle = Timer::SettleDebit { intent: id.to_owned(), charge, failure: debit.failure };
        world.schedule(debit.after, settle);
        return Ok(());
    }
    let ending = payment_methods::card_of(world, &method).map_or(Ending::Pays, |card| card.ending);
    if let Ending::Declines(decline) = ending {
        let failure = charges::card_error(decline.code, decline.decline_code, decline.message);
        let charge = charges::make_failed(world, id, &failure);
        return Err(errors::attempt_failed(world, id, failure.with("charge", json!(charge))));
    }
    let is_manual = intent["capture_method"] == "manual";
    let charge = charges::make_paid(world, id, !is_manual);
    world.change(id, |intent| {
        intent["latest_charge"] = json!(charge);
        if is_manual {
            intent["status"] = json!("requires_capture");
            intent["amount_capturable"] = intent["amount"].clone();
        } else {
            intent["status"] = json!("succeeded");
            intent["amount_received"] = intent["amount"].clone();
        }
    });
    world.emit("charge.succeeded", &charge);
    world.emit(
        if is_manual { "payment_intent.amount_capturable_updated" } else { "payment_intent.succeeded" },
        id,
    );
    save_method(world, id);
    if !is_manual {
        invoices::after_payment(world, id);
    }
    checkout::after_payment(world, id);
    if is_manual {
        world.schedule(CAPTURE_WITHIN, Timer::AutoCancel { intent: id.to_owned() });
    } else {
        if intent["capture_method"] == "automatic" {
            settlement::settle(world, &charge, true);
        } else {
            charges::settle_soon(world, &charge);
        }
        disputes::after_payment(world, &charge, ending);
    }
    Ok(())
}

/// Ties the method to the customer where it shall be used again; otherwise it has had its one use.
fn save_method(world: &mut World, id: &str) {
    let intent = world.body(id);
    let method = intent["payment_method"].as_str().unwrap_or_default().to_owned();
    let usage = intent["setup_future_usage"].as_str();
    match intent["customer"].as_str() {
        Some(customer) if usage.is_some() => {
            payment_methods::attach(world, &method, customer);
            if usage == Some("off_session") {
                world.hide(&method, "is_set_up", json!(true));
            }
        }
        _ => world.hide(&method, "is_used_up", json!(true)),
    }
}

/// The customer passed or failed the 3-D Secure step.
///
/// # Errors
/// There is nothing to authenticate.
pub(in crate::fake_stripe) fn authenticate(world: &mut World, id: &str, is_passed: bool) -> Answer {
    let intent = world.body(id);
    if intent["object"] != "payment_intent" {
        return Err(Failure::no_such("payment_intent", id, "intent"));
    }
    if intent["status"] != "requires_action"
        || intent["next_action"].get("display_bank_transfer_instructions").is_some()
    {
        return Err(errors::unexpected_state(
            &intent,
            "There is no authentication to complete on this PaymentIntent.",
        ));
    }
    if !is_passed {
        let failure = Failure::invalid(
            "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new \
             PaymentMethod to attempt to fulfill this PaymentIntent again.",
        )
        .code("payment_intent_authentication_failure");
        errors::attempt_failed(world, id, failure);
        invoices::after_failure(world, id);
        return Ok(world.body(id));
    }
    world.hide(id, "authenticated", intent["payment_method"].clone());
    world.hide(id, "authenticated_at", json!(world.now()));
    if intent["confirmation_method"] == "manual" {
        world.change(id, |intent| {
            intent["status"] = json!("requires_confirmation");
            intent["next_action"] = Value::Null;
        });
        let method = intent["payment_method"].as_str().unwrap_or_default().to_owned();
        world.schedule(CONFIRM_WITHIN, Timer::ConfirmExpires { intent: id.to_owned(), method });
    } else {
        // A decline after the authentication is told by events, and stands in the intent.
        if pay(world, id).is_err() {
            invoices::after_failure(world, id);
        }
    }
    Ok(world.body(id))
}

/// Nobody confirmed within the hour.
pub(in crate::fake_stripe) fn confirm_expired(world: &mut World, id: &str, method: &str) {
    let is_waiting = world.body(id)["status"] == "requires_confirmation";
    let hidden = world.hidden(id);
    let is_over = hidden["authenticated_at"].as_i64().is_some_and(|at| at + CONFIRM_WITHIN <= world.now());
    if is_waiting && is_over && hidden["authenticated"] == method {
        let failure = Failure::invalid(
            "The latest attempt to confirm the payment has failed because it expired: the PaymentIntent was not \
             confirmed again within an hour of its authentication.",
        )
        .code("payment_intent_payment_attempt_expired");
        errors::attempt_failed(world, id, failure);
    }
}

/// The bank said what became of a debit.
pub(in crate::fake_stripe) fn settle_debit(world: &mut World, id: &str, charge: &str, failure: Option<&str>) {
    if world.body(id)["status"] != "processing" {
        return;
    }
    if let Some(code) = failure {
        let message = "The payment could not be collected: the bank returned the debit.";
        let failure = charges::card_error(code, None, message);
        charges::fail(world, charge, &failure);
        errors::attempt_failed(world, id, failure.with("charge", json!(charge)));
        checkout::after_failure(world, id);
        invoices::after_failure(world, id);
        return;
    }
    charges::succeed(world, charge);
    world.change(id, |intent| {
        intent["status"] = json!("succeeded");
        intent["amount_received"] = intent["amount"].clone();
        intent["processing"] = Value::Null;
    });
    world.emit("charge.succeeded", charge);
    world.emit("payment_intent.succeeded", id);
    invoices::after_payment(world, id);
    checkout::after_payment(world, id);
    charges::settle_soon(world, charge);
}

/// Money came in by bank transfer: in part, or enough.
pub(in crate::fake_stripe::resources) fn fund(world: &mut World, id: &str, amount: i64) -> i64 {
    let intent = world.body(id);
    let remaining = &intent["next_action"]["display_bank_transfer_instructions"]["amount_remaining"];
    let remaining = remaining.as_i64().unwrap_or_default();
    if amount < remaining {
        world.change(id, |intent| {
            let action = &mut intent["next_action"]["display_bank_transfer_instructions"];
            action["amount_remaining"] = json!(remaining - amount);
        });
        world.emit("payment_intent.partially_funded", id);
        return 0;
    }
    // A bank transfer is never declined.
    let _ = pay(world, id);
    amount - remaining
}
