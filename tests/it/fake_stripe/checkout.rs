//! Checkout Sessions and Payment Links, and the pages on which people pay them.

use serde_json::{Value, json};

use super::payments::id;
use super::{Answered, Local};

const MUGS: &str = "line_items[0][price_data][currency]=eur&line_items[0][price_data][unit_amount]=1500\
                    &line_items[0][price_data][product_data][name]=Mug&line_items[0][quantity]=2";
const BACK: &str =
    "success_url=https://shop.test/done?session={CHECKOUT_SESSION_ID}&cancel_url=https://shop.test/cart";

impl Local {
    async fn session(&self, more: &str) -> Value {
        self.make("/v1/checkout/sessions", &format!("mode=payment&{BACK}&{MUGS}{more}")).await
    }

    /// A browser: no key, and it goes nowhere by itself.
    pub async fn browse(&self, url: &str, form: Option<&[(&str, &str)]>) -> Answered {
        let client =
            packline::http_client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let request = match form {
            Some(form) => client.post(url).form(form),
            None => client.get(url),
        };
        self.send(request).await
    }

    async fn pay_page(&self, session: &Value, number: &str) -> Answered {
        let card = [
            ("type", "card"),
            ("email", "ada@example.com"),
            ("name", "Ada"),
            ("card_number", number),
            ("card_expiry", "12 / 34"),
            ("card_cvc", "123"),
        ];
        self.browse(session["url"].as_str().unwrap(), Some(&card)).await
    }

    async fn session_now(&self, session: &Value) -> Value {
        self.see(&format!("/v1/checkout/sessions/{}", id(session))).await
    }
}

#[actix_web::test]
async fn a_session_is_paid_on_its_page_and_makes_its_intent_only_then() {
    let local = Local::start();
    let session = local
        .session("&metadata[order_id]=o1&client_reference_id=o1&payment_intent_data[metadata][order_id]=o1")
        .await;
    assert_eq!((&session["payment_intent"], &session["status"]), (&Value::Null, &json!("open")));
    assert_eq!((&session["amount_total"], &session["payment_status"]), (&json!(3000), &json!("unpaid")));
    let page = local.browse(session["url"].as_str().unwrap(), None).await;
    assert!(page.body.as_str().unwrap().contains("<td>Mug × 2</td><td>30.00 EUR</td>"), "{}", page.body);
    local.told();

    let paid = local.pay_page(&session, "4242 4242 4242 4242").await;

    assert_eq!(paid.status, 303);
    assert_eq!(paid.header("location"), format!("https://shop.test/done?session={}", id(&session)));
    let now = local.session_now(&session).await;
    assert_eq!(
        (&now["status"], &now["payment_status"], &now["url"]),
        (&json!("complete"), &json!("paid"), &Value::Null)
    );
    assert_eq!(now["customer_details"]["email"], "ada@example.com");
    let intent = local.see(&format!("/v1/payment_intents/{}", now["payment_intent"].as_str().unwrap())).await;
    assert_eq!((&intent["status"], &intent["metadata"]), (&json!("succeeded"), &json!({ "order_id": "o1" })));
    assert_eq!(
        local.told(),
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed",
            "charge.updated",
        ]
    );
    let again = local.pay_page(&session, "4242424242424242").await;
    assert!(again.body.as_str().unwrap().contains("This purchase is complete."));
}

#[actix_web::test]
async fn a_decline_is_shown_and_another_card_pays_after_the_bank_asked() {
    let local = Local::start();
    let session = local.session("").await;

    let declined = local.pay_page(&session, "4000000000009995").await;
    let to_bank = local.pay_page(&session, "4000002760003184").await;

    assert_eq!(declined.status, 402);
    assert!(declined.body.as_str().unwrap().contains("Your card has insufficient funds."));
    assert_eq!(to_bank.status, 303);
    let bank = to_bank.header("location").to_owned();
    assert!(bank.contains("/_fake/pages/3ds/pi_"), "{bank}");
    local.told();
    let failed = local.browse(&bank, Some(&[("decision", "failed")])).await;
    let again = local.browse(failed.header("location"), None).await;
    assert_eq!(again.status, 200);
    assert!(again.body.as_str().unwrap().contains("failed authentication"), "{}", again.body);
    assert_eq!(local.session_now(&session).await["status"], "open");
    let to_bank = local.pay_page(&session, "4000002760003184").await;
    let passed = local.browse(to_bank.header("location"), Some(&[("decision", "succeeded")])).await;
    let done = local.browse(passed.header("location"), None).await;
    assert_eq!(done.header("location"), format!("https://shop.test/done?session={}", id(&session)));
    let intents = local.see("/v1/payment_intents").await;
    assert_eq!(intents["data"].as_array().unwrap().len(), 1);
    assert!(local.told().contains(&"checkout.session.completed".to_owned()));
}

#[actix_web::test]
async fn a_debit_completes_the_session_first_and_pays_or_fails_later() {
    for (iban, event, status) in [
        ("AT321904300235473204", "checkout.session.async_payment_succeeded", "paid"),
        ("AT051904300235473205", "checkout.session.async_payment_failed", "unpaid"),
    ] {
        let local = Local::start();
        let session = local.session("&payment_method_types[]=card&payment_method_types[]=sepa_debit").await;
        let form = [("type", "sepa_debit"), ("iban", iban), ("email", "ada@example.com"), ("name", "Ada")];

        let paid = local.browse(session["url"].as_str().unwrap(), Some(&form)).await;

        assert_eq!(paid.status, 303);
        let now = local.session_now(&session).await;
        assert_eq!((&now["status"], &now["payment_status"]), (&json!("complete"), &json!("unpaid")));
        assert!(local.told().contains(&"checkout.session.completed".to_owned()));
        local.advance(200);
        assert_eq!(local.session_now(&session).await["payment_status"], status);
        assert!(local.told().contains(&event.to_owned()));
    }
}

#[actix_web::test]
async fn a_session_expires_after_a_day_or_when_told_to() {
    let local = Local::start();
    let session = local.session("").await;
    let other = local.session("").await;
    local.pay_page(&other, "4000000000000002").await;
    local.told();

    let expired = local.make(&format!("/v1/checkout/sessions/{}/expire", id(&other)), "").await;
    let again = local.post(&format!("/v1/checkout/sessions/{}/expire", id(&other)), "").await;
    local.advance(24 * 60 * 60);

    assert_eq!((&expired["status"], &expired["url"]), (&json!("expired"), &Value::Null));
    assert_eq!(again.status, 400);
    assert_eq!(local.session_now(&session).await["status"], "expired");
    assert_eq!(
        local.told(),
        ["payment_intent.canceled", "checkout.session.expired", "checkout.session.expired"]
    );
    let page = local.browse(session["url"].as_str().unwrap(), None).await;
    assert!(page.body.as_str().unwrap().contains("has expired"));
    let soon = local.clock.now().unix_timestamp() + 24 * 60 * 60 + 60;
    let early = local.post("/v1/checkout/sessions", &format!("{BACK}&{MUGS}&expires_at={soon}")).await;
    assert_eq!((early.status, early.error("param")), (400, &json!("expires_at")));
}

#[actix_web::test]
async fn a_reserved_payment_is_unpaid_until_it_is_captured() {
    let local = Local::start();
    let session = local.session("&payment_intent_data[capture_method]=manual").await;

    local.pay_page(&session, "4242424242424242").await;

    let now = local.session_now(&session).await;
    assert_eq!((&now["status"], &now["payment_status"]), (&json!("complete"), &json!("unpaid")));
    let intent = now["payment_intent"].as_str().unwrap();
    local.make(&format!("/v1/payment_intents/{intent}/capture"), "").await;
    assert_eq!(local.session_now(&session).await["payment_status"], "paid");
    assert!(!local.told().contains(&"checkout.session.async_payment_succeeded".to_owned()));
}

#[actix_web::test]
async fn nothing_to_pay_needs_no_payment() {
    let local = Local::start();
    let free = MUGS.replace("1500", "0");
    let session =
        local.make("/v1/checkout/sessions", &format!("{BACK}&{free}&customer_creation=always")).await;

    let url = session["url"].as_str().unwrap();
    local.browse(url, Some(&[("type", "none"), ("email", "ada@example.com")])).await;

    let now = local.session_now(&session).await;
    assert_eq!(
        (&now["payment_status"], &now["payment_intent"]),
        (&json!("no_payment_required"), &Value::Null)
    );
    assert!(now["customer"].as_str().unwrap().starts_with("cus_"));
}

#[actix_web::test]
async fn lines_are_listed_in_pages_and_expanded() {
    let local = Local::start();
    let more: String = (1..12)
        .map(|n| {
            format!(
                "&line_items[{n}][price_data][currency]=eur&line_items[{n}][price_data][unit_amount]={n}00\
                 &line_items[{n}][price_data][product_data][name]=Thing {n}&line_items[{n}][quantity]=1"
            )
        })
        .collect();
    let session = local.session(&format!("{more}&expand[]=line_items")).await;

    let path = format!("/v1/checkout/sessions/{}", id(&session));
    let first = local.see(&format!("{path}/line_items?limit=10")).await;
    let last = first["data"][9]["id"].as_str().unwrap();
    let second = local.see(&format!("{path}/line_items?limit=10&starting_after={last}")).await;

    assert_eq!(session["line_items"]["data"].as_array().unwrap().len(), 12);
    assert_eq!((&first["has_more"], &second["has_more"]), (&json!(true), &json!(false)));
    assert_eq!(second["data"][1]["description"], "Thing 11");
    let expanded = local.see(&format!("{path}?expand[]=line_items.data.price.product")).await;
    assert_eq!(expanded["line_items"]["data"][0]["price"]["product"]["name"], "Mug");
    let plain = local.see(&path).await;
    assert_eq!(plain.get("line_items"), None);
}

#[actix_web::test]
async fn a_link_opens_a_session_for_each_visit_until_its_limit() {
    let local = Local::start();
    let link = local
        .make(
            "/v1/payment_links",
            &format!(
                "{MUGS}&metadata[campaign]=spring&payment_intent_data[metadata][campaign]=spring\
                 &restrictions[completed_sessions][limit]=1&shipping_address_collection[allowed_countries][]=DE"
            ),
        )
        .await;
    let lines = local.see(&format!("/v1/payment_links/{}/line_items", id(&link))).await;
    assert_eq!(lines["data"][0]["amount_total"], 3000);

    let url = format!(
        "{}?client_reference_id=basket-1&prefilled_email=ada@example.com",
        link["url"].as_str().unwrap()
    );
    let one = local.browse(&url, None).await;
    let other = local.browse(&url, None).await;

    let sessions = local.see(&format!("/v1/checkout/sessions?payment_link={}", id(&link))).await;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 2);
    assert_ne!(one.header("location"), other.header("location"));
    let form = [
        ("type", "card"),
        ("email", "ada@example.com"),
        ("card_number", "4242424242424242"),
        ("card_expiry", "12/34"),
        ("card_cvc", "123"),
        ("shipping_name", "Ada"),
        ("shipping_line1", "Street 1"),
        ("shipping_city", "Berlin"),
        ("shipping_postal_code", "10115"),
        ("shipping_country", "DE"),
    ];
    let paid = local.browse(one.header("location"), Some(&form)).await;
    assert!(paid.body.as_str().unwrap().contains("This purchase is complete."));
    let sessions = local.see("/v1/checkout/sessions?status=complete").await;
    let session = &sessions["data"][0];
    assert_eq!(
        (&session["client_reference_id"], &session["metadata"]),
        (&json!("basket-1"), &json!({ "campaign": "spring" }))
    );
    assert_eq!(session["collected_information"]["shipping_details"]["address"]["city"], "Berlin");
    let closed = local.browse(&url, None).await;
    assert!(closed.body.as_str().unwrap().contains("no longer active"));
}

#[actix_web::test]
async fn the_stripe_cli_pays_a_session_by_its_private_calls() {
    let local = Local::start();
    let session = local.session("").await;
    let method = local
        .make("/v1/payment_methods", "type=card&card[token]=tok_visa&billing_details[email]=a@example.com")
        .await;

    let path = format!("/v1/payment_pages/{}", id(&session));
    assert_eq!(local.see(&path).await["payment_status"], "unpaid");
    let wrong = local
        .post(&format!("{path}/confirm"), &format!("payment_method={}&expected_amount=1", id(&method)))
        .await;
    let paid = local
        .make(&format!("{path}/confirm"), &format!("payment_method={}&expected_amount=3000", id(&method)))
        .await;

    assert_eq!(wrong.status, 400);
    assert_eq!(paid["payment_status"], "paid");
    assert_eq!(local.session_now(&session).await["customer_details"]["email"], "a@example.com");
}

#[actix_web::test]
async fn what_cannot_be_sold_is_refused_with_the_reason() {
    let local = Local::start();
    for (form, param) in [
        (format!("mode=payment&{MUGS}"), json!("success_url")),
        (format!("mode=payment&{BACK}"), json!("line_items")),
        (
            format!("{BACK}&line_items[0][price]=price_no&line_items[0][quantity]=1"),
            json!("line_items[0][price]"),
        ),
        (
            format!("{BACK}&{}", MUGS.replace("[quantity]=2", "[quantity]=0")),
            json!("line_items[0][quantity]"),
        ),
        (format!("{BACK}&{}", MUGS.replace("1500", "-5")), json!("line_items[0][price_data][unit_amount]")),
        (format!("{BACK}&{MUGS}&payment_intent_data[foo]=1"), json!("payment_intent_data[foo]")),
        (
            format!("{BACK}&{MUGS}&payment_intent_data[transfer_data][destination]=acct_no"),
            json!("payment_intent_data[transfer_data][destination]"),
        ),
        (
            format!(
                "{BACK}&{MUGS}&line_items[1][price_data][currency]=usd&line_items[1][price_data][unit_amount]=5\
                  &line_items[1][price_data][product_data][name]=A&line_items[1][quantity]=1"
            ),
            json!("line_items"),
        ),
    ] {
        let refused = local.post("/v1/checkout/sessions", &form).await;
        assert_eq!((refused.status, refused.error("param")), (400, &param), "{form}: {}", refused.body);
    }
    let setup = local.post("/v1/checkout/sessions", &format!("mode=setup&{BACK}")).await;
    assert!(setup.error("message").as_str().unwrap().contains("does not model"));
    let session = local.session("").await;
    local.pay_page(&session, "4000000000000002").await;
    let intent = local.session_now(&session).await["payment_intent"].clone();
    let cancelled = local.post(&format!("/v1/payment_intents/{}/cancel", intent.as_str().unwrap()), "").await;
    assert!(cancelled.error("message").as_str().unwrap().contains("Expire the session"));
}

#[actix_web::test]
async fn a_subscription_starts_once_its_first_period_is_paid() {
    let local = Local::start();
    let product = local.make("/v1/products", "name=Tea of the month").await;
    let price = local
        .make(
            "/v1/prices",
            &format!("product={}&unit_amount=1500&currency=usd&recurring[interval]=month", id(&product)),
        )
        .await;
    let lines =
        format!("{BACK}&mode=subscription&line_items[0][price]={}&line_items[0][quantity]=2", id(&price));
    let more = "&subscription_data[metadata][plan]=tea&customer_email=ada@example.com";
    let session = local.make("/v1/checkout/sessions", &format!("{lines}{more}")).await;
    assert_eq!((&session["amount_total"], &session["subscription"]), (&json!(3000), &Value::Null));
    let declined = local.pay_page(&session, "4000000000000002").await;
    assert_eq!(declined.status, 402);
    assert_eq!(local.see("/v1/subscriptions").await["data"], json!([]));
    local.told();

    let paid = local.pay_page(&session, "4242424242424242").await;

    assert_eq!(paid.status, 303);
    let now = local.session_now(&session).await;
    assert_eq!((&now["payment_status"], &now["payment_intent"]), (&json!("paid"), &Value::Null));
    let subscription =
        local.see(&format!("/v1/subscriptions/{}", now["subscription"].as_str().unwrap())).await;
    assert_eq!(
        (&subscription["status"], &subscription["metadata"]["plan"]),
        (&json!("active"), &json!("tea"))
    );
    let invoice =
        local.see(&format!("/v1/invoices/{}?expand[]=payments", now["invoice"].as_str().unwrap())).await;
    assert_eq!((&invoice["status"], &invoice["amount_paid"]), (&json!("paid"), &json!(3000)));
    assert_eq!(invoice["payments"]["data"].as_array().unwrap().len(), 1);
    assert_eq!(local.see("/v1/payment_intents").await["data"].as_array().unwrap().len(), 1);
    let told = local.told();
    let place =
        |event: &str| told.iter().position(|one| one == event).unwrap_or_else(|| panic!("{event}: {told:?}"));
    assert!(place("payment_intent.succeeded") < place("customer.subscription.created"), "{told:?}");
    assert!(place("invoice.paid") < place("checkout.session.completed"), "{told:?}");
    local.advance(32 * 24 * 60 * 60);
    let invoices = local.see("/v1/invoices?status=paid").await;
    assert_eq!(invoices["data"].as_array().unwrap().len(), 2, "it renews with the card that was kept");

    let trial =
        local.make("/v1/checkout/sessions", &format!("{lines}&subscription_data[trial_period_days]=7")).await;
    assert_eq!(trial["amount_total"], 0);
    local.pay_page(&trial, "4242424242424242").await;
    let now = local.session_now(&trial).await;
    assert_eq!(now["payment_status"], "no_payment_required");
    let subscription =
        local.see(&format!("/v1/subscriptions/{}", now["subscription"].as_str().unwrap())).await;
    assert_eq!(subscription["status"], "trialing");
}

#[actix_web::test]
async fn a_payment_can_come_with_its_invoice() {
    let local = Local::start();
    let session =
        local.session("&invoice_creation[enabled]=true&invoice_creation[invoice_data][metadata][a]=b").await;

    local.pay_page(&session, "4242424242424242").await;

    let now = local.session_now(&session).await;
    let invoice =
        local.see(&format!("/v1/invoices/{}?expand[]=payments", now["invoice"].as_str().unwrap())).await;
    assert_eq!((&invoice["status"], &invoice["amount_paid"]), (&json!("paid"), &json!(3000)));
    assert_eq!(
        (&invoice["metadata"]["a"], &invoice["lines"]["data"][0]["quantity"]),
        (&json!("b"), &json!(2))
    );
    let payment = &invoice["payments"]["data"][0]["payment"]["payment_intent"];
    assert_eq!(payment, &now["payment_intent"]);
}
