//! The steps to an accepted offer, each with the states and links that it must leave behind.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::merchant::{Merchant, id};

/// Two of tea at 15.00 USD and a cup at 7.00 USD.
pub const TOTAL: i64 = 3700;

pub struct Walk {
    pub merchant: Merchant,
    pub is_monthly: bool,
    pub customer: String,
    pub prices: [String; 2],
    pub quote: Value,
    pub invoice: String,
    pub subscription: Value,
}

impl Walk {
    /// Steps 1 to 3: a customer, products, and a price of each.
    pub async fn begin(version: &str, is_monthly: bool) -> Self {
        let merchant = Merchant::open(version).await;
        let shipping = json!({ "name": "Ada", "line1": "Street 1", "city": "Berlin", "postal_code": "10115", "country": "DE" });
        let customer = json!({ "name": "Ada", "email": "ada@example.com", "description": "An office", "shipping": shipping });
        let customer = merchant.make("/v1/customers", &customer).await;
        assert!(customer["stripe_id"].as_str().unwrap().starts_with("cus_"), "{customer}");
        let mut prices = Vec::new();
        for (sku, amount) in [("TEA", 1500), ("CUP", 700)] {
            let product = json!({ "name": sku.to_lowercase(), "description": "Good", "sku": sku });
            let product = merchant.make("/v1/products", &product).await;
            let mut price = json!({ "product": product["id"], "currency": "usd", "unit_amount": amount });
            if is_monthly {
                price["recurring"] = json!({ "interval": "month", "interval_count": 1 });
            }
            let price = merchant.make("/v1/prices", &price).await;
            assert_eq!(price["product_id"], product["id"], "{price}");
            let at_stripe = format!("/v1/prices/{}", price["stripe_id"].as_str().unwrap());
            let kind = if is_monthly { "recurring" } else { "one_time" };
            assert_eq!(merchant.at_stripe(&at_stripe).await["type"], kind);
            prices.push(id(&price));
        }
        Self {
            merchant,
            is_monthly,
            customer: id(&customer),
            prices: prices.try_into().unwrap(),
            quote: Value::Null,
            invoice: String::new(),
            subscription: Value::Null,
        }
    }

    fn path(&self, verb: &str) -> String {
        format!("/v1/quotes/{}{verb}", self.quote["id"].as_str().unwrap())
    }

    /// A draft needs neither customer nor lines; only without them it cannot be finalised. A quantity left out is one.
    pub async fn draft_an_offer_and_revise_it(&mut self) {
        self.quote = self.merchant.make("/v1/quotes", &json!({})).await;
        assert_eq!(self.quote["state"], "draft");
        let (status, _, told) = self.merchant.refused(&self.path("/finalize"), None).await;
        assert!(status == 422 && told.contains("no customer") && told.contains("offers nothing"), "{told}");

        let [tea, cup] = &self.prices;
        let offer = json!({ "customer": self.customer, "lines": [{ "price": tea, "quantity": 2 }, { "price": cup }] });
        let revised = self.merchant.ask(&self.path(""), offer).await;
        assert_eq!(
            (&revised["state"], &revised["lines"][1]["quantity"]),
            (&json!("draft"), &json!(1)),
            "{revised}"
        );
        assert_eq!(revised["lines"][0]["sku"], "TEA");
        let (status, code, _) = self.merchant.refused(&self.path("/accept"), None).await;
        assert_eq!((status, code.as_str()), (409, "quote_not_open"));
        let early = self.merchant.app.get(&self.path("/pdf")).await;
        assert_eq!(early.status(), StatusCode::CONFLICT);
    }

    pub async fn finalise_the_offer(&mut self) {
        let open = self.merchant.ask(&self.path("/finalize"), json!({})).await;
        assert_eq!((&open["state"], &open["invoice"]), (&json!("open"), &Value::Null), "{open}");
        assert!(open["number"].is_string() && open["expires_at"].is_string(), "{open}");
        let now = if self.is_monthly { &open["recurring"]["amount_total"] } else { &open["amount_total"] };
        assert_eq!(now, TOTAL, "{open}");
    }

    pub async fn send_its_pdf(&self) {
        let pdf = self.merchant.app.get(&self.path("/pdf")).await;
        assert_eq!(pdf.status(), StatusCode::OK);
        assert_eq!(pdf.headers()["content-type"], "application/pdf");
        assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF"));
    }

    /// What is paid once leads to a draft invoice, what recurs to a subscription and its first invoice.
    pub async fn accept(&mut self) {
        let accepted = self.merchant.ask(&self.path("/accept"), json!({})).await;
        assert_eq!(accepted["state"], "accepted", "{accepted}");
        assert_eq!(accepted["subscription"].is_string(), self.is_monthly, "{accepted}");
        self.invoice = accepted["invoice"].as_str().unwrap().to_owned();
        self.subscription = accepted["subscription"].clone();
        self.quote = accepted;

        let draft = self.merchant.invoice(&self.invoice).await;
        assert_eq!((&draft["status"], &draft["amount_due"]), (&json!("draft"), &json!(TOTAL)), "{draft}");
        assert_eq!(draft["hosted_invoice_url"], Value::Null);
        let none = self.merchant.app.get(&format!("/v1/orders/{}", self.invoice)).await;
        assert_eq!(none.status(), StatusCode::NOT_FOUND, "nobody is asked to pay yet");
        if let Some(name) = self.subscription.as_str() {
            let subscription = self.merchant.subscription(name).await;
            assert_eq!((&subscription["status"], &draft["subscription"]), (&json!("active"), &json!(name)));
            let items: Vec<&Value> =
                subscription["items"].as_array().unwrap().iter().map(|item| &item["sku"]).collect();
            assert_eq!(items, ["TEA", "CUP"]);
        }
    }
}
