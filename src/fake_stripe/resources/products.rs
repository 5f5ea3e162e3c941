//! Products: what is sold. What it costs is said by prices.

use serde_json::{Value, json};

use super::{Answer, prices, search, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::pages;
use crate::fake_stripe::world::World;

const SHAPE: &str = "active:bool default_price default_price_data{} description id images:list marketing_features:list \
                     metadata:map name package_dimensions:any shippable:bool statement_descriptor tax_code type \
                     unit_label url";

const COPIED: &[&str] = &[
    "active",
    "default_price",
    "description",
    "marketing_features",
    "name",
    "package_dimensions",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "unit_label",
    "url",
];

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["products"]) => create(world, call),
        ("get", ["products"]) => list(world, call),
        ("get", ["products", "search"]) => search::search(world, call, "product"),
        ("get", ["products", id]) => call.params("").and_then(|_| world.find(call, "product", id, "id")),
        ("post", ["products", id]) => update(world, call, id),
        ("delete", ["products", id]) => delete(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(SHAPE)?;
    let id = make(world, call.account.as_deref(), &params, true)?;
    if let Some(data) = params.get("default_price_data").filter(|data| data.is_object()) {
        let mut data = data.clone();
        data["product"] = json!(id);
        let price = prices::make(world, call.account.as_deref(), &data, "default_price_data", true)?;
        world.change(&id, |product| product["default_price"] = json!(price));
    }
    Ok(world.body(&id))
}

/// Makes a product; those of inline data are inactive.
///
/// # Errors
/// It has no name, or its id is taken.
pub(super) fn make(
    world: &mut World,
    account: Option<&str>,
    params: &Params,
    is_active: bool,
) -> Result<String, Failure> {
    if params.text("name").is_none() {
        return Err(Failure::missing("name"));
    }
    let id = match params.text("id") {
        Some(id) if !world.body(id).is_null() => {
            return Err(Failure::invalid("Product already exists.")
                .code("resource_already_exists")
                .param("id"));
        }
        Some(id) => id.to_owned(),
        None => format!("prod_{}", world.letters(14)),
    };
    let now = world.now();
    let mut product = json!({
        "id": id, "object": "product", "active": is_active, "attributes": [], "created": now, "default_price": null,
        "description": null, "images": params.get("images").cloned().unwrap_or(json!([])), "livemode": false,
        "marketing_features": [], "metadata": params.metadata(), "name": null, "package_dimensions": null,
        "shippable": null, "statement_descriptor": null, "tax_code": null, "type": "service", "unit_label": null,
        "updated": now, "url": null,
    });
    params.copy_into(&mut product, COPIED);
    params.copy_into(&mut product, &["type"]);
    world.insert(account.map(str::to_owned), product, Value::Null);
    world.emit("product.created", &id);
    Ok(id)
}

fn list(world: &World, call: &Call) -> Answer {
    let params = call.params(&format!("{} active:bool ids:list shippable:bool type url", pages::SHAPE))?;
    let mut products = world.all(call.account.as_deref(), "product");
    products.retain(|product| {
        product["deleted"].is_null()
            && super::fits(product, &params, &["type", "url"])
            && ["active", "shippable"].iter().all(|name| {
                params.get(name).is_none_or(|wanted| wanted.is_null() || product[*name] == *wanted)
            })
            && params.get("ids").and_then(Value::as_array).is_none_or(|ids| ids.contains(&product["id"]))
    });
    pages::page("/v1/products", &params, products)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(SHAPE)?;
    world.find(call, "product", id, "id")?;
    if let Some(price) = params.text("default_price") {
        let price = world.find(call, "price", price, "default_price")?;
        if price["product"] != id {
            let message = "The price specified for `default_price` belongs to another product.";
            return Err(Failure::invalid(message).param("default_price"));
        }
    }
    let now = world.now();
    world.update(id, "product.updated", |product| {
        params.copy_into(product, COPIED);
        params.copy_into(product, &["images"]);
        params.merge_metadata(&mut product["metadata"]);
        product["updated"] = json!(now);
    });
    Ok(world.body(id))
}

fn delete(world: &mut World, call: &Call, id: &str) -> Answer {
    call.params("")?;
    world.find(call, "product", id, "id")?;
    let has_prices = world.all(call.account.as_deref(), "price").iter().any(|price| price["product"] == id);
    if has_prices {
        let message = "This product cannot be deleted because it has one or more user-created prices.";
        return Err(Failure::invalid(message));
    }
    world.emit("product.deleted", id);
    world.remove(id);
    Ok(json!({ "id": id, "object": "product", "deleted": true }))
}
