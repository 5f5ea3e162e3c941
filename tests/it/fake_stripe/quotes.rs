//! Quotes, from the draft to what their acceptance makes.

use serde_json::{Value, json};

use super::Local;
use super::payments::id;

const DAY: u64 = 24 * 60 * 60;

impl Local {
    /// A customer with a card that is charged.
    pub async fn customer_with(&self, card: &str) -> Value {
        let method = format!("pm_card_{card}");
        let form = format!(
            "email=ann@example.com&payment_method={method}&invoice_settings[default_payment_method]={method}"
        );
        self.make("/v1/customers", &form).await
    }

    /// A price of a product of its own; what is given more makes it recur.
    pub async fn price(&self, amount: i64, more: &str) -> Value {
        let form = format!("currency=usd&unit_amount={amount}&product_data[name]=Tea&{more}");
        self.make("/v1/prices", &form).await
    }

    pub async fn monthly(&self, amount: i64) -> Value {
        self.price(amount, "recurring[interval]=month").await
    }

    async fn open_quote(&self, form: &str) -> Value {
        let quote = self.make("/v1/quotes", form).await;
        self.make(&format!("/v1/quotes/{}/finalize", id(&quote)), "").await
    }
}

#[actix_web::test]
async fn a_quote_of_one_off_prices_becomes_a_draft_invoice() {
    let local = Local::start();
    let customer = local.make("/v1/customers", "email=ann@example.com&name=Ann").await;
    let (tea, pot) = (local.price(1500, "").await, local.price(4000, "").await);
    let draft = local.make("/v1/quotes", "header=Dear Ann").await;
    let path = |verb: &str| format!("/v1/quotes/{}{verb}", id(&draft));

    let without_customer = local.post(&path("/finalize"), "").await;
    local.make(&path(""), &format!("customer={}", id(&customer))).await;
    let without_lines = local.post(&path("/finalize"), "").await;
    let early = local.get(&path("/pdf")).await;
    let lines = format!(
        "line_items[0][price]={}&line_items[0][quantity]=2&line_items[1][price]={}",
        id(&tea),
        id(&pot)
    );
    let revised = local.make(&path(""), &lines).await;
    let changed = format!(
        "line_items[0][id]={}&line_items[0][quantity]=1",
        id(&local.see(&path("/line_items")).await["data"][0])
    );
    let fewer = local.make(&path(""), &changed).await;
    assert_eq!(fewer["amount_total"], 1500);
    let revised_again = local.make(&path(""), &lines).await;
    assert_eq!(revised_again["amount_total"], revised["amount_total"]);
    let accepted_early = local.post(&path("/accept"), "").await;
    let open = local.make(&path("/finalize"), "expand[]=line_items").await;
    let pdf = local.get(&path("/pdf")).await;
    let late = local.post(&path(""), &lines).await;
    let accepted = local.make(&path("/accept"), "").await;
    let again = local.post(&path("/accept"), "").await;
    let canceled = local.post(&path("/cancel"), "").await;

    assert_eq!((without_customer.status, without_customer.error("param")), (400, &json!("customer")));
    assert_eq!((without_lines.status, without_lines.error("param")), (400, &json!("line_items")));
    for refused in [&early, &accepted_early, &late, &again, &canceled] {
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
    assert_eq!((&revised["amount_total"], &revised["computed"]["recurring"]), (&json!(7000), &json!(null)));
    assert_eq!((&open["status"], open["line_items"]["data"].as_array().unwrap().len()), (&json!("open"), 2));
    assert_eq!((pdf.status, pdf.header("content-type")), (200, "application/pdf"));
    let Value::String(pdf) = pdf.body else { panic!("no text") };
    for shown in ["%PDF-1.4", open["number"].as_str().unwrap(), "Ann", "Tea", "Total $70.00", "%%EOF"] {
        assert!(pdf.contains(shown), "{shown} is not in {pdf}");
    }
    assert_eq!((&accepted["status"], &accepted["subscription"]), (&json!("accepted"), &json!(null)));
    let invoice = local.see(&format!("/v1/invoices/{}", id(&accepted["invoice"]))).await;
    assert_eq!((&invoice["status"], &invoice["auto_advance"]), (&json!("draft"), &json!(false)));
    assert_eq!(invoice["parent"]["quote_details"]["quote"], draft["id"]);
    assert_eq!((&invoice["amount_due"], &invoice["lines"]["data"][0]["quantity"]), (&json!(7000), &json!(2)));
    assert_eq!(invoice["lines"]["data"][1]["pricing"]["price_details"]["price"], pot["id"]);
    local.advance(90 * DAY);
    let told = local.told();
    let of_quotes: Vec<&String> = told.iter().filter(|event| event.starts_with("quote.")).collect();
    assert_eq!(of_quotes, ["quote.created", "quote.finalized", "quote.accepted"]);
    assert_eq!(local.see(&format!("/v1/invoices/{}", id(&invoice))).await["status"], "draft");
}

#[actix_web::test]
async fn a_recurring_quote_becomes_a_subscription_whose_first_invoice_waits_an_hour() {
    let local = Local::start();
    let customer = local.customer_with("visa").await;
    let (monthly, pot) = (local.monthly(1500).await, local.price(4000, "").await);
    let quote = local
        .open_quote(&format!(
            "customer={}&line_items[0][price]={}&line_items[0][quantity]=10&line_items[1][price]={}&\
             subscription_data[metadata][order]=o1",
            id(&customer),
            id(&monthly),
            id(&pot)
        ))
        .await;
    assert_eq!(
        (&quote["amount_total"], &quote["computed"]["recurring"]["amount_total"]),
        (&json!(19000), &json!(15000))
    );

    let accepted = local.make(&format!("/v1/quotes/{}/accept", id(&quote)), "").await;
    let subscription = local.see(&format!("/v1/subscriptions/{}", id(&accepted["subscription"]))).await;
    let draft = local.see(&format!("/v1/invoices/{}", id(&accepted["invoice"]))).await;
    local.advance(60 * 60);
    let paid = local.see(&format!("/v1/invoices/{}", id(&accepted["invoice"]))).await;

    assert_eq!(
        (&subscription["status"], &subscription["metadata"]["order"]),
        (&json!("active"), &json!("o1"))
    );
    assert_eq!(
        (&draft["status"], &draft["billing_reason"]),
        (&json!("draft"), &json!("subscription_create"))
    );
    assert_eq!(draft["parent"]["subscription_details"]["subscription"], subscription["id"]);
    assert_eq!((&paid["status"], &paid["amount_paid"]), (&json!("paid"), &json!(19000)));
    local.advance(31 * DAY);
    let told = local.happenings();
    let renewal = told.iter().rfind(|happening| happening.event_type == "invoice.paid").unwrap();
    assert_eq!(
        (&renewal.object["amount_paid"], &renewal.object["billing_reason"]),
        (&json!(15000), &json!("subscription_cycle"))
    );
}

#[actix_web::test]
async fn a_quote_that_begins_later_becomes_a_schedule() {
    let local = Local::start();
    let customer = local.customer_with("visa").await;
    let monthly = local.monthly(1500).await;
    let start = local.see("/_fake/clock").await["now"].as_i64().unwrap() + 864_000;
    let form = format!(
        "customer={}&line_items[0][price]={}&subscription_data[effective_date]={start}",
        id(&customer),
        id(&monthly)
    );
    let quote = local.open_quote(&form).await;

    let accepted = local.make(&format!("/v1/quotes/{}/accept", id(&quote)), "").await;
    let path = format!("/v1/subscription_schedules/{}", id(&accepted["subscription_schedule"]));
    let before = local.see(&path).await;
    local.advance(11 * DAY);
    let running = local.see(&path).await;
    let subscription = local.see(&format!("/v1/subscriptions/{}", id(&running["subscription"]))).await;
    local.advance(31 * DAY);
    let after = local.see(&path).await;

    assert_eq!((&accepted["subscription"], &accepted["invoice"]), (&json!(null), &json!(null)));
    assert_eq!((&before["status"], &before["subscription"]), (&json!("not_started"), &json!(null)));
    assert_eq!((&running["status"], &subscription["created"]), (&json!("active"), &json!(start)));
    assert_eq!(subscription["schedule"], running["id"]);
    assert_eq!(
        (&after["status"], &after["released_subscription"]),
        (&json!("released"), &subscription["id"])
    );
    let told = local.told();
    for event in
        ["subscription_schedule.created", "subscription_schedule.updated", "subscription_schedule.released"]
    {
        assert!(told.contains(&event.to_owned()), "{event}: {told:?}");
    }
}

#[actix_web::test]
async fn a_quote_that_nobody_accepts_ends_and_mixed_lines_are_refused() {
    let local = Local::start();
    let customer = local.customer_with("visa").await;
    let (monthly, yearly) = (local.monthly(1500).await, local.price(9000, "recurring[interval]=year").await);
    let euros = local.make("/v1/prices", "currency=eur&unit_amount=5&product_data[name]=Tee").await;
    let line =
        |price: &Value| format!("line_items[0][price]={}&line_items[1][price]={}", id(&monthly), id(price));

    for other in [&yearly, &euros] {
        let refused = local.post("/v1/quotes", &line(other)).await;
        assert_eq!((refused.status, refused.error("param")), (400, &json!("line_items[1][price]")));
    }
    let quote =
        local.open_quote(&format!("customer={}&line_items[][price]={}", id(&customer), id(&monthly))).await;
    local.told();
    local.advance(30 * DAY);

    assert_eq!(local.told(), ["quote.canceled"]);
    assert_eq!(local.post(&format!("/v1/quotes/{}/accept", id(&quote)), "").await.status, 400);
}
