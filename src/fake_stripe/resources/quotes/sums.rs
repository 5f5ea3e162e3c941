//! The lines of a quote and what they come to: at once, and each period.

use serde_json::{Value, json};

use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::prices;
use crate::fake_stripe::world::World;

/// A line.
pub(super) fn line(world: &mut World, price: &Value, quantity: i64, metadata: Value) -> Value {
    let amount = prices::amount(price, quantity);
    let name = prices::product_name(world, price);
    json!({
        "id": world.id("li_"), "object": "item", "adjustable_quantity": null, "amount_discount": 0,
        "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount, "currency": price["currency"],
        "description": name, "metadata": metadata, "price": price, "quantity": quantity,
    })
}

/// All lines are of one currency, and what recurs does so in one interval.
///
/// # Errors
/// In Stripe's words.
pub(super) fn check(lines: &[Value]) -> Result<(), Failure> {
    let recurring: Vec<&Value> = lines.iter().filter(|line| line["price"]["type"] == "recurring").collect();
    for (place, line) in lines.iter().enumerate() {
        let param = format!("line_items[{place}][price]");
        if line["currency"] != lines[0]["currency"] {
            let message = format!(
                "The price specified only supports `{}`. This doesn't match the expected currency: `{}`.",
                line["currency"].as_str().unwrap_or_default(),
                lines[0]["currency"].as_str().unwrap_or_default()
            );
            return Err(Failure::invalid(message).param(&param));
        }
        let is_recurring = line["price"]["type"] == "recurring";
        if is_recurring && prices::interval(&line["price"]) != prices::interval(&recurring[0]["price"]) {
            let message = "All recurring prices of a quote must have the same `recurring[interval]` and \
                           `recurring[interval_count]`.";
            return Err(Failure::invalid(message).param(&param));
        }
    }
    Ok(())
}

/// Gives a quote the sums of its lines.
pub(super) fn set(quote: &mut Value, lines: &[Value]) {
    let is = |line: &&Value, kind: &str| line["price"]["type"] == kind;
    let sum = |kind: &str| -> i64 {
        lines.iter().filter(|line| is(line, kind)).filter_map(|line| line["amount_total"].as_i64()).sum()
    };
    let has_trial = quote["subscription_data"]["trial_period_days"].as_i64().is_some_and(|days| days > 0);
    let (once, each) = (sum("one_time"), sum("recurring"));
    let upfront = once + if has_trial { 0 } else { each };
    let details = json!({ "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 });
    let recurring = lines.iter().find(|line| is(line, "recurring")).and_then(|line| {
        let (interval, count) = prices::interval(&line["price"])?;
        Some(json!({
            "amount_subtotal": each, "amount_total": each, "interval": interval, "interval_count": count,
            "total_details": details,
        }))
    });
    quote["computed"] = json!({
        "recurring": recurring,
        "upfront": { "amount_subtotal": upfront, "amount_total": upfront, "total_details": details },
    });
    quote["amount_subtotal"] = json!(upfront);
    quote["amount_total"] = json!(upfront);
    if let Some(line) = lines.first() {
        quote["currency"] = line["currency"].clone();
    }
}
