//! What a subscription and its items look like.

use serde_json::{Value, json};

use crate::fake_stripe::resources::{calendar, prices};
use crate::fake_stripe::world::World;

/// What is subscribed to.
#[derive(Clone, Debug)]
pub(in crate::fake_stripe::resources) struct Item {
    /// The whole price.
    pub(in crate::fake_stripe::resources) price: Value,
    /// How many.
    pub(in crate::fake_stripe::resources) quantity: i64,
    /// Whatever its owner noted.
    pub(in crate::fake_stripe::resources) metadata: Value,
}

/// A subscription to be made.
#[derive(Clone, Debug, Default)]
pub(in crate::fake_stripe::resources) struct New {
    /// `cus_…`.
    pub(in crate::fake_stripe::resources) customer: String,
    /// At least one; all of one interval and currency.
    pub(in crate::fake_stripe::resources) items: Vec<Item>,
    /// When the trial ends, if there is one.
    pub(in crate::fake_stripe::resources) trial_end: Option<i64>,
    /// When the first whole period begins, if not now.
    pub(in crate::fake_stripe::resources) anchor: Option<i64>,
    /// Fields that are shown as they are given.
    pub(in crate::fake_stripe::resources) shown: Value,
}

const EMPTY_AT_FIRST: &[&str] = &[
    "application",
    "application_fee_percent",
    "billing_cycle_anchor_config",
    "billing_thresholds",
    "cancel_at",
    "canceled_at",
    "customer_account",
    "days_until_due",
    "default_payment_method",
    "default_source",
    "description",
    "ended_at",
    "items",
    "latest_invoice",
    "next_pending_invoice_item_invoice",
    "on_behalf_of",
    "pause_collection",
    "pending_invoice_item_interval",
    "pending_setup_intent",
    "pending_update",
    "plan",
    "quantity",
    "schedule",
    "test_clock",
    "transfer_data",
];

/// Keeps a new subscription with its items; nobody is told yet.
pub(in crate::fake_stripe::resources) fn insert(
    world: &mut World,
    account: Option<String>,
    new: &New,
) -> String {
    let id = world.id("sub_");
    let now = world.now();
    let (interval, count) =
        new.items.first().and_then(|item| prices::interval(&item.price)).unwrap_or(("month", 1));
    let anchor = new.trial_end.or(new.anchor).unwrap_or(now);
    let end = new.trial_end.unwrap_or_else(|| calendar::next(anchor, interval, count, now));
    let currency = new.items.first().map(|item| item.price["currency"].clone()).unwrap_or_default();
    let mut subscription = json!({
        "id": id, "object": "subscription",
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
        "billing_cycle_anchor": anchor,
        "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible", "updated_at": now },
        "billing_schedules": [], "cancel_at_period_end": false,
        "cancellation_details": { "comment": null, "feedback": null, "reason": null },
        "collection_method": "charge_automatically", "created": now, "currency": currency, "customer": new.customer,
        "default_tax_rates": [], "discounts": [], "invoice_settings": {
            "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null,
            "issuer": { "type": "self" },
        },
        "livemode": false, "managed_payments": { "enabled": false },
        "metadata": {}, "payment_settings": {
            "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "off",
        },
        "start_date": now,
        "status": if new.trial_end.is_some() { "trialing" } else { "active" }, "trial_end": new.trial_end,
        "trial_settings": { "end_behavior": { "missing_payment_method": "create_invoice" } },
        "trial_start": new.trial_end.map(|_| now),
    });
    for name in EMPTY_AT_FIRST {
        subscription[*name] = Value::Null;
    }
    if let (Some(shown), Some(fields)) = (new.shown.as_object(), subscription.as_object_mut()) {
        fields.extend(shown.clone());
    }
    world.insert(account, subscription, json!({ "items": [] }));
    for item in &new.items {
        insert_item(world, &id, item, (now, end));
    }
    let items = items_list(world, &id);
    world.change(&id, |subscription| set_items(subscription, items));
    world.change(&new.customer, |customer| customer["currency"] = currency);
    id
}

/// Keeps one more item; the subscription does not show it yet.
pub(super) fn insert_item(world: &mut World, subscription: &str, item: &Item, period: (i64, i64)) -> String {
    let id = format!("si_{}", world.letters(14));
    let body = json!({
        "id": id, "object": "subscription_item", "billing_thresholds": null, "created": world.now(),
        "current_period_end": period.1, "current_period_start": period.0, "discounts": [], "metadata": item.metadata,
        "plan": prices::plan(&item.price), "price": item.price, "quantity": item.quantity,
        "subscription": subscription, "tax_rates": [],
    });
    world.insert(world.owner(subscription), body, Value::Null);
    let mut ids = item_ids(world, subscription);
    ids.push(id.clone());
    world.hide(subscription, "items", json!(ids));
    id
}

/// Forgets an item; the subscription shows it still.
pub(super) fn remove_item(world: &mut World, subscription: &str, item: &str) {
    let mut ids = item_ids(world, subscription);
    ids.retain(|id| id != item);
    world.hide(subscription, "items", json!(ids));
    world.remove(item);
}

/// The ids of the items, oldest first.
pub(super) fn item_ids(world: &World, subscription: &str) -> Vec<String> {
    let hidden = world.hidden(subscription);
    let ids = hidden["items"].as_array().into_iter().flatten();
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The items, oldest first.
pub(in crate::fake_stripe::resources) fn items(world: &World, subscription: &str) -> Vec<Value> {
    item_ids(world, subscription).iter().map(|id| world.body(id)).collect()
}

/// The list of the items as a subscription shows it.
pub(super) fn items_list(world: &World, subscription: &str) -> Value {
    let data = items(world, subscription);
    json!({
        "object": "list", "data": data, "has_more": false, "total_count": data.len(),
        "url": format!("/v1/subscription_items?subscription={subscription}"),
    })
}

/// Shows the items; the price of a single one stands at the top too, as it always did.
pub(super) fn set_items(subscription: &mut Value, items: Value) {
    let is_single = items["data"].as_array().is_some_and(|data| data.len() == 1);
    let first = if is_single { items["data"][0].clone() } else { Value::Null };
    subscription["plan"] = first["plan"].clone();
    subscription["quantity"] = first["quantity"].clone();
    subscription["items"] = items;
}

/// The period that a subscription is in: that of its items.
pub(in crate::fake_stripe::resources) fn period(subscription: &Value) -> (i64, i64) {
    let item = &subscription["items"]["data"][0];
    let at = |name: &str| item[name].as_i64().unwrap_or_default();
    (at("current_period_start"), at("current_period_end"))
}

/// Moves all items into a period; the subscription does not show it yet.
pub(super) fn set_period(world: &mut World, subscription: &str, period: (i64, i64)) {
    for id in item_ids(world, subscription) {
        world.change(&id, |item| {
            item["current_period_start"] = json!(period.0);
            item["current_period_end"] = json!(period.1);
        });
    }
}

/// How often it renews.
pub(super) fn interval(subscription: &Value) -> (String, i64) {
    let (interval, count) =
        prices::interval(&subscription["items"]["data"][0]["price"]).unwrap_or(("month", 1));
    (interval.to_owned(), count)
}
