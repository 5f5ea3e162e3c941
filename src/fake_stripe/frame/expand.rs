//! `expand[]`: ids become the objects that they name, up to four levels deep.

use serde_json::{Value, json};

use super::failure::Failure;
use super::pages;
use crate::fake_stripe::resources::checkout;
use crate::fake_stripe::world::World;

const MOST_LEVELS: usize = 4;

/// Fields that name an object or nothing.
const EXPANDABLE: &[&str] = &[
    "account",
    "application",
    "application_fee",
    "balance_transaction",
    "charge",
    "customer",
    "default_payment_method",
    "default_source",
    "destination",
    "destination_payment",
    "dispute",
    "failure_balance_transaction",
    "fee",
    "invoice",
    "latest_attempt",
    "latest_charge",
    "mandate",
    "on_behalf_of",
    "originating_transaction",
    "payment_intent",
    "payment_link",
    "payment_method",
    "refund",
    "review",
    "source",
    "source_refund",
    "source_transaction",
    "source_transfer",
    "source_transfer_reversal",
    "transfer",
    "transfer_reversal",
    "destination_payment_refund",
    "discounts",
    "test_clock",
    "latest_revision",
    "default_price",
    "latest_invoice",
    "pending_setup_intent",
    "price",
    "product",
    "quote",
    "schedule",
    "subscription",
    "subscription_item",
    "subscription_schedule",
];

/// Expands all paths in an answer.
///
/// # Errors
/// A path is too deep, or names something that cannot be expanded.
pub(in crate::fake_stripe) fn expand(
    world: &World,
    answer: &mut Value,
    paths: &[String],
) -> Result<(), Failure> {
    for path in paths {
        let parts: Vec<&str> = path.split('.').collect();
        let levels = parts.iter().filter(|part| **part != "data").count();
        if levels > MOST_LEVELS {
            return Err(Failure::invalid(format!(
                "You cannot expand more than {MOST_LEVELS} levels of a property: {path}"
            )));
        }
        expand_at(world, answer, &parts).map_err(|()| {
            let hint = if answer["object"] == "list" && parts.first() != Some(&"data") {
                format!(" You may want to try expanding 'data.{path}' instead.")
            } else {
                String::new()
            };
            Failure::invalid(format!("This property cannot be expanded ({path}).{hint}"))
        })?;
    }
    Ok(())
}

fn expand_at(world: &World, value: &mut Value, parts: &[&str]) -> Result<(), ()> {
    let Some((first, rest)) = parts.split_first() else {
        return Ok(());
    };
    if let Value::Array(items) = value {
        return items.iter_mut().try_for_each(|item| expand_at(world, item, parts));
    }
    if value.is_null() {
        return Ok(());
    }
    if let Some(included) = includable(world, value, first)
        && value.get(*first).is_none()
    {
        let is_nothing = included.is_null();
        value[*first] = included;
        if is_nothing {
            return Ok(());
        }
    }
    let field = value.get_mut(*first).ok_or(())?;
    match field {
        Value::Null if EXPANDABLE.contains(first) => Ok(()),
        Value::String(id) if EXPANDABLE.contains(first) => {
            let object = world.body(id);
            if object.is_null() {
                return Ok(());
            }
            *field = object;
            expand_at(world, field, rest)
        }
        Value::Object(_)
            if !rest.is_empty() || field["object"].is_string() || field.get("client_secret").is_some() =>
        {
            expand_at(world, field, rest)
        }
        Value::Array(_) => expand_at(world, field, rest),
        _ => Err(()),
    }
}

/// What an object has only when it is asked for.
fn includable(world: &World, object: &Value, field: &str) -> Option<Value> {
    let id = object["id"].as_str()?;
    let account = world.owner(id);
    let of = |kind: &str, link: &str| -> Vec<Value> {
        let mut all = world.all(account.as_deref(), kind);
        all.retain(|other| other[link] == id);
        all
    };
    match (object["object"].as_str()?, field) {
        ("charge", "refunds") => {
            Some(pages::inner(&format!("/v1/charges/{id}/refunds"), &of("refund", "charge")))
        }
        ("invoice", "payments") => {
            Some(pages::inner("/v1/invoice_payments", &of("invoice_payment", "invoice")))
        }
        ("invoice", "confirmation_secret") => {
            // A draft has none, nor an invoice over nothing.
            let is_default = |payment: &&Value| payment["is_default"] == true;
            let payment =
                of("invoice_payment", "invoice").iter().find(is_default).cloned().unwrap_or_default();
            let intent = world.body(payment["payment"]["payment_intent"].as_str().unwrap_or_default());
            Some(match &intent["client_secret"] {
                Value::Null => Value::Null,
                secret => json!({ "client_secret": secret, "type": "payment_intent" }),
            })
        }
        ("checkout.session", "line_items") => {
            let url = format!("/v1/checkout/sessions/{id}/line_items");
            Some(pages::inner(&url, &checkout::lines_of(world, id)))
        }
        ("payment_link", "line_items") => {
            Some(pages::inner(&format!("/v1/payment_links/{id}/line_items"), &checkout::lines_of(world, id)))
        }
        ("customer", "sources") => Some(pages::inner(&format!("/v1/customers/{id}/sources"), &[])),
        ("quote", "line_items") => {
            let lines = world.hidden(id)["lines"].as_array().cloned().unwrap_or_default();
            Some(pages::first(&format!("/v1/quotes/{id}/line_items"), &lines))
        }
        ("customer", "subscriptions") => {
            let mut running = of("subscription", "customer");
            running.retain(|subscription| subscription["ended_at"].is_null());
            Some(pages::inner(&format!("/v1/customers/{id}/subscriptions"), &running))
        }
        _ => None,
    }
}
