//! Payment Links: addresses that open a new Checkout Session for whoever visits them.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::lines;
use crate::fake_stripe::frame::auth::Key;
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::resources::{Answer, verb};
use crate::fake_stripe::world::World;

const NEW: &str = "after_completion{type! redirect{url!} hosted_confirmation{custom_message}} allow_promotion_codes:bool \
                   application_fee_amount:int application_fee_percent automatic_tax{enabled:bool!} \
                   billing_address_collection consent_collection{} currency custom_fields:any custom_text{} \
                   customer_creation inactive_message invoice_creation{enabled:bool! invoice_data{description footer \
                   metadata:map}} line_items:any metadata:map name_collection{} on_behalf_of optional_items:any \
                   payment_intent_data:any payment_method_collection payment_method_options:any \
                   payment_method_types:list phone_number_collection{enabled:bool!} \
                   restrictions{completed_sessions{limit:int!}} shipping_address_collection{allowed_countries:list!} \
                   shipping_options:any submit_type subscription_data:any tax_id_collection{} transfer_data{destination! \
                   amount:int}";

const UPDATE: &str = "active:bool after_completion{type! redirect{url!} hosted_confirmation{custom_message}} \
                      inactive_message metadata:map restrictions{completed_sessions{limit:int!}}";

const EMPTY_AT_FIRST: &[&str] = &[
    "application",
    "application_fee_amount",
    "application_fee_percent",
    "consent_collection",
    "inactive_message",
    "invoice_creation",
    "on_behalf_of",
    "payment_intent_data",
    "payment_method_types",
    "restrictions",
    "shipping_address_collection",
    "subscription_data",
    "transfer_data",
];

/// What a session takes over as its link has it.
const HANDED_ON: &[&str] = &[
    "billing_address_collection",
    "customer_creation",
    "invoice_creation",
    "metadata",
    "payment_intent_data",
    "payment_method_collection",
    "payment_method_types",
    "phone_number_collection",
    "shipping_address_collection",
    "submit_type",
    "subscription_data",
];

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["payment_links"]) => create(world, call),
        ("get", ["payment_links"]) => list(world, call),
        ("get", ["payment_links", id]) => {
            call.params("").and_then(|_| world.find(call, "payment_link", id, "id"))
        }
        ("post", ["payment_links", id]) => update(world, call, id),
        ("get", ["payment_links", id, "line_items"]) => line_items(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(NEW)?;
    for name in ["custom_fields", "optional_items", "shipping_options", "application_fee_percent"] {
        if params.get(name).is_some_and(|value| !value.is_null()) {
            return Err(Failure::not_modelled(&format!("`{name}` of Payment Links")));
        }
    }
    let lines = lines::read(world, call, &params)?;
    let mode = if lines.iter().any(lines::is_recurring) { "subscription" } else { "payment" };
    let (id, code) = (world.id("plink_"), world.letters(14));
    let mut link = json!({
        "id": id, "object": "payment_link", "active": true,
        "after_completion": { "hosted_confirmation": { "custom_message": null }, "type": "hosted_confirmation" },
        "allow_promotion_codes": false, "automatic_tax": { "enabled": false, "liability": null },
        "billing_address_collection": "auto", "currency": lines[0]["currency"], "custom_fields": [],
        "custom_text": {
            "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
        },
        "customer_creation": "if_required", "livemode": false, "metadata": params.metadata(),
        "payment_method_collection": "always", "phone_number_collection": { "enabled": false },
        "shipping_options": [], "submit_type": "auto", "tax_id_collection": { "enabled": false, "required": "never" },
        "url": format!("{}/_fake/pages/links/test_{code}", world.base),
    });
    for name in EMPTY_AT_FIRST {
        link[*name] = Value::Null;
    }
    let shown =
        ["after_completion", "application_fee_amount", "inactive_message", "on_behalf_of", "transfer_data"];
    params.copy_into(&mut link, &shown);
    params.copy_into(&mut link, HANDED_ON);
    link["metadata"] = params.metadata();
    set_restrictions(&mut link, &params);
    let hidden = json!({ "lines": lines, "mode": mode, "code": format!("test_{code}"), "given": call.given });
    world.insert(call.account.clone(), link, hidden);
    world.emit("payment_link.created", &id);
    Ok(world.body(&id))
}

fn set_restrictions(link: &mut Value, params: &Params) {
    if let Some(limit) = params.int("restrictions.completed_sessions.limit") {
        let count = link["restrictions"]["completed_sessions"]["count"].as_i64().unwrap_or_default();
        link["restrictions"] = json!({ "completed_sessions": { "count": count, "limit": limit } });
    }
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} active:bool", pages::SHAPE))?;
    let mut links = world.all(call.account.as_deref(), "payment_link");
    links.retain(|link| params.get("active").is_none_or(|active| link["active"] == *active));
    pages::page("/v1/payment_links", &params, links)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(UPDATE)?;
    world.find(call, "payment_link", id, "id")?;
    world.change(id, |link| {
        params.copy_into(link, &["active", "after_completion", "inactive_message"]);
        params.merge_metadata(&mut link["metadata"]);
        set_restrictions(link, &params);
    });
    world.emit("payment_link.updated", id);
    Ok(world.body(id))
}

fn line_items(world: &World, call: &Call, id: &str) -> Answer {
    let params = call.params(pages::SHAPE)?;
    world.find(call, "payment_link", id, "id")?;
    let lines = world.hidden(id)["lines"].as_array().cloned().unwrap_or_default();
    pages::page(&format!("/v1/payment_links/{id}/line_items"), &params, lines)
}

/// Somebody visits a link: the new session, or what to tell them.
///
/// # Errors
/// There is no such link, or it is not active any more.
pub(in crate::fake_stripe) fn open(
    world: &mut World,
    code: &str,
    query: &[(&str, &str)],
) -> Result<Value, String> {
    let link = world.find_hidden("payment_link", "code", code).ok_or("There is no such Payment Link.")?;
    if link["active"] != true {
        let message = link["inactive_message"].as_str().unwrap_or("This link is no longer active.");
        return Err(message.to_owned());
    }
    let id = link["id"].as_str().unwrap_or_default();
    let hidden = world.hidden(id);
    let mut given: Map<String, Value> = hidden["given"].as_object().cloned().unwrap_or_default();
    given.retain(|name, _| HANDED_ON.contains(&name.as_str()));
    for name in ["transfer_data", "on_behalf_of", "application_fee_amount"] {
        if let Some(value) = hidden["given"].get(name) {
            let data = given.entry("payment_intent_data").or_insert_with(|| json!({}));
            data[name] = value.clone();
        }
    }
    let lines = hidden["lines"].as_array().cloned().unwrap_or_default();
    let lines: Vec<Value> = lines
        .into_iter()
        .map(|mut line| {
            line["id"] = json!(world.id("li_"));
            line
        })
        .collect();
    given.insert("mode".to_owned(), hidden["mode"].clone());
    for (name, field) in
        [("client_reference_id", "client_reference_id"), ("prefilled_email", "customer_email")]
    {
        if let Some((_, value)) = query.iter().find(|(key, value)| *key == name && !value.is_empty()) {
            given.insert(field.to_owned(), json!(value));
        }
    }
    if let Some(url) = link["after_completion"]["redirect"]["url"].as_str() {
        given.insert("success_url".to_owned(), json!(url));
    }
    let call = Call {
        method: Method::POST,
        path: "/v1/checkout/sessions".to_owned(),
        given,
        expand: Vec::new(),
        account: world.owner(id),
        key: Key::Secret,
    };
    let opened =
        call.params(super::NEW).and_then(|params| super::open(world, &call, &params, &lines, Some(id)));
    let session =
        opened.map_err(|failure| failure.error["message"].as_str().unwrap_or_default().to_owned())?;
    Ok(world.body(&session))
}

/// A session of a link was completed: a link for so many is closed after the last.
pub(super) fn count(world: &mut World, id: &str) {
    world.change(id, |link| {
        let Some(limit) = link["restrictions"]["completed_sessions"]["limit"].as_i64() else { return };
        let count = link["restrictions"]["completed_sessions"]["count"].as_i64().unwrap_or_default() + 1;
        link["restrictions"]["completed_sessions"]["count"] = json!(count);
        if count >= limit {
            link["active"] = json!(false);
        }
    });
}
