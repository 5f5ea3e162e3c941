//! The price: what one of a product costs, once or each period.

use serde::Deserialize;

use super::{Metadata, NamedProduct, null_as_default};

/// A price.
#[derive(Clone, Debug, Deserialize)]
pub struct Price {
    /// `price_…`
    pub id: String,
    /// What it is the price of; absent in some places of old versions.
    #[serde(default)]
    pub product: Option<NamedProduct>,
    /// Three letters, lower case.
    #[serde(default)]
    pub currency: Option<String>,
    /// Minor units for one; none where it depends on the quantity.
    #[serde(default)]
    pub unit_amount: Option<i64>,
    /// How often it is asked for; none for once.
    #[serde(default)]
    pub recurring: Option<Recurring>,
    /// For the merchant.
    #[serde(default)]
    pub nickname: Option<String>,
    /// The merchant's own name for it.
    #[serde(default)]
    pub lookup_key: Option<String>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// How often a price is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Recurring {
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// How many of them make a period.
    #[serde(default = "one")]
    pub interval_count: i64,
}

fn one() -> i64 {
    1
}

impl Price {
    /// The merchant's name for what it sells, as far as Stripe tells: its own metadata, its lookup key, else the metadata
    /// of its product, where that was expanded.
    pub fn sku(&self) -> Option<&str> {
        let named = |text: &str| !text.trim().is_empty();
        let of_product = match &self.product {
            Some(NamedProduct::Whole(product)) => product.metadata.get("sku"),
            _ => None,
        };
        let own = self.metadata.get("sku").filter(|sku| named(sku));
        let key = self.lookup_key.as_ref().filter(|key| named(key));
        own.or(key).or(of_product.filter(|sku| named(sku))).map(|sku| sku.trim())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_price_is_called_by_its_own_sku_then_its_key_then_its_products() {
        let sku = |price: Value| {
            let price: Price = serde_json::from_value(price).unwrap();
            price.sku().map(str::to_owned)
        };
        let product = json!({ "id": "prod_1", "metadata": { "sku": "OF-PRODUCT" } });
        let own = json!({ "sku": " OWN " });
        for (price, expected) in [
            (json!({ "id": "p", "metadata": own, "lookup_key": "KEY", "product": product }), Some("OWN")),
            (
                json!({ "id": "p", "metadata": { "sku": " " }, "lookup_key": "KEY", "product": product }),
                Some("KEY"),
            ),
            (
                json!({ "id": "p", "metadata": {}, "lookup_key": null, "product": product }),
                Some("OF-PRODUCT"),
            ),
            (json!({ "id": "p", "product": "prod_1" }), None),
            (json!({ "id": "p", "product": { "id": "prod_1", "metadata": null } }), None),
        ] {
            assert_eq!(sku(price.clone()).as_deref(), expected, "{price}");
        }
    }
}
