//! The steps from a draft invoice to the parcel, each with the states and links that it must leave behind.

use reqwest::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::offer::{TOTAL, Walk};
use crate::cli::{on, printed};
use crate::support::merchant::{DAY, HOUR};

const GOOD: &str = "4242424242424242";
const DECLINED: &str = "4000000000000002";
const PARCEL: &str = "2 × TEA, 1 × CUP";

/// Where the customer types the card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Stripe's page, to which the invoice links.
    Page,
    /// The form in the shop's own page.
    Form,
}

impl Walk {
    /// So much later than now, as the API says times.
    fn later(&self, by: std::time::Duration) -> Value {
        let at: OffsetDateTime = self.merchant.app.clock.now() + by;
        json!(at.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap())
    }

    pub async fn the_invoice_stays_a_draft_until_it_is_finalised(&self) {
        self.merchant.wait(DAY).await;
        let draft = self.merchant.invoice(&self.invoice).await;
        assert_eq!(
            (&draft["status"], &draft["automatically_finalizes_at"]),
            (&json!("draft"), &Value::Null),
            "{draft}"
        );
    }

    pub async fn the_invoice_will_be_finalised_in_an_hour(&self) {
        let draft = self.merchant.invoice(&self.invoice).await;
        assert_eq!(draft["automatically_finalizes_at"], self.later(HOUR), "{draft}");
        assert_eq!((&draft["status"], &draft["auto_advance"]), (&json!("draft"), &json!(true)));
    }

    pub async fn finalise_the_invoice(&self) {
        let path = format!("/v1/invoices/{}/finalize", self.invoice);
        let open = self.merchant.ask(&path, json!({})).await;
        assert_eq!(open["status"], "open", "{open}");
        assert!(open["client_secret"].is_string(), "{open}");
    }

    /// The invoice is open: there is a number, a page, a PDF, a secret for a form, and an order that waits. Where Stripe
    /// collects by itself it tries in so many hours.
    pub async fn the_customer_is_asked_to_pay(&self, tries_in_hours: Option<u32>) {
        let next = tries_in_hours.map_or(Value::Null, |hours| self.later(HOUR * hours));
        let order = self.order_asks("awaiting_payment").await;
        let invoice = &order["billing"]["invoice"];
        assert_eq!(
            (&invoice["next_payment_attempt"], &invoice["attempt_count"]),
            (&next, &json!(0)),
            "{order}"
        );
        let intent = self.intent(&order).await;
        assert_eq!(intent["status"], "requires_payment_method", "what Stripe's pages call incomplete");
        assert_eq!(intent["client_secret"], invoice["client_secret"]);
    }

    /// The order of the invoice and what it shows, and that its links lead somewhere.
    async fn order_asks(&self, payment_status: &str) -> Value {
        let order = self.merchant.app.order(&self.invoice).await;
        assert_eq!(
            (&order["payment_status"], &order["amount_total"]),
            (&json!(payment_status), &json!(TOTAL)),
            "{order}"
        );
        assert_eq!((&order["fulfilment_status"], &order["holds"]), (&json!("none"), &json!([])));
        let skus: Vec<&Value> = order["lines"].as_array().unwrap().iter().map(|line| &line["sku"]).collect();
        assert_eq!(skus, ["TEA", "CUP"], "{order}");
        assert_eq!(order["shipping"]["city"], "Berlin");
        let billing = &order["billing"];
        assert_eq!(billing["quote"]["id"], self.quote["id"], "{order}");
        assert_eq!(billing["subscription"]["stripe_id"], self.subscription, "{order}");
        let invoice = &billing["invoice"];
        assert_eq!((&invoice["status"], &invoice["receipt_url"]), (&json!("open"), &Value::Null));
        let number = invoice["number"].as_str().unwrap();
        let page = self.merchant.open_page(&invoice["hosted_invoice_url"]).await.text().await.unwrap();
        assert!(page.contains(number) && page.contains("$37.00"), "{page}");
        let pdf = self.merchant.open_page(&invoice["invoice_pdf"]).await.bytes().await.unwrap();
        assert!(pdf.starts_with(b"%PDF"));
        let pdf = String::from_utf8_lossy(&pdf).into_owned();
        assert!(
            pdf.contains(number) && pdf.contains(invoice["hosted_invoice_url"].as_str().unwrap()),
            "{pdf}"
        );
        assert!(self.merchant.parcels().is_empty(), "nothing is sent before it is paid");
        order
    }

    async fn intent(&self, order: &Value) -> Value {
        let name = reference(order, "payment_intent");
        self.merchant.at_stripe(&format!("/v1/payment_intents/{name}")).await
    }

    /// Stripe finalises what is a draft still, finds no card to charge, and says when it tries again.
    pub async fn an_hour_passes_and_nobody_has_paid(&self) {
        self.merchant.wait(HOUR).await;
        let order = self.order_asks("payment_failed").await;
        let invoice = &order["billing"]["invoice"];
        assert_eq!(invoice["attempt_count"], 1, "{order}");
        assert_eq!(invoice["next_payment_attempt"], self.later(DAY * 3), "{order}");
        let subscription = self.merchant.subscription(self.subscription.as_str().unwrap()).await;
        assert_eq!(
            (&subscription["status"], &subscription["access"]),
            (&json!("past_due"), &json!("granted"))
        );
        assert_eq!(
            subscription["dunning"]["pay_here"], invoice["hosted_invoice_url"],
            "it can be paid all the same"
        );
    }

    /// Nobody paid for three days more: Stripe tried again, and says when it does so next.
    pub async fn the_next_try_fails_too(&self) {
        self.merchant.wait(DAY * 3).await;
        let order = self.order_asks("payment_failed").await;
        let invoice = &order["billing"]["invoice"];
        assert_eq!(
            (&invoice["attempt_count"], &invoice["next_payment_attempt"]),
            (&json!(2), &self.later(DAY * 5))
        );
    }

    pub async fn a_declined_card(&self, by: By) {
        let before = self.merchant.app.order(&self.invoice).await;
        match by {
            By::Page => {
                let page = &before["billing"]["invoice"]["hosted_invoice_url"];
                assert_eq!(
                    self.merchant.pay_on_page(page, DECLINED).await.status(),
                    StatusCode::PAYMENT_REQUIRED
                );
            }
            By::Form => {
                let secret = &before["billing"]["invoice"]["client_secret"];
                let (status, told) = self.merchant.pay_in_form(secret, DECLINED).await;
                assert_eq!(
                    (status.as_u16(), &told["error"]["code"]),
                    (402, &json!("card_declined")),
                    "{told}"
                );
            }
        }
        self.merchant.catch_up().await;

        let order = self.order_asks("payment_failed").await;
        let invoice = &order["billing"]["invoice"];
        // The first try counts whoever makes it, later ones only if Stripe does.
        let tries = before["billing"]["invoice"]["attempt_count"].as_i64().unwrap().max(1);
        assert_eq!(invoice["attempt_count"], tries, "{order}");
        assert_eq!(invoice["next_payment_attempt"], before["billing"]["invoice"]["next_payment_attempt"]);
        assert!(invoice["problem"].as_str().unwrap().contains("declined"), "{order}");
        assert_eq!(invoice["client_secret"], before["billing"]["invoice"]["client_secret"]);
    }

    pub async fn pay(&self, by: By) {
        let order = self.merchant.app.order(&self.invoice).await;
        let invoice = &order["billing"]["invoice"];
        match by {
            By::Page => {
                let page = self.merchant.pay_on_page(&invoice["hosted_invoice_url"], GOOD).await;
                assert!(page.text().await.unwrap().contains("This invoice is paid."));
            }
            By::Form => {
                let (status, paid) = self.merchant.pay_in_form(&invoice["client_secret"], GOOD).await;
                assert_eq!((status, &paid["status"]), (StatusCode::OK, &json!("succeeded")), "{paid}");
            }
        }
        self.merchant.catch_up().await;
    }

    pub async fn the_receipt_is_there_and_the_parcel_is_sent_once(&self) {
        let order = self.merchant.app.order(&self.invoice).await;
        assert_eq!(
            (&order["payment_status"], &order["status"]),
            (&json!("paid"), &json!("fulfilled")),
            "{order}"
        );
        assert_eq!((&order["amount_paid"], &order["holds"]), (&json!(TOTAL), &json!([])));
        let invoice = &order["billing"]["invoice"];
        assert_eq!((&invoice["status"], &invoice["problem"]), (&json!("paid"), &Value::Null), "{order}");
        assert_eq!(invoice.get("client_secret"), None, "there is nothing to pay");
        let receipt = self.merchant.open_page(&invoice["receipt_url"]).await.text().await.unwrap();
        assert!(receipt.contains("$37.00") && receipt.contains("4242"), "{receipt}");
        if let Some(name) = self.subscription.as_str() {
            let subscription = self.merchant.subscription(name).await;
            assert_eq!((&subscription["status"], &subscription["dunning"]), (&json!("active"), &Value::Null));
        }

        self.merchant.wait(HOUR).await;
        assert_eq!(self.merchant.parcels(), [PARCEL]);
        assert_eq!(self.merchant.orders().await.len(), 1);
    }

    pub async fn people_see_the_chain(&self) {
        let order = self.merchant.app.order(&self.invoice).await;
        self.chain_of(&order);
    }

    fn chain_of(&self, order: &Value) {
        let subscription = self.subscription.as_str().map(|name| format!("subscription {name} active → "));
        let chain = format!(
            "chain       quote {} accepted → {}invoice {} paid → payment {} → order {} paid → parcel 1 fulfilled\n",
            self.quote["number"].as_str().unwrap(),
            subscription.unwrap_or_default(),
            order["billing"]["invoice"]["number"].as_str().unwrap(),
            reference(order, "payment_intent"),
            order["number"].as_str().unwrap(),
        );
        let shown =
            printed(on(&self.merchant.app.database, &["orders", "show", order["id"].as_str().unwrap()]));
        assert!(shown.contains(&chain), "{chain}{shown}");
        assert!(shown.contains("made of invoice"), "{shown}");
    }

    pub async fn the_next_month_is_charged_to_the_first_card_and_sent(&self) {
        self.merchant.pass(32).await;

        let orders = self.merchant.orders().await;
        assert_eq!(orders.len(), 2);
        let (first, second) = (&orders[0], &orders[1]);
        assert_eq!(second["status"], "fulfilled", "{second}");
        assert_eq!(first["updated_at"], self.merchant.app.order(&self.invoice).await["updated_at"]);
        let [first_card, second_card] = [self.intent(first).await, self.intent(second).await]
            .map(|intent| intent["payment_method"].clone());
        assert_eq!(first_card, second_card);
        assert_eq!(self.merchant.parcels(), [PARCEL; 2]);
        let [first_period, second_period] =
            [first, second].map(|order| order["billing"]["subscription"].clone());
        assert_eq!(first_period["period_end"], second_period["period_start"]);
        self.merchant.open_page(&second["billing"]["invoice"]["receipt_url"]).await;
        self.chain_of(second);
    }
}

/// The Stripe object of a kind that stands for an order.
fn reference<'o>(order: &'o Value, kind: &str) -> &'o str {
    let refs = order["refs"].as_array().unwrap();
    let found = refs.iter().find(|reference| reference["kind"] == kind);
    found.unwrap_or_else(|| panic!("{order}"))["stripe_id"].as_str().unwrap()
}
