//! What comes up once a session is paid: the subscription with its first invoice, or the invoice of a payment.

use serde_json::{Value, json};

use super::lines;
use crate::fake_stripe::frame::call::Params;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::shape;
use crate::fake_stripe::resources::calendar::DAY;
use crate::fake_stripe::resources::subscriptions::{self, First, Item, New};
use crate::fake_stripe::resources::{invoices, payment_methods};
use crate::fake_stripe::world::World;

/// What a subscription takes here.
const DATA: &str = "billing_mode{} description metadata:map trial_period_days:int trial_settings{}";

/// What a subscription can be made with here.
///
/// # Errors
/// It names what is not modelled.
pub(super) fn check(params: &Params) -> Result<(), Failure> {
    let Some(Value::Object(given)) = params.get("subscription_data") else { return Ok(()) };
    shape::read_under("subscription_data", DATA, given).map(|_| ())
}

/// What is paid at first: in a trial only what is paid once.
pub(super) fn due_at_first(params: &Params, lines: &[Value]) -> i64 {
    let is_trial = params.get("subscription_data").is_some_and(|data| trial_days(data) > 0);
    let paid_now = |line: &&Value| !(is_trial && lines::is_recurring(line));
    lines.iter().filter(paid_now).filter_map(|line| line["amount_total"].as_i64()).sum()
}

fn trial_days(data: &Value) -> i64 {
    data["trial_period_days"].as_str().and_then(|days| days.parse().ok()).unwrap_or_default()
}

/// Keeps the method for the customer; starts the subscription, and tells the session of it. `intent` has paid the first
/// period.
pub(super) fn start(world: &mut World, id: &str, method: &str, intent: Option<&str>) {
    let session = world.body(id);
    let hidden = world.hidden(id);
    let customer = session["customer"].as_str().unwrap_or_default().to_owned();
    let data = &hidden["subscription_data"];
    let bought = hidden["lines"].as_array().cloned().unwrap_or_default();
    let item = |line: &Value| Item {
        price: line["price"].clone(),
        quantity: line["quantity"].as_i64().unwrap_or(1),
        metadata: json!({}),
    };
    let metadata = data.get("metadata").cloned().unwrap_or_else(|| json!({}));
    let days = trial_days(data);
    let new = New {
        customer: customer.clone(),
        items: bought.iter().filter(|line| lines::is_recurring(line)).map(item).collect(),
        trial_end: (days > 0).then(|| world.now() + days * DAY),
        anchor: None,
        shown: json!({
            "default_payment_method": method, "description": data["description"], "metadata": metadata,
        }),
    };
    payment_methods::attach(world, method, &customer);
    world.hide(method, "is_set_up", json!(true));
    let account = world.owner(id);
    let subscription = subscriptions::insert(world, account, &new);
    if let Some(intent) = intent {
        world.hide(&subscription, "paid_by", json!(intent));
    }
    for line in bought.iter().filter(|line| !lines::is_recurring(line)) {
        let quantity = line["quantity"].as_i64().unwrap_or(1);
        subscriptions::bill_once(world, &subscription, &line["price"], quantity);
    }
    // Opened, it is not charged; so nothing can be declined.
    let invoice = subscriptions::first(world, &subscription, First::Opened).unwrap_or_default();
    if let Some(intent) = intent {
        invoices::after_payment(world, intent);
    }
    world.change(id, |session| {
        session["subscription"] = json!(subscription);
        session["invoice"] = json!(invoice);
    });
}

/// Makes the invoice of a payment that is there already (`invoice_creation`).
pub(super) fn invoice(world: &mut World, id: &str, intent: &str) {
    let session = world.body(id);
    let customer = world.body(session["customer"].as_str().unwrap_or_default());
    let bought = world.hidden(id)["lines"].as_array().cloned().unwrap_or_default();
    let data = &session["invoice_creation"]["invoice_data"];
    let params =
        json!({ "description": data["description"], "footer": data["footer"], "metadata": data["metadata"] });
    let params = Params(params.as_object().cloned().unwrap_or_default());
    let account = world.owner(id);
    let Ok(invoice) = invoices::draft(world, account.clone(), &customer, &params) else { return };
    let now = world.now();
    for line in &bought {
        let new = invoices::items::New {
            customer: customer["id"].as_str().unwrap_or_default(),
            amount: line["amount_total"].as_i64().unwrap_or_default(),
            currency: line["currency"].as_str().unwrap_or_default(),
            description: line["description"].clone(),
            price: &line["price"],
            quantity: line["quantity"].as_i64().unwrap_or(1),
            period: (now, now),
            of: None,
            metadata: json!({}),
        };
        invoices::items::make(world, account.clone(), new);
    }
    invoices::items::take_pending(world, &invoice, None);
    world.hide(&invoice, "paid_by", json!(intent));
    world.change(id, |session| session["invoice"] = json!(invoice));
    world.emit("invoice.created", &invoice);
    invoices::open(world, &invoice);
    invoices::after_payment(world, intent);
}
