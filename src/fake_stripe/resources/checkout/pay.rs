//! Paying a session, and what it learns of its payment: at once, after 3-D Secure, or days later.

use serde_json::{Value, json};

use super::{bill, body};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::payment_intents::{self, Terms};
use crate::fake_stripe::resources::{customers, payment_methods};
use crate::fake_stripe::world::World;

/// What the customer wrote on the page.
#[derive(Clone, Debug, Default)]
pub(in crate::fake_stripe) struct Given {
    /// What to pay with; none where nothing is to be paid.
    pub(in crate::fake_stripe) method: Option<String>,
    /// E-mail address, name and address of the bill.
    pub(in crate::fake_stripe) details: Value,
    /// Where to send, if the page asks for it.
    pub(in crate::fake_stripe) shipping: Value,
}

/// The customer presses the button.
///
/// # Errors
/// It cannot be paid any more (400), or was declined (402).
pub(in crate::fake_stripe) fn pay(world: &mut World, id: &str, given: Given) -> Result<(), Failure> {
    let session = world.body(id);
    if session["status"] != "open" {
        let status = session["status"].as_str().unwrap_or_default();
        return Err(Failure::invalid(format!("This Checkout Session is {status} and cannot be paid."))
            .code("checkout_session_not_open"));
    }
    keep(world, id, &given);
    let is_subscription = session["mode"] == "subscription";
    let needs_customer = is_subscription
        || session["customer_creation"] == "always"
        || session["invoice_creation"]["enabled"] == true
        || world.hidden(id)["payment_intent_data"]["setup_future_usage"].is_string();
    if needs_customer {
        make_customer(world, id);
    }
    if session["amount_total"] == 0 && !is_subscription {
        complete(world, id, "no_payment_required");
        return Ok(());
    }
    let Some(method) = given.method else {
        return Err(Failure::missing("payment_method"));
    };
    if session["amount_total"] == 0 {
        bill::start(world, id, &method, None);
        complete(world, id, "no_payment_required");
        return Ok(());
    }
    let intent = intent_of(world, id)?;
    let owner = world.body(&method)["customer"].clone();
    if owner.is_string() && owner != world.body(id)["customer"] {
        return Err(
            Failure::invalid("The payment method belongs to another customer.").param("payment_method")
        );
    }
    payment_methods::refuse_if_used_up(world, &method)?;
    world.change(&intent, |intent| intent["payment_method"] = json!(method));
    world.hide(&intent, "authenticated", Value::Null);
    let back = format!("{}/_fake/pages/checkout/{id}/back", world.base);
    let terms = Terms { return_url: Some(&back), ..Terms::default() };
    payment_intents::attempt(world, &intent, terms)
}

/// Keeps what the customer wrote.
fn keep(world: &mut World, id: &str, given: &Given) {
    world.change(id, |session| {
        let mut details = session["customer_details"].clone();
        if details.is_null() {
            details = body::details(&Value::Null);
        }
        super::super::overlay(&mut details, &given.details);
        session["customer_details"] = details;
        if given.shipping.is_object() {
            session["collected_information"]["shipping_details"] = given.shipping.clone();
        }
    });
}

fn make_customer(world: &mut World, id: &str) {
    let session = world.body(id);
    if session["customer"].is_string() {
        return;
    }
    let account = world.owner(id);
    let details = &session["customer_details"];
    let customer = customers::make(world, account, &details["email"], &details["name"]);
    world.change(id, |session| session["customer"] = json!(customer));
}

/// The session's PaymentIntent, made at the first try to pay.
fn intent_of(world: &mut World, id: &str) -> Result<String, Failure> {
    let session = world.body(id);
    if let Some(intent) = world.hidden(id)["intent"].as_str() {
        return Ok(intent.to_owned());
    }
    let data = world.hidden(id)["payment_intent_data"].as_object().cloned().unwrap_or_default();
    let account = world.owner(id);
    let intent = payment_intents::make_of(world, account, body::intent(&session, &data))?;
    let shipping = session["collected_information"]["shipping_details"].clone();
    world.change(&intent, |intent| {
        intent["payment_details"]["order_reference"] = json!(id);
        if intent["shipping"].is_null() && shipping.is_object() {
            intent["shipping"] = shipping;
        }
    });
    world.hide(&intent, "session", json!(id));
    world.hide(id, "intent", json!(intent));
    // A subscription's payment is its invoice's.
    if session["mode"] == "payment" {
        world.change(id, |session| session["payment_intent"] = json!(intent));
    }
    world.emit("payment_intent.created", &intent);
    Ok(intent)
}

fn complete(world: &mut World, id: &str, payment_status: &str) {
    world.change(id, |session| {
        session["status"] = json!("complete");
        session["payment_status"] = json!(payment_status);
        session["url"] = Value::Null;
    });
    if let Some(link) = world.body(id)["payment_link"].as_str() {
        super::links::count(world, link);
    }
    world.emit("checkout.session.completed", id);
}

/// A session's PaymentIntent has come further: it is paid, reserved, or the bank was asked.
pub(in crate::fake_stripe::resources) fn after_payment(world: &mut World, intent: &str) {
    let Some(id) = world.hidden(intent)["session"].as_str().map(str::to_owned) else {
        return;
    };
    let is_paid = world.body(intent)["status"] == "succeeded";
    let payment_status = if is_paid { "paid" } else { "unpaid" };
    let session = world.body(&id);
    if is_paid && session["payment_status"] != "paid" {
        let method = world.body(intent)["payment_method"].as_str().unwrap_or_default().to_owned();
        if session["mode"] == "subscription" {
            bill::start(world, &id, &method, Some(intent));
        } else if session["invoice_creation"]["enabled"] == true {
            bill::invoice(world, &id, intent);
        }
    }
    if session["status"] == "open" {
        complete(world, &id, payment_status);
        return;
    }
    if !is_paid || session["payment_status"] == "paid" {
        return;
    }
    world.change(&id, |session| session["payment_status"] = json!("paid"));
    // A capture is the merchant's own doing, and told by the PaymentIntent alone.
    if world.body(intent)["capture_method"] != "manual" {
        world.emit("checkout.session.async_payment_succeeded", &id);
    }
}

/// The bank refused a debit after the session was completed.
pub(in crate::fake_stripe::resources) fn after_failure(world: &mut World, intent: &str) {
    if let Some(id) = world.hidden(intent)["session"].as_str().map(str::to_owned)
        && world.body(&id)["status"] == "complete"
    {
        world.emit("checkout.session.async_payment_failed", &id);
    }
}
