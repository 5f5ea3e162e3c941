//! Invoice items: what is to be billed next, and the lines that they become.

use serde_json::{Value, json};

use super::lines;
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::resources::{self, Answer, prices};
use crate::fake_stripe::world::World;

const SHAPE: &str = "amount:int currency customer customer_account description discountable:bool invoice metadata:map \
                     period{start:int end:int} pricing{price} price_data{} quantity:int subscription tax_behavior \
                     tax_code unit_amount_decimal";

/// What is to be billed.
pub(in crate::fake_stripe::resources) struct New<'a> {
    /// `cus_…`.
    pub(in crate::fake_stripe::resources) customer: &'a str,
    /// In minor units; a credit is below zero.
    pub(in crate::fake_stripe::resources) amount: i64,
    /// In lower case.
    pub(in crate::fake_stripe::resources) currency: &'a str,
    /// For people.
    pub(in crate::fake_stripe::resources) description: Value,
    /// Null where there is none.
    pub(in crate::fake_stripe::resources) price: &'a Value,
    /// How many of the price.
    pub(in crate::fake_stripe::resources) quantity: i64,
    /// From and until.
    pub(in crate::fake_stripe::resources) period: (i64, i64),
    /// The subscription, and its item where it was changed.
    pub(in crate::fake_stripe::resources) of: Option<(&'a str, Option<&'a str>)>,
    /// Whatever its owner noted.
    pub(in crate::fake_stripe::resources) metadata: Value,
}

/// Makes an item that waits for the next invoice.
pub(in crate::fake_stripe::resources) fn make(
    world: &mut World,
    account: Option<String>,
    new: New<'_>,
) -> String {
    let id = world.id("ii_");
    let now = world.now();
    let pricing = match new.price.is_null() {
        true => json!({ "type": "price_details", "unit_amount_decimal": new.amount.to_string() }),
        false => lines::pricing(new.price, false),
    };
    let parent = match new.of {
        Some((subscription, item)) => json!({
            "subscription_details": { "subscription": subscription, "subscription_item": item },
            "type": "subscription_details",
        }),
        None => Value::Null,
    };
    let item = json!({
        "id": id, "object": "invoiceitem", "amount": new.amount, "currency": new.currency, "customer": new.customer,
        "customer_account": null, "date": now, "created": now, "description": new.description, "discountable": true,
        "discounts": [], "invoice": null, "livemode": false, "metadata": new.metadata, "net_amount": new.amount,
        "parent": parent, "period": { "end": new.period.1, "start": new.period.0 }, "pricing": pricing,
        "proration": new.of.is_some_and(|(_, item)| item.is_some()), "quantity": new.quantity,
        "quantity_decimal": new.quantity.to_string(), "tax_rates": [], "test_clock": null,
    });
    world.insert(account, item, Value::Null);
    world.change(new.customer, |customer| customer["currency"] = json!(new.currency));
    world.emit("invoiceitem.created", &id);
    id
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(SHAPE)?;
    let customer = params.text("customer").ok_or_else(|| Failure::missing("customer"))?;
    let customer_now = world.find(call, "customer", customer, "customer")?;
    let invoice =
        params.text("invoice").map(|invoice| world.find(call, "invoice", invoice, "invoice")).transpose()?;
    if invoice.as_ref().is_some_and(|invoice| invoice["status"] != "draft") {
        return Err(Failure::invalid("This invoice is no longer editable").code("invoice_not_editable"));
    }
    if let Some(subscription) = params.text("subscription") {
        world.find(call, "subscription", subscription, "subscription")?;
    }
    let price = price_of(world, call, &params)?;
    let quantity = params.int("quantity").unwrap_or(1);
    let amount = match (params.int("amount"), price.is_null()) {
        (Some(_), false) => {
            return Err(Failure::invalid("You may only specify one of these parameters: amount, pricing."));
        }
        (Some(amount), true) => amount,
        (None, false) => prices::amount(&price, quantity),
        (None, true) => params
            .text("unit_amount_decimal")
            .map(|unit| prices::amount(&json!({ "unit_amount_decimal": unit }), quantity))
            .ok_or_else(|| Failure::missing("amount"))?,
    };
    let currency = price["currency"].as_str().or(params.text("currency"));
    let currency = currency.or(customer_now["currency"].as_str()).unwrap_or("usd").to_lowercase();
    if let Some(invoice) = invoice.as_ref().filter(|invoice| {
        invoice["currency"] != currency.as_str() && !lines::all(world, text(&invoice["id"])).is_empty()
    }) {
        let message = format!(
            "The currency of the invoice item ({currency}) must be that of its invoice ({}).",
            text(&invoice["currency"])
        );
        return Err(Failure::invalid(message).param("currency"));
    }
    let now = world.now();
    let described = match params.value("description") {
        Value::Null if !price.is_null() => json!(prices::product_name(world, &price)),
        given => given,
    };
    let new = New {
        customer,
        amount,
        currency: &currency,
        description: described,
        price: &price,
        quantity: if price.is_null() { 1 } else { quantity },
        period: (params.int("period.start").unwrap_or(now), params.int("period.end").unwrap_or(now)),
        of: params.text("subscription").map(|subscription| (subscription, None)),
        metadata: params.metadata(),
    };
    let id = make(world, call.account.clone(), new);
    if let Some(invoice) = invoice {
        add(world, text(&invoice["id"]), std::slice::from_ref(&id));
    }
    Ok(world.body(&id))
}

/// Bills a price on a draft.
pub(in crate::fake_stripe::resources) fn add_priced(
    world: &mut World,
    invoice: &str,
    price: &Value,
    quantity: i64,
) {
    let customer = text(&world.body(invoice)["customer"]).to_owned();
    let now = world.now();
    let new = New {
        customer: &customer,
        amount: prices::amount(price, quantity),
        currency: text(&price["currency"]),
        description: json!(prices::product_name(world, price)),
        price,
        quantity,
        period: (now, now),
        of: None,
        metadata: json!({}),
    };
    let id = make(world, world.owner(invoice), new);
    add(world, invoice, std::slice::from_ref(&id));
}

fn price_of(world: &mut World, call: &Call, params: &Params) -> Result<Value, Failure> {
    let account = call.account.as_deref();
    let price = match (params.text("pricing.price"), params.get("price_data").filter(|data| data.is_object()))
    {
        (Some(price), _) => world.find(call, "price", price, "pricing[price]")?,
        (None, Some(data)) => {
            let id = prices::make(world, account, data, "price_data", false)?;
            world.body(&id)
        }
        (None, None) => return Ok(Value::Null),
    };
    if price["type"] != "one_time" {
        let message = "The price specified is set to `type=recurring` but this field only accepts prices with \
                       `type=one_time`.";
        return Err(Failure::invalid(message).param("pricing[price]"));
    }
    Ok(price)
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} customer invoice pending:bool", pages::SHAPE))?;
    let mut items = world.all(call.account.as_deref(), "invoiceitem");
    items.retain(|item| {
        resources::fits(item, &params, &["customer", "invoice"])
            && (!params.is_true("pending") || item["invoice"].is_null())
    });
    pages::page("/v1/invoiceitems", &params, items)
}

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("amount:int description metadata:map")?;
    let item = world.find(call, "invoiceitem", id, "id")?;
    if item["invoice"].is_string() {
        return Err(Failure::not_modelled("changing an invoice item that is on an invoice already"));
    }
    world.change(id, |item| {
        params.copy_into(item, &["amount", "description"]);
        item["net_amount"] = item["amount"].clone();
        params.merge_metadata(&mut item["metadata"]);
    });
    Ok(world.body(id))
}

pub(super) fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    let item = world.find(call, "invoiceitem", id, "id")?;
    if item["invoice"].is_string() {
        return Err(Failure::invalid("Cannot delete an invoice item that is on an invoice already."));
    }
    world.emit("invoiceitem.deleted", id);
    world.remove(id);
    Ok(json!({ "id": id, "object": "invoiceitem", "deleted": true }))
}

/// Takes what the customer has pending onto an invoice: all of it, or what is of one subscription or of none.
pub(in crate::fake_stripe::resources) fn take_pending(world: &mut World, invoice: &str, of: Option<&str>) {
    let body = world.body(invoice);
    let is_empty = lines::all(world, invoice).is_empty();
    let mut items = world.all(world.owner(invoice).as_deref(), "invoiceitem");
    items.retain(|item| {
        let subscription = item["parent"]["subscription_details"]["subscription"].as_str();
        item["customer"] == body["customer"]
            && item["invoice"].is_null()
            && (subscription == of || (of.is_some() && subscription.is_none()))
    });
    items.reverse();
    let currency = match items.first().filter(|_| is_empty && of.is_none()) {
        Some(first) => first["currency"].clone(),
        None => body["currency"].clone(),
    };
    let ids: Vec<String> = items
        .iter()
        .filter(|item| item["currency"] == currency)
        .map(|item| text(&item["id"]).to_owned())
        .collect();
    add(world, invoice, &ids);
}

fn add(world: &mut World, invoice: &str, items: &[String]) {
    let mut more = Vec::new();
    for id in items {
        world.change(id, |item| item["invoice"] = json!(invoice));
        let item = world.body(id);
        more.push(lines::of_item(world, invoice, &item));
    }
    lines::add(world, invoice, more);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
