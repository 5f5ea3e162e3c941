//! The API's calls about events and webhook endpoints.

use serde_json::{Map, Value, json};

use super::{ApiVersion, Deliveries, Endpoint, EventFilter};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::resources::{Answer, verb};
use crate::fake_stripe::world::World;

const CREATE: &str = "url! enabled_events:list! api_version connect:bool description metadata:map";
const UPDATE: &str = "url enabled_events:list disabled:bool description metadata:map";
const EVENTS: &str = "type types:list delivery_success:bool related_object";
/// How many types may be named at once.
const MOST_TYPES: usize = 20;

/// Answers what is about events or webhook endpoints.
pub(in crate::fake_stripe) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    let deliveries = &world.deliveries;
    Some(match (verb(call), segments) {
        ("get", ["events"]) => list_events(deliveries, call),
        ("get", ["events", id]) => retrieve_event(deliveries, call, id),
        ("post", ["events", id, "retry"]) => retry(deliveries, call, id),
        ("post", ["webhook_endpoints"]) => create(deliveries, call),
        ("get", ["webhook_endpoints"]) => list(deliveries, call),
        ("get", ["webhook_endpoints", id]) => retrieve(deliveries, call, id),
        ("post", ["webhook_endpoints", id]) => update(deliveries, call, id),
        ("delete", ["webhook_endpoints", id]) => delete(deliveries, call, id),
        _ => return None,
    })
}

fn list_events(deliveries: &Deliveries, call: &Call) -> Answer {
    let params = call.params(&format!("{} {EVENTS}", pages::SHAPE))?;
    let mut types = texts(&params, "types");
    if types.len() > MOST_TYPES {
        let message = format!("You can name at most {MOST_TYPES} types.");
        return Err(Failure::parameter("parameter_invalid_array", "types", message));
    }
    match params.text("type") {
        Some(_) if !types.is_empty() => {
            return Err(Failure::invalid("You may only specify one of these parameters: type, types."));
        }
        Some(one) => types.push(one.to_owned()),
        None => {}
    }
    let filter = EventFilter {
        types,
        delivery_success: params.get("delivery_success").and_then(Value::as_bool),
        account: call.account.clone(),
    };
    let mut events = deliveries.events(&filter);
    if let Some(related) = params.text("related_object") {
        events.retain(|event| event["data"]["object"]["id"] == related);
    }
    pages::page("/v1/events", &params, events)
}

fn retrieve_event(deliveries: &Deliveries, call: &Call, id: &str) -> Answer {
    call.params("")?;
    deliveries.event(id).ok_or_else(|| Failure::no_such("event", id, "id"))
}

/// What `stripe events resend` calls: to the sockets of the CLI, or to one endpoint.
fn retry(deliveries: &Deliveries, call: &Call, id: &str) -> Answer {
    let params = call.params("for_stripecli:bool webhook_endpoint account")?;
    let endpoint = params.text("webhook_endpoint");
    if let Some(endpoint) = endpoint {
        find(deliveries, endpoint, "webhook_endpoint")?;
    }
    let sent = deliveries.resend(id, endpoint, params.is_true("for_stripecli"));
    sent.ok_or_else(|| Failure::no_such("event", id, "id"))
}

fn create(deliveries: &Deliveries, call: &Call) -> Answer {
    let params = call.params(CREATE)?;
    let api_version = params.text("api_version").map(ApiVersion::parse).transpose().map_err(|error| {
        Failure::parameter("invalid_api_version", "api_version", format!("Invalid API version: {error}"))
    })?;
    let mut endpoint = Endpoint {
        connect: params.is_true("connect"),
        api_version,
        ..Endpoint::to(url(&params)?.unwrap_or_default())
    };
    apply(&mut endpoint, &params)?;
    let endpoint = deliveries.add_endpoint(endpoint).map_err(Failure::invalid)?;
    let mut shown = endpoint.json();
    shown["secret"] = json!(endpoint.secret);
    Ok(shown)
}

fn list(deliveries: &Deliveries, call: &Call) -> Answer {
    let params = call.params(pages::SHAPE)?;
    let endpoints = deliveries.endpoints().iter().map(Endpoint::json).collect();
    pages::page("/v1/webhook_endpoints", &params, endpoints)
}

fn retrieve(deliveries: &Deliveries, call: &Call, id: &str) -> Answer {
    call.params("")?;
    find(deliveries, id, "id").map(|endpoint| endpoint.json())
}

fn update(deliveries: &Deliveries, call: &Call, id: &str) -> Answer {
    let params = call.params(UPDATE)?;
    let mut changed = find(deliveries, id, "id")?;
    apply(&mut changed, &params)?;
    if let Some(url) = url(&params)? {
        changed.url = url;
    }
    changed.is_disabled = params.get("disabled").and_then(Value::as_bool).unwrap_or(changed.is_disabled);
    let shown = changed.json();
    deliveries.change_endpoint(id, |endpoint| *endpoint = changed);
    Ok(shown)
}

fn delete(deliveries: &Deliveries, call: &Call, id: &str) -> Answer {
    call.params("")?;
    find(deliveries, id, "id")?;
    deliveries.remove_endpoint(id);
    Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
}

fn find(deliveries: &Deliveries, id: &str, param: &str) -> Result<Endpoint, Failure> {
    let all = deliveries.endpoints();
    let found = all.into_iter().find(|endpoint| endpoint.id == id);
    found.ok_or_else(|| Failure::no_such("webhook_endpoint", id, param))
}

/// What creating and changing have in common.
fn apply(endpoint: &mut Endpoint, params: &Params) -> Result<(), Failure> {
    if params.get("enabled_events").is_some() {
        endpoint.enabled_events = texts(params, "enabled_events");
        if endpoint.enabled_events.is_empty() {
            return Err(Failure::missing("enabled_events"));
        }
    }
    if let Some(description) = params.get("description") {
        endpoint.description = description.as_str().map(str::to_owned);
    }
    let mut metadata = Value::Object(std::mem::take(&mut endpoint.metadata));
    params.merge_metadata(&mut metadata);
    endpoint.metadata = metadata.as_object().cloned().unwrap_or_else(Map::new);
    Ok(())
}

fn url(params: &Params) -> Result<Option<String>, Failure> {
    let Some(url) = params.text("url") else {
        return Ok(None);
    };
    let is_http = reqwest::Url::parse(url).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
    if is_http {
        Ok(Some(url.to_owned()))
    } else {
        Err(Failure::parameter(
            "url_invalid",
            "url",
            "Invalid URL: An explicit scheme (such as https) must be provided.",
        ))
    }
}

fn texts(params: &Params, name: &str) -> Vec<String> {
    let list = params.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
