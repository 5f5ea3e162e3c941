//! Opening and paying an invoice: its PaymentIntent, and what becomes of the invoice when that succeeds or fails.

use serde_json::{Value, json};

use super::{clock, lines, payments};
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::payment_intents::{self, Terms};
use crate::fake_stripe::resources::{Answer, payment_methods, subscriptions};
use crate::fake_stripe::world::{Timer, World};

/// Makes a draft open, with the intent that pays it; an invoice over nothing is paid thereby.
pub(in crate::fake_stripe::resources) fn open(world: &mut World, id: &str) {
    let now = world.now();
    let prefix = world.hidden(id)["number_prefix"].as_str().unwrap_or("LOCAL").to_owned();
    let customer = world.body(id)["customer"].as_str().unwrap_or_default().to_owned();
    let sequence = world.body(&customer)["next_invoice_sequence"].as_i64().unwrap_or(1);
    let balance = world.body(&customer)["balance"].as_i64().unwrap_or_default();
    world.change(id, |invoice| invoice["starting_balance"] = json!(balance));
    let all = lines::all(world, id);
    lines::set(world, id, all);
    let (due, left) = due_and_left(&world.body(id));
    world.change(&customer, |customer| {
        customer["next_invoice_sequence"] = json!(sequence + 1);
        customer["balance"] = json!(left);
    });
    let page = format!("{}/_fake/pages/invoices/{id}", world.base);
    world.change(id, |invoice| {
        invoice["status"] = json!("open");
        invoice["number"] = json!(format!("{prefix}-{sequence:04}"));
        invoice["effective_at"] = json!(now);
        invoice["amount_due"] = json!(due);
        invoice["amount_remaining"] = json!(due);
        invoice["ending_balance"] = json!(left);
        invoice["automatically_finalizes_at"] = Value::Null;
        invoice["hosted_invoice_url"] = json!(page);
        invoice["invoice_pdf"] = json!(format!("{page}/pdf"));
        invoice["status_transitions"]["finalized_at"] = json!(now);
    });
    if due > 0 {
        make_intent(world, id);
    }
    world.emit("invoice.finalized", id);
    if due == 0 {
        mark_paid(world, id, 0);
    }
    overdue_soon(world, id);
}

/// What is to be paid now, and what stays on the customer's balance: a credit (below zero), or less than Stripe charges.
fn due_and_left(invoice: &Value) -> (i64, i64) {
    let total = invoice["total"].as_i64().unwrap_or_default();
    let sum = total + invoice["starting_balance"].as_i64().unwrap_or_default();
    let currency = invoice["currency"].as_str().unwrap_or_default();
    match sum {
        ..=0 => (0, sum),
        _ if payment_intents::check_amount(sum, currency).is_ok() => (sum, 0),
        _ => (0, sum),
    }
}

/// An open invoice that is to be paid by a day is overdue after it.
fn overdue_soon(world: &mut World, id: &str) {
    if let Some(due) = world.body(id)["due_date"].as_i64() {
        let in_seconds = (due - world.now()).max(0);
        world.schedule(in_seconds, Timer::InvoiceOverdue { invoice: id.to_owned() });
    }
}

/// The intent that has paid before there was an invoice: a Checkout Session's.
fn brought_intent(world: &World, id: &str) -> Option<String> {
    let invoice = world.body(id);
    let of_subscription = match subscriptions::of_invoice(&invoice) {
        Some(subscription) if invoice["billing_reason"] == "subscription_create" => {
            world.hidden(subscription)
        }
        _ => Value::Null,
    };
    let brought = [&world.hidden(id)["paid_by"], &of_subscription["paid_by"]];
    brought.into_iter().find_map(|intent| intent.as_str().map(str::to_owned))
}

fn make_intent(world: &mut World, id: &str) {
    let invoice = world.body(id);
    if let Some(intent) = brought_intent(world, id) {
        payments::tie(world, id, &intent, invoice["amount_due"].as_i64().unwrap_or_default(), true);
        return;
    }
    let is_first = invoice["billing_reason"] == "subscription_create";
    let form = format!(
        "amount={}&currency={}&customer={}&payment_method_types[]=card&capture_method=automatic{}",
        invoice["amount_due"],
        invoice["currency"].as_str().unwrap_or_default(),
        invoice["customer"].as_str().unwrap_or_default(),
        if is_first { "&setup_future_usage=off_session" } else { "" },
    );
    let Ok(intent) = payment_intents::make(world, world.owner(id), &form) else {
        return;
    };
    let description = match invoice["billing_reason"].as_str().unwrap_or_default() {
        "subscription_create" => "Subscription creation",
        "subscription_cycle" | "subscription_update" => "Subscription update",
        _ => "Payment for Invoice",
    };
    world.change(&intent, |intent| {
        intent["description"] = json!(description);
        intent["payment_details"]["order_reference"] = json!(id);
    });
    payments::tie(world, id, &intent, invoice["amount_due"].as_i64().unwrap_or_default(), true);
    world.emit("payment_intent.created", &intent);
}

pub(super) fn pay(world: &mut World, call: &Call, id: &str) -> Answer {
    let params =
        call.params("forgive:bool mandate off_session:bool paid_out_of_band:bool payment_method source")?;
    let invoice = world.find(call, "invoice", id, "id")?;
    match invoice["status"].as_str().unwrap_or_default() {
        "paid" => return Err(Failure::invalid("Invoice is already paid").code("invoice_already_paid")),
        "void" => {
            return Err(Failure::invalid("Invoice is void and cannot be paid").code("invoice_not_editable"));
        }
        "draft" => open(world, id),
        _ => {}
    }
    if world.body(id)["status"] == "paid" {
        return Ok(world.body(id));
    }
    if params.is_true("paid_out_of_band") {
        payments::cancel_open(world, id, "void_invoice");
        let due = world.body(id)["amount_due"].as_i64().unwrap_or_default();
        mark_paid(world, id, due);
        subscriptions::invoice_paid(world, id);
        return Ok(world.body(id));
    }
    let method = params.text("payment_method").map(str::to_owned).or_else(|| kept_method(world, id));
    let Some(method) = method else {
        return Err(Failure::invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set a default payment method, \
             or supply one.",
        ));
    };
    let method = payment_methods::resolve(world, call.account.as_deref(), &method, "payment_method")?;
    try_to_pay(world, id, &method)?;
    Ok(world.body(id))
}

/// The method that is to be charged where none is named.
fn kept_method(world: &World, id: &str) -> Option<String> {
    let invoice = world.body(id);
    let of_subscription = subscriptions::of_invoice(&invoice).map(|id| world.body(id)).unwrap_or_default();
    let customer = world.body(invoice["customer"].as_str().unwrap_or_default());
    let kept = [
        &invoice["default_payment_method"],
        &invoice["default_source"],
        &of_subscription["default_payment_method"],
        &of_subscription["default_source"],
        &customer["invoice_settings"]["default_payment_method"],
        &customer["default_source"],
    ];
    // One that was detached since can no longer be charged.
    let is_theirs = |method: &&str| world.body(method)["customer"] == invoice["customer"];
    kept.into_iter().filter_map(Value::as_str).find(is_theirs).map(str::to_owned)
}

/// Charges the kept method, as the clock does; without one the attempt fails.
///
/// # Errors
/// 402; it was told too.
pub(in crate::fake_stripe::resources) fn with_kept_method(
    world: &mut World,
    id: &str,
) -> Result<(), Failure> {
    match kept_method(world, id) {
        Some(method) => try_to_pay(world, id, &method),
        None => {
            world.change(id, |invoice| invoice["attempted"] = json!(true));
            failed(world, id);
            Err(Failure::card("invoice_payment_method_missing", "There is no payment method to charge."))
        }
    }
}

/// Charges a method for an open invoice.
///
/// # Errors
/// 402: it was declined, or wants its owner.
fn try_to_pay(world: &mut World, id: &str, method: &str) -> Result<(), Failure> {
    let Some(intent) = payments::default_intent(world, id) else {
        return Err(
            Failure::invalid("This invoice has no payment that is open.").code("invoice_not_editable")
        );
    };
    if world.body(&intent)["status"] == "processing" {
        return Err(Failure::invalid("A payment of this invoice is being processed already."));
    }
    world.change(&intent, |intent| intent["payment_method"] = json!(method));
    attempted(world, id);
    let terms = Terms { off_session: true, asks_owner: true, ..Terms::default() };
    if let Err(failure) = payment_intents::attempt(world, &intent, terms) {
        failed(world, id);
        return Err(failure);
    }
    let now = world.body(&intent);
    if now["status"] == "requires_action" {
        world.emit("invoice.payment_action_required", id);
        failed(world, id);
        return Err(Failure::card(
            "invoice_payment_intent_requires_action",
            "This payment requires additional user action before it can be completed successfully. Payment can be \
             completed using the PaymentIntent associated with the invoice.",
        )
        .with("payment_intent", now));
    }
    Ok(())
}

/// The first attempt counts whoever makes it; later ones only if the clock does.
fn attempted(world: &mut World, id: &str) {
    world.change(id, |invoice| {
        invoice["attempted"] = json!(true);
        invoice["attempt_count"] = json!(invoice["attempt_count"].as_i64().unwrap_or_default().max(1));
    });
}

/// An attempt failed: the next one is planned, it is told, and the subscription follows.
fn failed(world: &mut World, id: &str) {
    let is_given_up = clock::plan_retry(world, id);
    world.emit("invoice.payment_failed", id);
    world.emit("invoice.updated", id);
    subscriptions::payment_failed(world, id, is_given_up);
}

/// The intent of an invoice failed after all: confirmed by the customer, by the bank days later, or in 3-D Secure.
pub(in crate::fake_stripe::resources) fn after_failure(world: &mut World, intent: &str) {
    let Some(id) = world.hidden(intent)["invoice"].as_str().map(str::to_owned) else {
        return;
    };
    if world.body(&id)["status"] == "open" {
        attempted(world, &id);
        failed(world, &id);
    }
}

/// The intent of an invoice succeeded, at once or after 3-D Secure.
pub(in crate::fake_stripe::resources) fn after_payment(world: &mut World, intent: &str) {
    let Some(id) = world.hidden(intent)["invoice"].as_str().map(str::to_owned) else {
        return;
    };
    let now = world.now();
    let body = world.body(intent);
    let all = payments::of(world, &id);
    let tie = all
        .iter()
        .find(|payment| payment["payment"]["payment_intent"] == intent && payment["status"] == "open");
    let Some(payment) = tie.and_then(|payment| payment["id"].as_str()) else {
        return;
    };
    world.change(payment, |payment| {
        payment["status"] = json!("paid");
        payment["amount_paid"] = body["amount_received"].clone();
        payment["status_transitions"]["paid_at"] = json!(now);
    });
    world.emit("invoice_payment.paid", payment);
    attempted(world, &id);
    let (paid, due) =
        (payments::paid(world, &id), world.body(&id)["amount_due"].as_i64().unwrap_or_default());
    if paid < due {
        paid_in_part(world, &id, paid, due);
        return;
    }
    payments::cancel_open(world, &id, "void_invoice");
    mark_paid(world, &id, paid);
    world.emit("invoice.payment_succeeded", &id);
    subscriptions::keep_method(world, &id, body["payment_method"].as_str().unwrap_or_default());
    subscriptions::invoice_paid(world, &id);
}

/// The rest is asked of the intent that was made for the invoice.
fn paid_in_part(world: &mut World, id: &str, paid: i64, due: i64) {
    if let Some(intent) = payments::default_intent(world, id) {
        world.change(&intent, |intent| intent["amount"] = json!(due - paid));
        let ties = payments::of(world, id);
        if let Some(tie) =
            ties.iter().find(|tie| tie["is_default"] == true).and_then(|tie| tie["id"].as_str())
        {
            world.change(tie, |payment| payment["amount_requested"] = json!(due - paid));
        }
    }
    world.update(id, "invoice.updated", |invoice| {
        invoice["amount_paid"] = json!(paid);
        invoice["amount_remaining"] = json!(due - paid);
    });
}

pub(super) fn mark_paid(world: &mut World, id: &str, amount: i64) {
    let now = world.now();
    let over = amount - world.body(id)["amount_due"].as_i64().unwrap_or_default();
    world.update(id, "invoice.updated", |invoice| {
        invoice["status"] = json!("paid");
        invoice["attempted"] = json!(true);
        invoice["auto_advance"] = json!(false);
        invoice["next_payment_attempt"] = Value::Null;
        invoice["amount_paid"] = json!(amount);
        invoice["amount_remaining"] = json!(0);
        invoice["amount_overpaid"] = json!(over);
        invoice["status_transitions"]["paid_at"] = json!(now);
    });
    world.emit("invoice.paid", id);
    if over > 0 {
        world.emit("invoice.overpaid", id);
    }
}

/// The day by which to pay has passed.
pub(in crate::fake_stripe) fn overdue(world: &mut World, id: &str) {
    if world.body(id)["status"] == "open" {
        world.emit("invoice.overdue", id);
        subscriptions::payment_failed(world, id, false);
    }
}
