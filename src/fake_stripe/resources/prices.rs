//! Prices: what a product costs, once or each period. Per unit only: no tiers, no meters, no amount of choice.

use serde_json::{Value, json};

use super::payment_intents::check_currency;
use super::{Answer, products, search, verb};
use crate::fake_stripe::frame::call::{Call, Params};
use crate::fake_stripe::frame::failure::Failure;
use crate::fake_stripe::frame::{pages, shape};
use crate::fake_stripe::world::World;

const NEW: &str = "active:bool billing_scheme currency! currency_options{} custom_unit_amount{} lookup_key metadata:map \
                   nickname product product_data{name! active:bool description id images:list metadata:map \
                   statement_descriptor tax_code unit_label} recurring{interval! interval_count:int meter \
                   trial_period_days:int usage_type} tax_behavior tiers:list tiers_mode transfer_lookup_key:bool \
                   transform_quantity{} unit_amount:int unit_amount_decimal";

const CHANGE: &str =
    "active:bool currency_options{} lookup_key metadata:map nickname tax_behavior transfer_lookup_key:bool";

const NOT_MODELLED: &[&str] =
    &["currency_options", "custom_unit_amount", "tiers", "transform_quantity", "recurring.meter"];

/// How often a price may recur at most: three years.
const LONGEST: [(&str, i64); 4] = [("day", 1095), ("week", 156), ("month", 36), ("year", 3)];

pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    Some(match (verb(call), segments) {
        ("post", ["prices"]) => create(world, call),
        ("get", ["prices"]) => list(world, call),
        ("get", ["prices", "search"]) => search::search(world, call, "price"),
        ("get", ["prices", id]) => call.params("").and_then(|_| world.find(call, "price", id, "id")),
        ("post", ["prices", id]) => update(world, call, id),
        _ => return None,
    })
}

fn create(world: &mut World, call: &Call) -> Answer {
    let params = call.params(NEW)?;
    let id = insert(world, call.account.as_deref(), &params, "", true)?;
    Ok(world.body(&id))
}

/// Makes a price of inline data, such as `price_data` of a line; it and its product are inactive then.
///
/// # Errors
/// As for a call to create one; parameters are named under `above`.
pub(super) fn make(
    world: &mut World,
    account: Option<&str>,
    data: &Value,
    above: &str,
    is_active: bool,
) -> Result<String, Failure> {
    let given = data.as_object().cloned().unwrap_or_default();
    let params = Params(shape::read_under(above, NEW, &given)?);
    insert(world, account, &params, above, is_active)
}

/// The price that an item of a list names (`price`) or describes (`price_data`).
///
/// # Errors
/// It does neither, both, or names one that is not there or inactive.
pub(super) fn of_item(
    world: &mut World,
    account: Option<&str>,
    item: &Params,
    above: &str,
) -> Result<Value, Failure> {
    let param = |name: &str| format!("{above}[{name}]");
    match (item.text("price"), item.get("price_data").filter(|data| data.is_object())) {
        (Some(_), Some(_)) => Err(Failure::invalid(format!(
            "You may only specify one of these parameters: {}, {}.",
            param("price"),
            param("price_data")
        ))),
        (Some(price), None) => {
            let price = world.find_of(account, "price", price, &param("price"))?;
            if price["active"] == false {
                let message = "The price specified is inactive. This field only accepts active prices.";
                return Err(Failure::invalid(message).param(&param("price")));
            }
            Ok(price)
        }
        (None, Some(data)) => {
            let id = make(world, account, data, &param("price_data"), false)?;
            Ok(world.body(&id))
        }
        (None, None) => Err(Failure::missing(&param("price"))),
    }
}

fn insert(
    world: &mut World,
    account: Option<&str>,
    params: &Params,
    above: &str,
    is_active: bool,
) -> Result<String, Failure> {
    let param = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}[{name}]") };
    if let Some(name) =
        NOT_MODELLED.iter().find(|name| params.get(name).is_some_and(|given| !given.is_null()))
    {
        return Err(Failure::not_modelled(&format!("`{name}` of prices")));
    }
    if params.text("billing_scheme").is_some_and(|scheme| scheme != "per_unit") {
        return Err(Failure::not_modelled("prices in tiers"));
    }
    let currency = params.text("currency").unwrap_or_default().to_lowercase();
    check_currency(&currency)?;
    let decimal = amount_of(params, &param)?;
    check_recurring(params, &param)?;
    let lookup_key = params.value("lookup_key");
    free_lookup_key(world, account, params, None)?;
    let product = match (params.text("product"), params.get("product_data").filter(|data| data.is_object())) {
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: product, product_data.";
            return Err(Failure::invalid(message));
        }
        (Some(product), None) => {
            world.find_of(account, "product", product, &param("product"))?;
            product.to_owned()
        }
        (None, Some(data)) => {
            let data = Params(data.as_object().cloned().unwrap_or_default());
            products::make(world, account, &data, is_active)?
        }
        (None, None) => return Err(Failure::missing(&param("product"))),
    };
    let recurring = match params.get("recurring").filter(|recurring| recurring.is_object()) {
        Some(recurring) => json!({
            "interval": recurring["interval"], "interval_count": recurring["interval_count"].as_i64().unwrap_or(1),
            "meter": null, "trial_period_days": null,
            "usage_type": recurring["usage_type"].as_str().unwrap_or("licensed"),
        }),
        None => Value::Null,
    };
    let id = world.id("price_");
    let price = json!({
        "id": id, "object": "price", "active": params.get("active").and_then(Value::as_bool).unwrap_or(is_active),
        "billing_scheme": "per_unit", "created": world.now(), "currency": currency, "custom_unit_amount": null,
        "livemode": false, "lookup_key": lookup_key, "metadata": params.metadata(),
        "nickname": params.value("nickname"), "product": product, "recurring": recurring,
        "tax_behavior": params.text("tax_behavior").unwrap_or("unspecified"), "tiers_mode": null,
        "transform_quantity": null, "type": if recurring.is_null() { "one_time" } else { "recurring" },
        "unit_amount": decimal.parse::<i64>().ok(), "unit_amount_decimal": decimal,
    });
    world.insert(account.map(str::to_owned), price, Value::Null);
    world.emit("price.created", &id);
    Ok(id)
}

/// What a unit costs, as a decimal of the currency's smallest unit.
fn amount_of(params: &Params, param: &impl Fn(&str) -> String) -> Result<String, Failure> {
    let negative = || {
        let message = "Invalid non-negative integer";
        Failure::parameter("parameter_invalid_integer", &param("unit_amount"), message)
    };
    match (params.int("unit_amount"), params.text("unit_amount_decimal")) {
        (Some(_), Some(_)) => Err(Failure::invalid(
            "You may only specify one of these parameters: unit_amount, unit_amount_decimal.",
        )),
        (Some(amount), None) if amount < 0 => Err(negative()),
        (Some(amount), None) => Ok(amount.to_string()),
        (None, Some(decimal)) => match scaled(decimal) {
            Some(amount) if amount >= 0 => Ok(plain(decimal)),
            Some(_) => Err(negative()),
            None => {
                let message =
                    format!("Invalid decimal: {decimal}; must contain at maximum twelve decimal places.");
                Err(Failure::parameter("parameter_invalid", &param("unit_amount_decimal"), message))
            }
        },
        (None, None) => Err(Failure::missing(&param("unit_amount"))),
    }
}

fn check_recurring(params: &Params, param: &impl Fn(&str) -> String) -> Result<(), Failure> {
    let Some(interval) = params.text("recurring.interval") else {
        return Ok(());
    };
    let count = params.int("recurring.interval_count").unwrap_or(1);
    let Some((_, most)) = LONGEST.iter().find(|(known, _)| *known == interval) else {
        let message =
            format!("Invalid recurring[interval]: must be one of day, week, month, or year, not {interval}");
        return Err(Failure::parameter("parameter_invalid", &param("recurring[interval]"), message));
    };
    if !(1..=*most).contains(&count) {
        let message = format!(
            "Invalid recurring[interval_count]: a price recurs at least every three years, so between 1 and {most} \
             for `{interval}`."
        );
        let name = param("recurring[interval_count]");
        return Err(Failure::parameter("parameter_invalid_integer", &name, message));
    }
    if params.text("recurring.usage_type").is_some_and(|usage| usage != "licensed") {
        return Err(Failure::not_modelled("metered prices"));
    }
    Ok(())
}

/// A lookup key leads to one price; `transfer_lookup_key` takes it from the other.
fn free_lookup_key(
    world: &mut World,
    account: Option<&str>,
    params: &Params,
    of: Option<&str>,
) -> Result<(), Failure> {
    let Some(key) = params.text("lookup_key") else {
        return Ok(());
    };
    let holder = world.all(account, "price").into_iter().find(|price| price["lookup_key"] == key);
    let Some(holder) = holder.as_ref().and_then(|holder| holder["id"].as_str()) else {
        return Ok(());
    };
    if of == Some(holder) {
        return Ok(());
    }
    if !params.is_true("transfer_lookup_key") {
        let message = format!("A price (`{holder}`) already uses that lookup key.");
        return Err(Failure::invalid(message).code("resource_already_exists").param("lookup_key"));
    }
    world.update(holder, "price.updated", |price| price["lookup_key"] = Value::Null);
    Ok(())
}

fn list(world: &World, call: &Call) -> Answer {
    let filters = "active:bool currency lookup_keys:list product recurring{interval usage_type meter} type";
    let params = call.params(&format!("{} {filters}", pages::SHAPE))?;
    let mut prices = world.all(call.account.as_deref(), "price");
    prices.retain(|price| {
        super::fits(price, &params, &["currency", "product", "type"])
            && params.get("active").is_none_or(|wanted| price["active"] == *wanted)
            && params
                .get("lookup_keys")
                .and_then(Value::as_array)
                .is_none_or(|keys| keys.contains(&price["lookup_key"]))
            && params.text("recurring.interval").is_none_or(|wanted| price["recurring"]["interval"] == wanted)
    });
    pages::page("/v1/prices", &params, prices)
}

fn update(world: &mut World, call: &Call, id: &str) -> Answer {
    let params = call.params(CHANGE)?;
    world.find(call, "price", id, "id")?;
    free_lookup_key(world, call.account.as_deref(), &params, Some(id))?;
    world.update(id, "price.updated", |price| {
        params.copy_into(price, &["active", "lookup_key", "nickname", "tax_behavior"]);
        params.merge_metadata(&mut price["metadata"]);
    });
    Ok(world.body(id))
}

/// What so many units cost, rounded half up.
pub(super) fn amount(price: &Value, quantity: i64) -> i64 {
    let unit = price["unit_amount_decimal"].as_str().and_then(scaled).unwrap_or_default();
    let whole = unit * i128::from(quantity);
    i64::try_from((whole + SCALE / 2).div_euclid(SCALE)).unwrap_or(i64::MAX)
}

/// The interval and its count; none for what is paid once.
pub(super) fn interval(price: &Value) -> Option<(&str, i64)> {
    let recurring = &price["recurring"];
    Some((recurring["interval"].as_str()?, recurring["interval_count"].as_i64().unwrap_or(1)))
}

/// The name of the product, for the lines that people see.
pub(super) fn product_name(world: &World, price: &Value) -> String {
    let product = world.body(price["product"].as_str().unwrap_or_default());
    product["name"].as_str().unwrap_or("Deleted product").to_owned()
}

/// The plan that older integrations see behind a recurring price.
pub(super) fn plan(price: &Value) -> Value {
    let Some((interval, count)) = interval(price) else {
        return Value::Null;
    };
    json!({
        "id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"], "billing_scheme": "per_unit", "created": price["created"],
        "currency": price["currency"], "interval": interval, "interval_count": count, "livemode": false,
        "metadata": price["metadata"], "meter": null, "nickname": price["nickname"], "product": price["product"],
        "tiers_mode": null, "transform_usage": null, "trial_period_days": null, "usage_type": "licensed",
    })
}

/// Twelve decimal places.
const SCALE: i128 = 1_000_000_000_000;

fn scaled(decimal: &str) -> Option<i128> {
    let (sign, digits) = decimal.strip_prefix('-').map_or((1, decimal), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |text: &str| text.chars().all(|letter| letter.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 12
        || fraction.len() > 12
        || !are_digits(whole)
        || !are_digits(fraction)
    {
        return None;
    }
    format!("{whole}{fraction:0<12}").parse::<i128>().ok().map(|number| sign * number)
}

/// Without zeros that say nothing.
fn plain(decimal: &str) -> String {
    match decimal.split_once('.') {
        Some(_) => decimal.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => decimal.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::amount;

    #[test]
    fn parts_of_a_cent_are_rounded_once_for_the_whole_line() {
        for (unit, quantity, total) in [("12.5", 2, 25), ("0.4", 1, 0), ("0.5", 1, 1), ("1500", 3, 4500)] {
            assert_eq!(
                amount(&json!({ "unit_amount_decimal": unit }), quantity),
                total,
                "{unit} x {quantity}"
            );
        }
    }
}
