//! The Checkout Session: a page of Stripe's where one purchase is paid, and the sessions that a Payment Link opens.

use serde::Deserialize;

use super::{Address, Customer, List, Metadata, ShippingDetails, null_as_default};
use crate::stripe::Id;

/// A Checkout Session. Amounts are in minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CheckoutSession {
    /// `cs_…`
    pub id: String,
    /// `payment`, `subscription` or `setup`.
    #[serde(default)]
    pub mode: Option<String>,
    /// `open`, `complete` or `expired`. Not told before 2021-10: an event's type says it there.
    #[serde(default)]
    pub status: Option<String>,
    /// `paid`, `unpaid` or `no_payment_required`.
    #[serde(default)]
    pub payment_status: Option<String>,
    /// `pi_…`, in mode `payment`. From 2022-08-01 there is none before the customer confirms.
    #[serde(default)]
    pub payment_intent: Option<Id>,
    /// `sub_…`, in mode `subscription`; from 2025-03-31.basil only after payment.
    #[serde(default)]
    pub subscription: Option<Id>,
    /// `in_…`, in mode `subscription`, and in mode `payment` where an invoice is made of it.
    #[serde(default)]
    pub invoice: Option<Id>,
    /// Who pays, where a customer is kept.
    #[serde(default)]
    pub customer: Option<Customer>,
    /// `plink_…`, the link that opened it.
    #[serde(default)]
    pub payment_link: Option<Id>,
    /// What the merchant calls the purchase or the buyer; anybody who has a Payment Link can write it.
    #[serde(default)]
    pub client_reference_id: Option<String>,
    /// The merchant's own.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// What is asked, after discounts, tax and shipping; none in mode `setup`.
    #[serde(default)]
    pub amount_total: Option<i64>,
    /// Three letters, lower case; none in mode `setup`.
    #[serde(default)]
    pub currency: Option<String>,
    /// What the buyer wrote.
    #[serde(default)]
    pub customer_details: Option<CustomerDetails>,
    /// The address that was given when it was made.
    #[serde(default)]
    pub customer_email: Option<String>,
    /// Where to send, before 2022-11-15.
    #[serde(default)]
    shipping: Option<ShippingDetails>,
    /// Where to send, before 2025-03-31.basil.
    #[serde(default)]
    shipping_details: Option<ShippingDetails>,
    /// Where to send, from then on.
    #[serde(default)]
    collected_information: Option<CollectedInformation>,
    /// Where the buyer pays; none once it is complete or expired.
    #[serde(default)]
    pub url: Option<String>,
    /// Until when it can be paid, Unix seconds.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// When it was made, Unix seconds.
    #[serde(default)]
    pub created: Option<i64>,
    /// Live or test mode.
    #[serde(default)]
    pub livemode: Option<bool>,
    /// What is bought: only where it was asked for (`expand[]=line_items`), never in events.
    #[serde(default)]
    line_items: Option<List<SessionLine>>,
}

/// What the buyer wrote on the page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CustomerDetails {
    /// Where receipts go.
    pub email: Option<String>,
    /// For people.
    pub name: Option<String>,
    /// For carriers.
    pub phone: Option<String>,
    /// The address of the bill.
    pub address: Option<Address>,
}

/// What else the page asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CollectedInformation {
    shipping_details: Option<ShippingDetails>,
}

/// A line of a session, as `/v1/checkout/sessions/{id}/line_items` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SessionLine {
    /// `li_…`
    pub id: String,
    /// Minor units for the whole line, after discounts and with tax.
    pub amount_total: i64,
    /// Three letters, lower case.
    #[serde(default)]
    pub currency: Option<String>,
    /// For people; Stripe fills it with the product's name.
    #[serde(default)]
    pub description: Option<String>,
    /// How many; none means one.
    #[serde(default)]
    pub quantity: Option<i64>,
    /// What was bought.
    #[serde(default)]
    pub price: Option<Id>,
}

impl CheckoutSession {
    /// Whether nothing is left to pay: the money is there, or none was asked for.
    pub fn is_settled(&self) -> bool {
        matches!(self.payment_status.as_deref(), Some("paid" | "no_payment_required"))
    }

    /// Where to send, in whatever version.
    pub fn shipping(&self) -> Option<&ShippingDetails> {
        let collected = self.collected_information.as_ref().and_then(|all| all.shipping_details.as_ref());
        collected.or(self.shipping_details.as_ref()).or(self.shipping.as_ref())
    }

    /// The e-mail address of the buyer: what was written on the page, or what was given before.
    pub fn email(&self) -> Option<&str> {
        let written = self.customer_details.as_ref().and_then(|details| details.email.as_deref());
        written.or(self.customer_email.as_deref())
    }

    /// Its lines, where they were asked for.
    pub fn lines(&self) -> Option<&[SessionLine]> {
        self.line_items.as_ref().map(|list| list.data.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(session: Value) -> CheckoutSession {
        serde_json::from_value(session).unwrap()
    }

    #[test]
    fn the_oldest_shape_is_read() {
        let session = read(json!({
            "id": "cs_1", "object": "checkout.session", "amount_total": 25000, "currency": "usd",
            "customer": "cus_1", "customer_details": { "email": "ada@example.com", "tax_exempt": "none", "tax_ids": [] },
            "customer_email": null, "metadata": null, "mode": "payment", "payment_intent": "pi_1",
            "payment_status": "paid", "subscription": null, "url": null,
            "shipping": { "name": "Ada", "address": { "line1": "Street 1", "country": "DE" } },
        }));

        assert!(session.is_settled() && session.metadata.is_empty() && session.lines().is_none());
        assert_eq!(session.payment_intent.as_ref().map(Id::as_str), Some("pi_1"));
        assert_eq!(session.email(), Some("ada@example.com"));
        assert_eq!(session.shipping().unwrap().name.as_deref(), Some("Ada"));
        assert_eq!((session.status.as_deref(), session.expires_at), (None, None));
    }

    #[test]
    fn shipping_is_found_where_each_version_has_it() {
        let address = json!({ "name": "Ada", "address": { "city": "Berlin" } });
        for shape in [
            json!({ "id": "cs_1", "shipping": address }),
            json!({ "id": "cs_1", "shipping": null, "shipping_details": address }),
            json!({ "id": "cs_1", "shipping_details": null, "collected_information": { "shipping_details": address } }),
        ] {
            let session = read(shape);
            let city = session.shipping().unwrap().address.as_ref().unwrap().city.as_deref();
            assert_eq!(city, Some("Berlin"));
        }
        assert!(read(json!({ "id": "cs_1", "collected_information": null })).shipping().is_none());
    }

    #[test]
    fn a_fresh_session_of_the_newest_shape_has_no_payment_yet() {
        let session = read(json!({
            "id": "cs_test_1", "mode": "payment", "status": "open", "payment_status": "unpaid", "payment_intent": null,
            "amount_total": 1500, "currency": "usd", "client_reference_id": "order-1", "expires_at": 1774992136,
            "url": "https://checkout.example/c", "customer_email": "ada@example.com", "customer_details": null,
            "collected_information": { "business_name": null, "shipping_details": null }, "payment_link": "plink_1",
            "line_items": { "object": "list", "data": [
                { "id": "li_1", "amount_total": 1500, "quantity": 1, "price": { "id": "price_1", "object": "price" } },
            ] },
        }));

        assert!(!session.is_settled() && session.payment_intent.is_none());
        assert_eq!(session.email(), Some("ada@example.com"));
        assert_eq!(session.lines().unwrap()[0].price.as_ref().map(Id::as_str), Some("price_1"));
        assert_eq!(session.payment_link.as_ref().map(Id::as_str), Some("plink_1"));
    }

    #[test]
    fn references_may_be_expanded_and_modes_other() {
        let session = read(json!({
            "id": "cs_1", "mode": "subscription", "payment_status": "no_payment_required", "subscription": { "id": "sub_1" },
            "invoice": { "id": "in_1", "lines": [] }, "customer": { "id": "cus_1", "email": "a@example.com" },
            "amount_total": null, "currency": null,
        }));

        assert!(session.is_settled());
        assert_eq!(session.subscription.unwrap().0, "sub_1");
        assert_eq!(session.invoice.unwrap().0, "in_1");
        assert_eq!(session.customer.unwrap().0, "cus_1");
    }
}
