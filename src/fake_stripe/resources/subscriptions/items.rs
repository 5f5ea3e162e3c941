//! The items of a subscription, and what it costs to change them half-way.

use serde_json::{Value, json};

use super::{Item, bill, body, check_prices, check_quantity};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::resources::{Answer, calendar, invoices, prices};
use crate::fake_stripe::world::World;

const ITEM: &str =
    "clear_usage:bool deleted:bool id metadata:map price price_data{} quantity:int tax_rates:any";

/// What is to become of an item, or a new one.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    /// `si_…`; none is a new one.
    item: Option<String>,
    /// The whole price, if it changes.
    price: Option<Value>,
    quantity: Option<i64>,
    is_deleted: bool,
    params: Params,
}

impl Change {
    /// Those of a call to change the subscription; none if it does not touch items.
    ///
    /// # Errors
    /// An item does not fit.
    pub(super) fn read(
        world: &mut World,
        call: &Call,
        params: &Params,
    ) -> Result<Option<Vec<Self>>, Failure> {
        let Some(given) = params.items("items", ITEM)? else {
            return Ok(None);
        };
        let mut changes = Vec::new();
        for (place, item) in given.into_iter().enumerate() {
            changes.push(Self::of(world, call, item, &format!("items[{place}]"))?);
        }
        Ok(Some(changes))
    }

    fn of(world: &mut World, call: &Call, params: Params, above: &str) -> Result<Self, Failure> {
        let names_price = params.text("price").is_some() || params.get("price_data").is_some();
        let price = match names_price || params.text("id").is_none() {
            true => Some(prices::of_item(world, call.account.as_deref(), &params, above)?),
            false => None,
        };
        if let Some(quantity) = params.int("quantity") {
            check_quantity(quantity, &format!("{above}[quantity]"))?;
        }
        Ok(Self {
            item: params.text("id").map(str::to_owned),
            price,
            quantity: params.int("quantity"),
            is_deleted: params.is_true("deleted"),
            params,
        })
    }
}

/// Who pays for the rest of the period.
#[derive(Clone, Debug)]
pub(super) struct Proration {
    at: i64,
    end: i64,
    length: i64,
    is_charged: bool,
    is_billed_now: bool,
}

impl Proration {
    /// As a call says.
    ///
    /// # Errors
    /// `proration_behavior` is none that Stripe has.
    pub(super) fn read(world: &World, params: &Params, id: &str) -> Result<Self, Failure> {
        let behavior = params.text("proration_behavior").unwrap_or("create_prorations");
        if !["create_prorations", "always_invoice", "none"].contains(&behavior) {
            let message =
                "Invalid proration_behavior: must be one of create_prorations, always_invoice, or none";
            return Err(Failure::parameter("parameter_invalid", "proration_behavior", message));
        }
        let mut proration = Self::now(world, id);
        let status = world.body(id)["status"].as_str().unwrap_or_default().to_owned();
        proration.is_charged =
            behavior != "none" && ["active", "past_due", "unpaid"].contains(&status.as_str());
        proration.is_billed_now = behavior == "always_invoice";
        if let Some(at) = params.int("proration_date") {
            proration.at = at;
        }
        Ok(proration)
    }

    /// From now to the end of the period.
    pub(super) fn now(world: &World, id: &str) -> Self {
        let (start, end) = body::period(&world.body(id));
        Self { at: world.now(), end, length: end - start, is_charged: true, is_billed_now: false }
    }

    /// Gives back what an item costs from then on.
    pub(super) fn credit(&self, world: &mut World, id: &str, item: &Value) {
        self.line(world, id, item, -1, "Unused time");
    }

    fn charge(&self, world: &mut World, id: &str, item: &Value) {
        self.line(world, id, item, 1, "Remaining time");
    }

    fn line(&self, world: &mut World, id: &str, item: &Value, sign: i64, what: &str) {
        let price = &item["price"];
        let quantity = item["quantity"].as_i64().unwrap_or(1);
        let amount = bill::part(prices::amount(price, quantity), self.end - self.at, self.length) * sign;
        let count = if quantity == 1 { String::new() } else { format!("{quantity} × ") };
        let name = prices::product_name(world, price);
        let customer = world.body(id)["customer"].as_str().unwrap_or_default().to_owned();
        let new = invoices::items::New {
            customer: &customer,
            amount,
            currency: price["currency"].as_str().unwrap_or_default(),
            description: json!(format!("{what} on {count}{name} after {}", calendar::day(self.at))),
            price,
            quantity,
            period: (self.at, self.end),
            of: Some((id, item["id"].as_str())),
            metadata: json!({}),
        };
        invoices::items::make(world, world.owner(id), new);
    }
}

/// Changes the items, and bills or gives back what the rest of the period costs.
///
/// # Errors
/// An item is not the subscription's, or the prices do not go together.
pub(super) fn apply(
    world: &mut World,
    id: &str,
    changes: &[Change],
    proration: &Proration,
) -> Result<(), Failure> {
    let before = body::items(world, id);
    for change in changes {
        let is_known = |item: &String| before.iter().any(|old| old["id"] == item.as_str());
        if let Some(item) = change.item.as_ref().filter(|item| !is_known(item)) {
            let mut failure = Failure::no_such("subscription_item", item, "items[0][id]");
            failure.status = 400;
            return Err(failure);
        }
    }
    check_after(&before, changes)?;
    let old_interval =
        prices::interval(&before[0]["price"]).map(|(interval, count)| (interval.to_owned(), count));
    let is_other_interval = changes.iter().filter_map(|change| change.price.as_ref()).any(|price| {
        prices::interval(price).map(|(interval, count)| (interval.to_owned(), count)) != old_interval
    });
    let mut period = body::period(&world.body(id));
    if is_other_interval {
        // The whole subscription begins anew: all is given back, and a new period is billed.
        if proration.is_charged {
            before.iter().for_each(|item| proration.credit(world, id, item));
        }
        let now = world.now();
        let new_price = changes.iter().find_map(|change| change.price.as_ref());
        let (interval, count) = new_price.and_then(prices::interval).unwrap_or(("month", 1));
        period = (now, calendar::after(now, interval, count, 1));
    }
    let is_prorated = proration.is_charged && !is_other_interval;
    for change in changes {
        apply_one(world, id, change, period, is_prorated.then_some(proration));
    }
    if is_other_interval {
        body::set_period(world, id, period);
    }
    let items = body::items_list(world, id);
    world.update(id, "customer.subscription.updated", |subscription| {
        if is_other_interval {
            subscription["billing_cycle_anchor"] = json!(period.0);
        }
        body::set_items(subscription, items);
    });
    let is_running =
        ["active", "past_due", "unpaid"].contains(&world.body(id)["status"].as_str().unwrap_or_default());
    if is_other_interval && is_running {
        bill::plan(world, id);
        bill::now(world, id, true);
    } else if proration.is_billed_now && is_prorated {
        bill::now(world, id, false);
    }
    Ok(())
}

/// What there would be must be a subscription still.
fn check_after(before: &[Value], changes: &[Change]) -> Result<(), Failure> {
    let mut after: Vec<Item> = Vec::new();
    for old in before {
        let change = changes.iter().find(|change| change.item.as_deref() == old["id"].as_str());
        if change.is_some_and(|change| change.is_deleted) {
            continue;
        }
        let price = change.and_then(|change| change.price.clone()).unwrap_or_else(|| old["price"].clone());
        after.push(Item { price, quantity: 1, metadata: Value::Null });
    }
    for change in changes.iter().filter(|change| change.item.is_none()) {
        after.extend(change.price.clone().map(|price| Item { price, quantity: 1, metadata: Value::Null }));
    }
    if after.is_empty() {
        return Err(Failure::invalid("A subscription must have at least one active plan."));
    }
    check_prices(&after)
}

fn apply_one(
    world: &mut World,
    id: &str,
    change: &Change,
    period: (i64, i64),
    proration: Option<&Proration>,
) {
    let Some(item) = &change.item else {
        let Some(price) = change.price.clone() else {
            return;
        };
        let new = Item { price, quantity: change.quantity.unwrap_or(1), metadata: change.params.metadata() };
        let item = body::insert_item(world, id, &new, period);
        let item = world.body(&item);
        if let Some(proration) = proration {
            proration.charge(world, id, &item);
        }
        return;
    };
    let old = world.body(item);
    if change.is_deleted {
        body::remove_item(world, id, item);
        if let Some(proration) = proration {
            proration.credit(world, id, &old);
        }
        return;
    }
    world.change(item, |item| {
        if let Some(price) = &change.price {
            item["price"] = price.clone();
            item["plan"] = prices::plan(price);
        }
        if let Some(quantity) = change.quantity {
            item["quantity"] = json!(quantity);
        }
        change.params.merge_metadata(&mut item["metadata"]);
    });
    let new = world.body(item);
    let costs = |item: &Value| (item["price"]["id"].clone(), item["quantity"].clone());
    if let Some(proration) = proration.filter(|_| costs(&old) != costs(&new)) {
        proration.credit(world, id, &old);
        proration.charge(world, id, &new);
    }
}

const ONE: &str = "metadata:map off_session:bool payment_behavior price price_data{} proration_behavior \
                   proration_date:int quantity:int subscription tax_rates:any";

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(ONE)?;
    let subscription =
        params.text("subscription").ok_or_else(|| Failure::missing("subscription"))?.to_owned();
    world.find(call, "subscription", &subscription, "subscription")?;
    let change = Change::of(world, call, params.clone(), "item")?;
    let proration = Proration::read(world, &params, &subscription)?;
    apply(world, &subscription, &[change], &proration)?;
    Ok(body::items(world, &subscription).pop().unwrap_or_default())
}

pub(super) fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} subscription!", pages::SHAPE))?;
    let subscription = params.text("subscription").unwrap_or_default();
    world.find(call, "subscription", subscription, "subscription")?;
    pages::page("/v1/subscription_items", &params, body::items(world, subscription))
}

pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(ONE)?;
    change_one(world, call, id, params, false)?;
    Ok(world.body(id))
}

pub(super) fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params("clear_usage:bool payment_behavior proration_behavior proration_date:int")?;
    change_one(world, call, id, params, true)?;
    Ok(json!({ "id": id, "object": "subscription_item", "deleted": true }))
}

fn change_one(
    world: &mut World,
    call: &Call,
    id: &str,
    mut params: Params,
    is_deleted: bool,
) -> Result<(), Failure> {
    let item = world.find(call, "subscription_item", id, "id")?;
    let subscription = item["subscription"].as_str().unwrap_or_default();
    params.0.insert("id".to_owned(), json!(id));
    let mut change = Change::of(world, call, params.clone(), "item")?;
    change.is_deleted = is_deleted;
    let proration = Proration::read(world, &params, subscription)?;
    apply(world, subscription, &[change], &proration)
}
