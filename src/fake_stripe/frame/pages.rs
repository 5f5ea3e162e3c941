//! Lists: newest first, `limit`, `starting_after`, `ending_before`, `created[gte]` and the like.

use serde_json::{Value, json};

use super::call::Params;
use super::failure::Failure;

/// What every list takes besides its own filters.
pub(in crate::fake_stripe) const SHAPE: &str =
    "limit:int starting_after ending_before created:any include:list";

/// A page of the objects that fit, which are given newest first.
///
/// # Errors
/// The limit is not 1 to 100, or the cursor is not among the objects.
pub(in crate::fake_stripe) fn page(
    url: &str,
    params: &Params,
    objects: Vec<Value>,
) -> Result<Value, Failure> {
    let limit = params.int("limit").unwrap_or(10);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
        let message = "Invalid limit: it must be between 1 and 100.";
        Failure::parameter("parameter_invalid_integer", "limit", message)
    })?;
    let within = created_filter(params)?;
    let objects: Vec<Value> =
        objects.into_iter().filter(|object| within(object["created"].as_i64().unwrap_or(0))).collect();
    let place = |name: &str| match params.text(name) {
        None => Ok(None),
        Some(id) => objects
            .iter()
            .position(|object| object["id"] == id)
            .map(Some)
            .ok_or_else(|| Failure::no_such(singular(url), id, name)),
    };
    let (data, has_more): (Vec<Value>, bool) = match (place("starting_after")?, place("ending_before")?) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid("You can only use one of starting_after or ending_before."));
        }
        (None, Some(end)) => {
            let start = end.saturating_sub(limit);
            (objects[start..end].to_vec(), start > 0)
        }
        (after, None) => {
            let start = after.map_or(0, |after| after + 1);
            let end = (start + limit).min(objects.len());
            (objects[start..end].to_vec(), end < objects.len())
        }
    };
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}

/// An empty or whole list inside an object.
pub(in crate::fake_stripe) fn inner(url: &str, data: &[Value]) -> Value {
    json!({ "object": "list", "data": data, "has_more": false, "total_count": data.len(), "url": url })
}

/// The first ten of a list inside an object.
pub(in crate::fake_stripe) fn first(url: &str, data: &[Value]) -> Value {
    let shown = data.get(..10).unwrap_or(data);
    json!({ "object": "list", "data": shown, "has_more": shown.len() < data.len(), "url": url })
}

/// The name of one thing in the list at this address.
fn singular(url: &str) -> &str {
    url.trim_start_matches("/v1/").trim_end_matches('s')
}

fn created_filter(params: &Params) -> Result<impl Fn(i64) -> bool, Failure> {
    let mut bounds: Vec<(String, i64)> = Vec::new();
    match params.get("created") {
        None | Some(Value::Null) => {}
        Some(Value::Object(given)) => {
            for (bound, value) in given {
                bounds.push((bound.clone(), seconds(value)?));
            }
        }
        Some(value) => bounds.push(("eq".to_owned(), seconds(value)?)),
    }
    if let Some((bound, _)) =
        bounds.iter().find(|(bound, _)| !["eq", "gt", "gte", "lt", "lte"].contains(&&**bound))
    {
        let param = format!("created[{bound}]");
        let message = format!("Received unknown parameter: {param}");
        return Err(Failure::parameter("parameter_unknown", &param, message));
    }
    Ok(move |created: i64| {
        bounds.iter().all(|(bound, at)| match bound.as_str() {
            "gt" => created > *at,
            "gte" => created >= *at,
            "lt" => created < *at,
            "lte" => created <= *at,
            _ => created == *at,
        })
    })
}

fn seconds(value: &Value) -> Result<i64, Failure> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let message = format!("Invalid timestamp: {value}");
        Failure::parameter("parameter_invalid_integer", "created", message)
    })
}
