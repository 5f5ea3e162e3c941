//! Opening and paying an invoice: its PaymentIntent and the invoice payment that ties the two.

use serde_json::{Value, json};

use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::payment_intents::{self, Terms};
use crate::fake_stripe::resources::{Answer, payment_methods};
use crate::fake_stripe::world::{Timer, World};

/// Makes a draft open, with the intent that pays it; an invoice over nothing is paid thereby.
pub(super) fn open(world: &mut World, id: &str) {
    let now = world.now();
    let prefix = world.hidden(id)["number_prefix"].as_str().unwrap_or("LOCAL").to_owned();
    let customer = world.body(id)["customer"].as_str().unwrap_or_default().to_owned();
    let sequence = world.body(&customer)["next_invoice_sequence"].as_i64().unwrap_or(1);
    world.change(&customer, |customer| customer["next_invoice_sequence"] = json!(sequence + 1));
    let page = format!("{}/_fake/pages/receipts/{id}", world.base);
    world.change(id, |invoice| {
        invoice["status"] = json!("open");
        invoice["number"] = json!(format!("{prefix}-{sequence:04}"));
        invoice["effective_at"] = json!(now);
        invoice["ending_balance"] = json!(0);
        invoice["hosted_invoice_url"] = json!(page);
        invoice["invoice_pdf"] = json!(format!("{page}?pdf"));
        invoice["status_transitions"]["finalized_at"] = json!(now);
    });
    let due = world.body(id)["amount_due"].as_i64().unwrap_or_default();
    if due > 0 {
        make_intent(world, id);
    }
    world.emit("invoice.finalized", id);
    if due == 0 {
        mark_paid(world, id, 0);
    }
    overdue_soon(world, id);
}

/// An open invoice that is to be paid by a day is overdue after it.
fn overdue_soon(world: &mut World, id: &str) {
    if let Some(due) = world.body(id)["due_date"].as_i64() {
        let in_seconds = due - world.now();
        world.schedule(in_seconds, Timer::InvoiceOverdue { invoice: id.to_owned() });
    }
}

fn make_intent(world: &mut World, id: &str) {
    let invoice = world.body(id);
    let account = world.owner(id);
    let form = format!(
        "amount={}&currency={}&customer={}&payment_method_types[]=card&capture_method=automatic",
        invoice["amount_due"],
        invoice["currency"].as_str().unwrap_or_default(),
        invoice["customer"].as_str().unwrap_or_default()
    );
    let Ok(intent) = payment_intents::make(world, account.clone(), &form) else {
        return;
    };
    world.change(&intent, |intent| {
        intent["description"] = json!("Payment for Invoice");
        intent["payment_details"]["order_reference"] = json!(id);
    });
    world.hide(&intent, "invoice", json!(id));
    world.emit("payment_intent.created", &intent);
    let (payment, now) = (world.id("inpay_"), world.now());
    let body = json!({
        "id": payment, "object": "invoice_payment", "amount_paid": null, "amount_requested": invoice["amount_due"],
        "created": now, "currency": invoice["currency"], "invoice": id, "is_default": true, "livemode": false,
        "payment": { "payment_intent": intent, "type": "payment_intent" }, "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    });
    world.insert(account, body, Value::Null);
}

/// The invoice payment that is open or paid.
fn payment_of(world: &World, id: &str) -> Value {
    let all = world.all(world.owner(id).as_deref(), "invoice_payment");
    all.into_iter()
        .find(|payment| payment["invoice"] == id && payment["status"] != "canceled")
        .unwrap_or_default()
}

/// The payments of an invoice that is void.
pub(super) fn cancel_payments(world: &mut World, id: &str) {
    let payment = payment_of(world, id);
    let now = world.now();
    if let Some(payment_id) = payment["id"].as_str().filter(|_| payment["status"] == "open") {
        world.change(payment_id, |payment| {
            payment["status"] = json!("canceled");
            payment["status_transitions"]["canceled_at"] = json!(now);
        });
        let intent = payment["payment"]["payment_intent"].as_str().unwrap_or_default();
        payment_intents::end(world, intent, json!("void_invoice"));
    }
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
        cancel_payments(world, id);
        let due = invoice["amount_due"].as_i64().unwrap_or_default();
        mark_paid(world, id, due);
        return Ok(world.body(id));
    }
    let customer = world.body(invoice["customer"].as_str().unwrap_or_default());
    let method = params
        .text("payment_method")
        .or(invoice["default_payment_method"].as_str())
        .or(customer["invoice_settings"]["default_payment_method"].as_str())
        .or(customer["default_source"].as_str());
    let Some(method) = method else {
        return Err(Failure::invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set a default payment method, \
             or supply one.",
        ));
    };
    let method = payment_methods::resolve(world, call.account.as_deref(), method, "payment_method")?;
    try_to_pay(world, id, &method)?;
    Ok(world.body(id))
}

fn try_to_pay(world: &mut World, id: &str, method: &str) -> Result<(), Failure> {
    let intent = payment_of(world, id)["payment"]["payment_intent"].as_str().unwrap_or_default().to_owned();
    world.change(&intent, |intent| intent["payment_method"] = json!(method));
    world.change(id, |invoice| {
        invoice["attempted"] = json!(true);
        invoice["attempt_count"] = json!(invoice["attempt_count"].as_i64().unwrap_or_default() + 1);
    });
    let tried = payment_intents::attempt(world, &intent, Terms::default());
    if let Err(failure) = tried {
        world.emit("invoice.payment_failed", id);
        return Err(failure);
    }
    let now = world.body(&intent);
    if now["status"] == "requires_action" {
        world.emit("invoice.payment_action_required", id);
        world.emit("invoice.payment_failed", id);
        return Err(Failure::card(
            "invoice_payment_intent_requires_action",
            "This payment requires additional user action before it can be completed successfully. Payment can be \
             completed using the PaymentIntent associated with the invoice.",
        )
        .with("payment_intent", now));
    }
    Ok(())
}

/// The intent of an invoice succeeded, at once or after 3-D Secure.
pub(in crate::fake_stripe::resources) fn after_payment(world: &mut World, intent: &str) {
    let Some(id) = world.hidden(intent)["invoice"].as_str().map(str::to_owned) else {
        return;
    };
    let amount = world.body(intent)["amount_received"].as_i64().unwrap_or_default();
    let now = world.now();
    let payment = payment_of(world, &id);
    if let Some(payment) = payment["id"].as_str() {
        world.change(payment, |payment| {
            payment["status"] = json!("paid");
            payment["amount_paid"] = json!(amount);
            payment["status_transitions"]["paid_at"] = json!(now);
        });
        world.emit("invoice_payment.paid", payment);
    }
    mark_paid(world, &id, amount);
    world.emit("invoice.payment_succeeded", &id);
}

fn mark_paid(world: &mut World, id: &str, amount: i64) {
    let now = world.now();
    world.update(id, "invoice.updated", |invoice| {
        invoice["status"] = json!("paid");
        invoice["attempted"] = json!(true);
        invoice["amount_paid"] = json!(amount);
        invoice["amount_remaining"] = json!(0);
        invoice["status_transitions"]["paid_at"] = json!(now);
    });
    world.emit("invoice.paid", id);
}

/// The day by which to pay has passed.
pub(in crate::fake_stripe) fn overdue(world: &mut World, id: &str) {
    if world.body(id)["status"] == "open" {
        world.emit("invoice.overdue", id);
    }
}
