//! The lines of sessions and Payment Links: prices by id, or described on the spot.

use serde_json::{Value, json};

use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::resources::prices;
use crate::fake_stripe::world::World;

const LINE: &str = "adjustable_quantity{enabled:bool! maximum:int minimum:int} dynamic_tax_rates:list metadata:map price \
                    price_data:any quantity:int tax_rates:list";

const MOST_LINES: usize = 100;

/// Reads and prices the lines that a call gives.
///
/// # Errors
/// There are none, they do not fit the mode or each other, or a price is not known.
pub(super) fn read(world: &mut World, call: &Call, params: &Params) -> Result<Vec<Value>, Failure> {
    let given = params.items("line_items", LINE)?.unwrap_or_default();
    if given.is_empty() {
        return Err(Failure::missing("line_items"));
    }
    if given.len() > MOST_LINES {
        let message = format!("There can be at most {MOST_LINES} line items.");
        return Err(Failure::invalid(message).param("line_items"));
    }
    let mut lines = Vec::new();
    for (place, line) in given.iter().enumerate() {
        lines.push(read_line(world, call, &format!("line_items[{place}]"), line)?);
    }
    let first = lines[0]["currency"].clone();
    if let Some(other) = lines.iter().find(|line| line["currency"] != first) {
        return Err(Failure::invalid(format!(
            "All prices must be of one currency: {first} and {} cannot be paid together.",
            other["currency"]
        ))
        .param("line_items"));
    }
    Ok(lines)
}

fn read_line(world: &mut World, call: &Call, above: &str, line: &Params) -> Result<Value, Failure> {
    let param = format!("{above}[quantity]");
    let quantity = match line.int("quantity") {
        None => return Err(Failure::missing(&param)),
        Some(quantity) if quantity > 0 => quantity,
        Some(_) => {
            return Err(Failure::parameter("parameter_invalid_integer", &param, "Invalid positive integer"));
        }
    };
    let price = prices::of_item(world, call.account.as_deref(), line, above)?;
    let amount = prices::amount(&price, quantity);
    Ok(json!({
        "id": world.id("li_"), "object": "item", "adjustable_quantity": line.value("adjustable_quantity"),
        "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount,
        "currency": price["currency"], "description": prices::product_name(world, &price),
        "metadata": line.metadata(), "price": price, "quantity": quantity,
    }))
}

/// Whether a line is paid again each period.
pub(super) fn is_recurring(line: &Value) -> bool {
    prices::interval(&line["price"]).is_some()
}

/// What is paid once does not mix with a mode of its own.
///
/// # Errors
/// The mode is not the lines'.
pub(super) fn check_mode(lines: &[Value], mode: &str) -> Result<(), Failure> {
    match mode {
        "payment" if lines.iter().any(is_recurring) => Err(Failure::invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only \
             one-time prices.",
        )),
        "subscription" if !lines.iter().any(is_recurring) => Err(Failure::invalid(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
        )),
        _ => Ok(()),
    }
}
