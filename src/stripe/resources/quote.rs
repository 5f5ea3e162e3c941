//! The quote: an offer to a customer. Its shape has only grown since 2020.

use serde::Deserialize;

use super::{Customer, List, Metadata, Price, null_as_default};
use crate::stripe::Id;

/// A quote. Amounts are in minor units of `currency`.
#[derive(Clone, Debug, Deserialize)]
pub struct Quote {
    /// `qt_…`
    pub id: String,
    /// `draft`, `open`, `accepted` or `canceled`.
    pub status: String,
    /// What the customer knows it by; none for a draft.
    #[serde(default)]
    pub number: Option<String>,
    /// To whom.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// Three letters, lower case; none while there are no lines.
    #[serde(default)]
    pub currency: Option<String>,
    /// Before discounts and taxes.
    #[serde(default)]
    pub amount_subtotal: Option<i64>,
    /// What is to be paid on acceptance.
    #[serde(default)]
    pub amount_total: Option<i64>,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    #[serde(default)]
    pub collection_method: Option<String>,
    /// Until when it can be accepted, Unix seconds.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// Unix seconds.
    #[serde(default)]
    pub created: Option<i64>,
    /// The first invoice, once accepted.
    #[serde(default)]
    pub invoice: Option<Id>,
    /// What the acceptance began.
    #[serde(default)]
    pub subscription: Option<Id>,
    /// What begins the subscription later.
    #[serde(default)]
    pub subscription_schedule: Option<Id>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// When it was finalised, accepted and cancelled.
    #[serde(default, deserialize_with = "null_as_default")]
    pub status_transitions: StatusTransitions,
    #[serde(default, deserialize_with = "null_as_default")]
    computed: Computed,
    /// Only where it was expanded.
    #[serde(default)]
    line_items: Option<List<QuoteLine>>,
}

/// When a quote moved, Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StatusTransitions {
    /// From when on it could be accepted.
    pub finalized_at: Option<i64>,
    /// When it was.
    pub accepted_at: Option<i64>,
    /// When it was called off, or expired.
    pub canceled_at: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Computed {
    recurring: Option<QuoteRecurring>,
}

/// What is to be paid each period.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct QuoteRecurring {
    /// Minor units.
    pub amount_total: i64,
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// How many of them make a period.
    pub interval_count: i64,
}

/// A line of a quote.
#[derive(Clone, Debug, Deserialize)]
pub struct QuoteLine {
    /// Minor units for the whole line.
    #[serde(default)]
    pub amount_total: Option<i64>,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// How many; none means one.
    #[serde(default)]
    pub quantity: Option<i64>,
    /// What one costs.
    #[serde(default)]
    pub price: Option<Price>,
}

impl Quote {
    /// What is to be paid each period, where something is.
    pub fn recurring(&self) -> Option<&QuoteRecurring> {
        self.computed.recurring.as_ref()
    }

    /// Its lines; none where it was not asked for them. An answer has the first ten of them.
    pub fn lines(&self) -> Option<&[QuoteLine]> {
        self.line_items.as_ref().map(|list| list.data.as_slice())
    }

    /// Whether there are more of them.
    pub fn has_more_lines(&self) -> bool {
        self.line_items.as_ref().is_some_and(|list| list.has_more)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quote_is_read_with_and_without_what_newer_versions_added() {
        let old = json!({
            "id": "qt_1", "object": "quote", "status": "accepted", "amount_subtotal": 15_000, "amount_total": 15_000,
            "computed": { "recurring": { "amount_total": 15_000, "interval": "month", "interval_count": 1 } },
            "currency": "usd", "customer": "cus_1", "expires_at": 1_650_912_070, "invoice": "in_1", "number": "QT-1",
            "metadata": {}, "subscription": "sub_1", "subscription_schedule": null,
            "status_transitions": { "accepted_at": 1_648_320_071, "canceled_at": null, "finalized_at": 1_648_320_070 }
        });

        let quote: Quote = serde_json::from_value(old).unwrap();

        assert_eq!(quote.recurring().unwrap().interval, "month");
        assert_eq!(quote.invoice.unwrap().0, "in_1");
        assert_eq!(quote.status_transitions.accepted_at, Some(1_648_320_071));
        assert!(quote.line_items.is_none());
    }

    #[test]
    fn a_draft_of_nothing_is_read_and_so_are_expanded_parts() {
        let quote: Quote = serde_json::from_value(
            json!({ "id": "qt_1", "status": "draft", "customer": null, "currency": null }),
        )
        .unwrap();
        assert!(quote.lines().is_none());

        let price = json!({
            "id": "price_1", "unit_amount": 1500, "currency": "usd", "product": { "id": "prod_1" },
            "recurring": { "interval": "week" }, "metadata": { "sku": "TEA" }
        });
        let quote: Quote = serde_json::from_value(json!({
            "id": "qt_1", "status": "draft", "customer": { "id": "cus_1" }, "metadata": null, "status_transitions": null,
            "line_items": { "data": [{ "amount_total": 1500, "quantity": 1, "price": price }] }
        }))
        .unwrap();
        let line = &quote.lines().unwrap()[0];
        assert_eq!(quote.customer.as_ref().unwrap().as_str(), "cus_1");
        let price = line.price.as_ref().unwrap();
        assert_eq!(
            (price.recurring.as_ref().unwrap().interval_count, price.metadata["sku"].as_str()),
            (1, "TEA")
        );
    }
}
