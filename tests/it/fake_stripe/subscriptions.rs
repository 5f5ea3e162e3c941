//! Subscriptions, a year in a moment.

use std::time::Instant;

use packline::fake_stripe::AfterRetries;
use reqwest::Method;
use serde_json::{Value, json};

use super::Local;
use super::payments::id;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

impl Local {
    async fn subscribe(&self, customer: &Value, price: &Value, more: &str) -> Value {
        let form = format!("customer={}&items[0][price]={}&{more}", id(customer), id(price));
        self.make("/v1/subscriptions", &form).await
    }

    async fn subscription(&self, subscription: &Value) -> Value {
        self.see(&format!("/v1/subscriptions/{}", id(subscription))).await
    }

    async fn latest_invoice(&self, subscription: &Value) -> Value {
        let now = self.subscription(subscription).await;
        self.see(&format!("/v1/invoices/{}?expand[]=confirmation_secret", id(&now["latest_invoice"]))).await
    }

    async fn change_card(&self, customer: &Value, card: &str) {
        let form = format!("payment_method=pm_card_{card}");
        self.make(&format!("/v1/customers/{}", id(customer)), &form).await;
    }
}

#[actix_web::test]
async fn a_subscription_renews_by_itself_for_a_year_in_a_moment() {
    let local = Local::start();
    let (customer, price) = (local.customer_with("visa").await, local.monthly(1500).await);
    local.told();

    let subscription = local.subscribe(&customer, &price, "metadata[plan]=tea").await;
    let at_first = local.told();
    let begun = Instant::now();
    local.advance(365 * DAY);
    let took = begun.elapsed();
    let happened = local.happenings();

    assert_eq!(subscription["status"], "active");
    assert_eq!(
        at_first,
        [
            "customer.subscription.created",
            "invoice.created",
            "payment_intent.created",
            "invoice.finalized",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice_payment.paid",
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "customer.subscription.updated",
            "charge.updated",
        ]
    );
    let of =
        |event: &str| happened.iter().filter(|happening| happening.event_type == event).collect::<Vec<_>>();
    assert_eq!(
        (of("invoice.created").len(), of("invoice.paid").len(), of("invoice.upcoming").len()),
        (12, 11, 12)
    );
    assert!(of("invoice.upcoming")[0].object.get("id").is_none());
    let times: Vec<i64> = happened.iter().map(|happening| happening.created).collect();
    assert!(times.is_sorted());
    for (draft, paid) in of("invoice.created").iter().zip(of("invoice.paid")) {
        assert_eq!((&draft.object["id"], draft.created + 3600), (&paid.object["id"], paid.created));
        assert_eq!(draft.object["automatically_finalizes_at"], paid.created);
        assert_eq!(paid.object["parent"]["subscription_details"]["metadata"]["plan"], "tea");
    }
    let renewed = of("customer.subscription.updated")[0];
    assert!(renewed.previous_attributes.as_ref().unwrap()["items"]["data"][0]["current_period_end"].is_i64());
    assert!(took.as_secs() < 15, "{took:?}");
}

#[actix_web::test]
async fn an_incomplete_subscription_is_active_once_paid_or_expires() {
    let local = Local::start();
    let customer = local.make("/v1/customers", "").await;
    let price = local.monthly(1500).await;

    let refused = local
        .post("/v1/subscriptions", &format!("customer={}&items[0][price]={}", id(&customer), id(&price)))
        .await;
    let paid = local.subscribe(&customer, &price, "payment_behavior=default_incomplete").await;
    let unpaid = local.subscribe(&customer, &price, "payment_behavior=default_incomplete").await;
    assert_eq!((refused.status, refused.error("code")), (400, &json!("resource_missing")));
    assert_eq!((&paid["status"], &unpaid["status"]), (&json!("incomplete"), &json!("incomplete")));
    let invoice = local.latest_invoice(&paid).await;
    let secret = invoice["confirmation_secret"]["client_secret"].as_str().unwrap();
    let intent = secret.split("_secret_").next().unwrap();
    let confirm = format!("/v1/payment_intents/{intent}/confirm");
    let declined = local.post(&confirm, "payment_method=pm_card_chargeDeclined").await;
    assert_eq!(declined.status, 402);
    local.make(&confirm, "payment_method=pm_card_visa").await;
    local.advance(23 * HOUR);

    assert_eq!(local.subscription(&paid).await["status"], "active");
    assert_eq!(local.subscription(&unpaid).await["status"], "incomplete_expired");
    assert_eq!(local.latest_invoice(&unpaid).await["status"], "void");
    let told = local.told();
    assert!(told.contains(&"invoice.payment_failed".to_owned()));
    let listed = local.see(&format!("/v1/subscriptions?customer={}", id(&customer))).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);

    local.change_card(&customer, "chargeCustomerFail").await;
    let form = format!(
        "customer={}&items[0][price]={}&payment_behavior=error_if_incomplete",
        id(&customer),
        id(&price)
    );
    let nothing = local.post("/v1/subscriptions", &form).await;
    assert_eq!(nothing.status, 402);
    let all = local.see("/v1/subscriptions?status=all").await;
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
}

#[actix_web::test]
async fn a_card_that_fails_is_tried_four_times_and_a_recovery_makes_it_active() {
    for (after, ends) in [
        (AfterRetries::Cancel, "canceled"),
        (AfterRetries::Unpaid, "unpaid"),
        (AfterRetries::PastDue, "past_due"),
    ] {
        let local = Local::start();
        local.stripe.after_retries(after);
        let (customer, price) = (local.customer_with("visa").await, local.monthly(1500).await);
        let subscription = local.subscribe(&customer, &price, "").await;
        local.change_card(&customer, "chargeCustomerFail").await;

        local.advance(31 * DAY + 2 * HOUR);
        let first = local.latest_invoice(&subscription).await;
        assert_eq!(local.subscription(&subscription).await["status"], "past_due");
        assert_eq!((&first["status"], &first["attempt_count"]), (&json!("open"), &json!(1)));
        assert!(first["next_payment_attempt"].is_i64());
        if after == AfterRetries::Cancel {
            let again = Local::start();
            let (customer, price) = (again.customer_with("visa").await, again.monthly(1500).await);
            let recovering = again.subscribe(&customer, &price, "").await;
            again.change_card(&customer, "chargeCustomerFail").await;
            again.advance(32 * DAY);
            again.change_card(&customer, "visa").await;
            again.advance(4 * DAY);
            assert_eq!(again.subscription(&recovering).await["status"], "active");
            assert_eq!(again.latest_invoice(&recovering).await["attempt_count"], 2);
        }
        local.told();
        local.advance(15 * DAY);

        let last = local.latest_invoice(&subscription).await;
        let told = local.told();
        assert_eq!(local.subscription(&subscription).await["status"], ends);
        assert_eq!((&last["attempt_count"], &last["next_payment_attempt"]), (&json!(4), &json!(null)));
        assert_eq!(told.iter().filter(|event| *event == "invoice.payment_failed").count(), 3);
        assert_eq!(told.contains(&"customer.subscription.deleted".to_owned()), ends == "canceled");
        if ends == "unpaid" {
            local.change_card(&customer, "visa").await;
            local.make(&format!("/v1/invoices/{}/pay", id(&last)), "").await;
            assert_eq!(local.subscription(&subscription).await["status"], "active");
        }
    }
}

#[actix_web::test]
async fn a_trial_is_said_to_end_and_then_paid_for() {
    let local = Local::start();
    let (customer, price) = (local.customer_with("visa").await, local.monthly(1500).await);

    let subscription = local.subscribe(&customer, &price, "trial_period_days=14").await;
    let free = local.latest_invoice(&subscription).await;
    let told = local.told();
    local.advance(11 * DAY);
    let warned = local.told();
    local.advance(3 * DAY + 2 * HOUR);

    assert_eq!(
        (&subscription["status"], &free["status"], &free["amount_due"]),
        (&json!("trialing"), &json!("paid"), &json!(0))
    );
    assert!(
        told.contains(&"invoice.paid".to_owned()) && !told.contains(&"payment_intent.created".to_owned())
    );
    assert_eq!(warned, ["customer.subscription.trial_will_end"]);
    let paid = local.latest_invoice(&subscription).await;
    assert_eq!((&paid["status"], &paid["amount_paid"]), (&json!("paid"), &json!(1500)));
    assert_eq!(local.subscription(&subscription).await["status"], "active");

    let nobody = local.make("/v1/customers", "").await;
    let pauses = "trial_period_days=7&trial_settings[end_behavior][missing_payment_method]=pause";
    let paused = local.subscribe(&nobody, &price, pauses).await;
    local.advance(7 * DAY);
    assert_eq!(local.subscription(&paused).await["status"], "paused");
    local.change_card(&nobody, "visa").await;
    let resumed = local.make(&format!("/v1/subscriptions/{}/resume", id(&paused)), "").await;
    assert_eq!(resumed["status"], "active");
    assert!(local.told().contains(&"customer.subscription.resumed".to_owned()));
}

#[actix_web::test]
async fn a_change_half_way_is_given_back_and_charged_in_part() {
    let local = Local::start();
    let (customer, price) = (
        local.customer_with("visa").await,
        local.price(3000, "recurring[interval]=day&recurring[interval_count]=30").await,
    );
    let subscription = local.subscribe(&customer, &price, "").await;
    let path = format!("/v1/subscriptions/{}", id(&subscription));
    let item = id(&subscription["items"]["data"][0]).to_owned();
    local.advance(15 * DAY);

    let changed = local.make(&path, &format!("items[0][id]={item}&items[0][quantity]=3")).await;
    let pending = local.see(&format!("/v1/invoiceitems?customer={}&pending=true", id(&customer))).await;
    let mut amounts: Vec<i64> =
        pending["data"].as_array().unwrap().iter().map(|item| item["amount"].as_i64().unwrap()).collect();
    amounts.sort_unstable();
    assert_eq!((changed["quantity"].as_i64(), amounts), (Some(3), vec![-1500, 4500]));
    local.advance(15 * DAY + 2 * HOUR);
    let renewal = local.latest_invoice(&subscription).await;
    assert_eq!(
        (&renewal["amount_paid"], renewal["lines"]["data"].as_array().unwrap().len()),
        (&json!(12_000), 3)
    );
    let details = &renewal["lines"]["data"][0]["parent"]["subscription_item_details"];
    assert_eq!((&details["proration"], &details["subscription_item"]), (&json!(true), &json!(item)));

    // Less is a credit, which the next invoice uses up.
    local.advance(14 * DAY + 22 * HOUR);
    let less = format!("items[0][id]={item}&items[0][quantity]=1&proration_behavior=always_invoice");
    local.make(&path, &less).await;
    let credit = local.latest_invoice(&subscription).await;
    assert_eq!(
        (&credit["status"], &credit["total"], &credit["amount_due"]),
        (&json!("paid"), &json!(-3000), &json!(0))
    );
    assert_eq!(local.see(&format!("/v1/customers/{}", id(&customer))).await["balance"], -3000);

    let monthly = local.monthly(900).await;
    let other = format!("items[0][id]={item}&items[0][price]={}&proration_behavior=none", id(&monthly));
    local.make(&path, &other).await;
    let anew = local.latest_invoice(&subscription).await;
    assert_eq!(
        (&anew["billing_reason"], &anew["total"], &anew["starting_balance"]),
        (&json!("subscription_update"), &json!(900), &json!(-3000))
    );
}

#[actix_web::test]
async fn items_come_and_go_but_not_the_last() {
    let local = Local::start();
    let (customer, price) = (local.customer_with("visa").await, local.monthly(1500).await);
    let (other, yearly) = (local.monthly(500).await, local.price(9000, "recurring[interval]=year").await);
    let subscription = local.subscribe(&customer, &price, "").await;
    let of = format!("subscription={}", id(&subscription));

    let added = local.make("/v1/subscription_items", &format!("{of}&price={}&quantity=2", id(&other))).await;
    let twice = local.post("/v1/subscription_items", &format!("{of}&price={}", id(&other))).await;
    let mixed = local.post("/v1/subscription_items", &format!("{of}&price={}", id(&yearly))).await;
    let items = local.see(&format!("/v1/subscription_items?{of}")).await;
    let path = format!("/v1/subscription_items/{}", id(&items["data"][0]));
    let delete = |path: String| local.send(local.request(Method::DELETE, &path));
    let gone = delete(path).await;
    let last = delete(format!("/v1/subscription_items/{}", id(&added))).await;

    assert_eq!((twice.status, mixed.status, gone.status, last.status), (400, 400, 200, 400));
    assert_eq!(items["data"].as_array().unwrap().len(), 2);
    let now = local.subscription(&subscription).await;
    assert_eq!((&now["items"]["data"][0]["id"], &now["quantity"]), (&added["id"], &json!(2)));
}

#[actix_web::test]
async fn it_ends_now_or_with_its_period_and_collection_can_rest() {
    let local = Local::start();
    let (customer, price) = (local.customer_with("visa").await, local.monthly(1500).await);
    let now = local.subscribe(&customer, &price, "").await;
    let later = local.subscribe(&customer, &price, "").await;
    let resting = local.subscribe(&customer, &price, "").await;
    let path = |subscription: &Value| format!("/v1/subscriptions/{}", id(subscription));

    let ended = local.send(local.request(Method::DELETE, &path(&now))).await.body;
    let again = local.send(local.request(Method::DELETE, &path(&now))).await;
    let ends = local.make(&path(&later), "cancel_at_period_end=true").await;
    local.make(&path(&resting), "pause_collection[behavior]=void").await;
    local.told();
    local.advance(31 * DAY + 2 * HOUR);

    assert_eq!((&ended["status"], again.status), (&json!("canceled"), 404));
    assert_eq!(
        (&ends["status"], &ends["cancel_at"]),
        (&json!("active"), &ends["items"]["data"][0]["current_period_end"])
    );
    assert_eq!(local.subscription(&later).await["status"], "canceled");
    let rests = local.subscription(&resting).await;
    assert_eq!(
        (&rests["status"], &local.latest_invoice(&resting).await["status"]),
        (&json!("active"), &json!("void"))
    );
    let told = local.told();
    assert!(
        told.contains(&"customer.subscription.deleted".to_owned())
            && !told.contains(&"invoice.paid".to_owned())
    );
    local.make(&path(&resting), "pause_collection=").await;
    local.advance(31 * DAY + 2 * HOUR);
    assert_eq!(local.latest_invoice(&resting).await["status"], "paid");
    local.send(local.request(Method::DELETE, &format!("/v1/customers/{}", id(&customer)))).await;
    assert_eq!(local.subscription(&resting).await["status"], "canceled");
}

#[actix_web::test]
async fn a_subscription_by_invoice_is_sent_and_past_due_after_its_day() {
    let local = Local::start();
    let (customer, price) =
        (local.make("/v1/customers", "email=bob@example.com").await, local.monthly(1500).await);

    let subscription =
        local.subscribe(&customer, &price, "collection_method=send_invoice&days_until_due=7").await;
    let draft = local.latest_invoice(&subscription).await;
    local.advance(HOUR);
    let sent = local.latest_invoice(&subscription).await;
    local.advance(8 * DAY);

    assert_eq!(
        (&subscription["status"], &draft["status"], &sent["status"]),
        (&json!("active"), &json!("draft"), &json!("open"))
    );
    assert_eq!(local.subscription(&subscription).await["status"], "past_due");
    let told = local.told();
    assert!(told.contains(&"invoice.sent".to_owned()) && told.contains(&"invoice.overdue".to_owned()));
    local.make(&format!("/v1/invoices/{}/pay", id(&sent)), "paid_out_of_band=true").await;
    assert_eq!(local.subscription(&subscription).await["status"], "active");
}
