//! `GET /v1/…/search`: by metadata and some fields, joined by AND.

use serde_json::{Value, json};

use super::Answer;
use crate::fake_stripe::frame::call::Call;
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::world::World;

/// The fields that a clause may name, as far as an object has them.
const FIELDS: [&str; 12] = [
    "status",
    "customer",
    "currency",
    "product",
    "lookup_key",
    "type",
    "email",
    "name",
    "phone",
    "number",
    "subscription",
    "active",
];

/// Finds objects. Unlike Stripe's, which takes up to a minute to know of a new object, this knows at once.
pub(super) fn search(world: &World, call: &Call, kind: &str) -> Answer {
    let params = call.params("query! limit:int page")?;
    let query = params.text("query").unwrap_or_default();
    let wanted: Vec<(String, String)> = query
        .split(" AND ")
        .map(|clause| clause_of(clause.trim()).ok_or_else(|| {
            let message = format!(
                "The local Stripe cannot read the search clause `{clause}`: it knows metadata['key']:'value' and \
                 field:'value' of {}, joined by AND.",
                FIELDS.join(", ")
            );
            Failure::parameter("parameter_invalid", "query", message)
        }))
        .collect::<Result<_, _>>()?;
    let mut found = world.all(call.account.as_deref(), kind);
    found.retain(|object| {
        wanted.iter().all(|(pointer, value)| match object.pointer(pointer) {
            Some(Value::String(text)) => text == value,
            Some(Value::Bool(flag)) => flag.to_string() == *value,
            _ => false,
        })
    });
    let limit = usize::try_from(params.int("limit").unwrap_or(10)).unwrap_or(10).clamp(1, 100);
    let has_more = found.len() > limit;
    found.truncate(limit);
    Ok(json!({
        "object": "search_result", "data": found, "has_more": has_more, "next_page": null,
        "url": format!("/v1/{kind}s/search"),
    }))
}

fn clause_of(clause: &str) -> Option<(String, String)> {
    let (field, value) = clause.rsplit_once(':')?;
    let unquoted = |text: &str| {
        let quote = text.chars().next().filter(|first| "'\"".contains(*first))?;
        text.strip_prefix(quote)?.strip_suffix(quote).map(str::to_owned)
    };
    let pointer = match field.strip_prefix("metadata[") {
        Some(key) => {
            format!("/metadata/{}", unquoted(key.strip_suffix(']')?)?.replace('~', "~0").replace('/', "~1"))
        }
        None if FIELDS.contains(&field) => format!("/{field}"),
        None => return None,
    };
    Some((pointer, unquoted(value)?))
}
