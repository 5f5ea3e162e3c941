//! Changing what is subscribed to: items by their id, their price or their sku, and prices by our id, Stripe's or a sku.

use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::check::check_metadata;
use super::subscription::Facts;
use super::{Neighbours, RecurringPrice};
use crate::api::{ApiError, FieldError};
use crate::stripe::is_payment_method_id;
use crate::stripe::params::{
    ChangeSubscription, ItemChange, NewMetadata, PaymentBehavior, ProrationBehavior,
};

/// The body of `POST /v1/subscriptions/{name}`; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeSubscription)]
pub(super) struct Change {
    /// What changes of what is subscribed to; items that are not named stay as they are.
    #[serde(default)]
    pub items: Vec<ItemWish>,
    /// What a change in the middle of a period costs; `create_prorations` if absent.
    #[serde(default)]
    #[schema(inline)]
    pub proration_behavior: Option<ProrationBehavior>,
    /// What happens where the payment of the change does not succeed at once.
    #[serde(default)]
    #[schema(inline)]
    pub payment_behavior: Option<PaymentBehavior>,
    /// `pm_…`, what renewals are charged to from now on.
    #[serde(default)]
    pub default_payment_method: Option<String>,
    /// The merchant's own; an empty value takes a key away.
    #[serde(default)]
    pub metadata: NewMetadata,
}

/// A change of one item. Name it by `item`, or by `price` or `sku` where only one item has it; a price or a sku of the
/// catalogue that no item has adds one.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemWish {
    /// `si_…`
    #[serde(default)]
    pub item: Option<String>,
    /// The sku of the item. Beside `item`, or where no item has it, the sku of the one price of the catalogue that recurs
    /// and has it.
    #[serde(default)]
    pub sku: Option<String>,
    /// What it costs from now on: the id that `POST /v1/prices` answered, or Stripe's, `price_…`. Without an item that has
    /// it, another item is added.
    #[serde(default)]
    pub price: Option<String>,
    /// How many from now on; 0 takes the item away.
    #[serde(default)]
    pub quantity: Option<i64>,
}

impl Change {
    /// What can be seen without knowing the subscription.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut faults = Vec::new();
        let is_empty =
            self.items.is_empty() && self.default_payment_method.is_none() && self.metadata.is_empty();
        if is_empty {
            faults.push(FieldError::new(
                "items",
                "give what is to change: items, default_payment_method or metadata",
            ));
        }
        for (position, item) in self.items.iter().enumerate() {
            let field = |name: &str| format!("items[{position}].{name}");
            if item.quantity.is_some_and(|quantity| !(0..=999_999).contains(&quantity)) {
                faults
                    .push(FieldError::new(field("quantity"), "give 1 to 999999, or 0 to take the item away"));
            }
            if item.item.is_none() && item.sku.is_none() && item.price.is_none() {
                faults.push(FieldError::new(field("item"), "say which item: by item (si_…), sku or price"));
            } else if item.item.is_some() && item.sku.is_some() && item.price.is_some() {
                faults.push(FieldError::new(field("sku"), "give either sku or price beside item, not both"));
            } else if item.price.is_none()
                && item.quantity.is_none()
                && (item.item.is_none() || item.sku.is_none())
            {
                faults.push(FieldError::new(field("quantity"), "say what changes: quantity, price or both"));
            }
        }
        if self.default_payment_method.as_deref().is_some_and(|id| !is_payment_method_id(id)) {
            let why = "give a payment method of the customer's, pm_…";
            faults.push(FieldError::new("default_payment_method", why));
        }
        faults.extend(check_metadata(&self.metadata));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The same with the prices that it names as Stripe calls them.
    ///
    /// # Errors
    /// 422 with each name that stands for no price, or for one in another currency.
    pub async fn resolve(
        &self,
        conn: &mut PgConnection,
        neighbours: Neighbours,
        stripe_id: &str,
        facts: &Facts,
    ) -> Result<Self, ApiError> {
        let mut resolved = self.clone();
        let mut faults = Vec::new();
        for (position, wish) in resolved.items.iter_mut().enumerate() {
            let (field, found) = if let Some(price) = &wish.price {
                ("price", (neighbours.price)(conn, price).await?)
            } else if let Some(sku) = wish.sku.as_ref().filter(|sku| wish.adds(sku, facts)) {
                ("sku", (neighbours.price_of_sku)(conn, sku).await?)
            } else {
                continue;
            };
            match found.and_then(|price| in_currency(price, stripe_id, facts)) {
                Ok(price) => {
                    wish.price = Some(price);
                    if field == "sku" {
                        wish.sku = None;
                    }
                }
                Err(why) => faults.push(FieldError::new(format!("items[{position}].{field}"), why)),
            }
        }
        if faults.is_empty() { Ok(resolved) } else { Err(ApiError::invalid(faults)) }
    }

    /// What is asked of Stripe.
    pub fn params(&self, stripe_id: &str, facts: &Facts) -> Result<ChangeSubscription, ApiError> {
        let mut faults = Vec::new();
        let mut items = Vec::with_capacity(self.items.len());
        for (position, wish) in self.items.iter().enumerate() {
            match wish.params(facts) {
                Ok(item) => items.push(item),
                Err((field, why)) => faults.push(FieldError::new(
                    format!("items[{position}].{field}"),
                    format!("{stripe_id} {why}"),
                )),
            }
        }
        let taken = items.iter().filter(|item| item.deleted == Some(true)).count();
        let added = items.iter().filter(|item| item.id.is_none()).count();
        if taken > 0 && taken == facts.items.len() && added == 0 {
            let why =
                "a subscription keeps at least one item; cancel it with POST /v1/subscriptions/{id}/cancel";
            faults.push(FieldError::new("items", why));
        }
        if !faults.is_empty() {
            return Err(ApiError::invalid(faults));
        }
        Ok(ChangeSubscription {
            items,
            proration_behavior: self.proration_behavior,
            payment_behavior: self.payment_behavior,
            default_payment_method: self.default_payment_method.clone(),
            metadata: self.metadata.clone(),
            ..ChangeSubscription::default()
        })
    }
}

/// Stripe's name of a price, if it fits what is subscribed to. Of prices that were made elsewhere Stripe says whether.
fn in_currency(price: RecurringPrice, stripe_id: &str, facts: &Facts) -> Result<String, String> {
    match (price.currency, &facts.currency) {
        (Some(own), Some(currency)) if own != *currency => Err(format!(
            "this price is in {own}, and {stripe_id} in {currency}: a subscription has one currency, make a new one"
        )),
        _ => Ok(price.stripe_id),
    }
}

impl ItemWish {
    /// Whether its sku names a price of the catalogue, and not the item.
    fn adds(&self, sku: &str, facts: &Facts) -> bool {
        let is_known = facts.items.iter().any(|item| item.sku.as_deref() == Some(sku));
        self.quantity != Some(0) && (self.item.is_some() || !is_known)
    }

    fn params(&self, facts: &Facts) -> Result<ItemChange, (&'static str, String)> {
        let named = |field: &'static str, found: Vec<&super::subscription::Item>, what: &str| match found
            .as_slice()
        {
            [one] => Ok(one.id.clone()),
            [] => Err((field, format!("has no item with {what}"))),
            _ => Err((field, format!("has several items with {what}; say which by item, si_…"))),
        };
        let items = || facts.items.iter();
        let id = if let Some(id) = &self.item {
            Some(named("item", items().filter(|one| one.id == *id).collect(), &format!("the id {id}"))?)
        } else if let Some(sku) = &self.sku {
            let found = items().filter(|one| one.sku.as_deref() == Some(sku)).collect();
            Some(named("sku", found, &format!("the sku {sku}"))?)
        } else {
            let has_price = |one: &&super::subscription::Item| one.price == self.price;
            match items().filter(has_price).count() {
                0 => None,
                _ => Some(named("price", items().filter(has_price).collect(), "that price")?),
            }
        };
        let is_taken = self.quantity == Some(0);
        if is_taken && id.is_none() {
            return Err((
                "price",
                "has no item with that price, so there is nothing to take away".to_owned(),
            ));
        }
        Ok(ItemChange {
            id,
            price: self.price.clone().filter(|_| !is_taken),
            quantity: self.quantity.filter(|_| !is_taken),
            deleted: is_taken.then_some(true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::subscription::Item;
    use super::*;

    fn facts() -> Facts {
        let item = |id: &str, price: &str, sku: &str| Item {
            id: id.into(),
            price: Some(price.into()),
            sku: Some(sku.into()),
            quantity: Some(1),
            ..Item::default()
        };
        Facts {
            status: "active".into(),
            items: vec![item("si_1", "price_tea", "TEA"), item("si_2", "price_cup", "CUP")],
            ..Facts::default()
        }
    }

    fn change(text: &str) -> Result<ChangeSubscription, ApiError> {
        let change: Change = serde_json::from_str(text).unwrap();
        change.check().map_err(ApiError::invalid)?;
        change.params("sub_1", &facts())
    }

    #[test]
    fn items_are_found_by_id_sku_or_price_and_others_are_added() {
        let params = change(
            r#"{"items":[{"sku":"TEA","quantity":3},{"item":"si_2","price":"price_mug"},{"price":"price_new","quantity":2}]}"#,
        )
        .unwrap();

        let item = |id: Option<&str>, price: Option<&str>, quantity| ItemChange {
            id: id.map(str::to_owned),
            price: price.map(str::to_owned),
            quantity,
            deleted: None,
        };
        let wanted = [
            item(Some("si_1"), None, Some(3)),
            item(Some("si_2"), Some("price_mug"), None),
            item(None, Some("price_new"), Some(2)),
        ];
        assert_eq!(params.items, wanted);
    }

    #[test]
    fn a_quantity_of_none_takes_an_item_away_but_not_the_last() {
        let one = change(r#"{"items":[{"price":"price_cup","quantity":0}]}"#).unwrap();
        assert_eq!((one.items[0].id.as_deref(), one.items[0].deleted), (Some("si_2"), Some(true)));

        for bad in [
            r#"{"items":[{"sku":"TEA","quantity":0},{"sku":"CUP","quantity":0}]}"#,
            r#"{"items":[{"sku":"NONE","quantity":1}]}"#,
            r#"{"items":[{"item":"si_9","quantity":1}]}"#,
            r#"{"items":[{"price":"price_none","quantity":0}]}"#,
            r#"{"items":[{"sku":"TEA"}]}"#,
            r#"{"items":[{"quantity":1}]}"#,
            r#"{"items":[{"sku":"TEA","quantity":-1}]}"#,
            r#"{}"#,
        ] {
            assert!(change(bad).is_err(), "{bad}");
        }
    }
}
