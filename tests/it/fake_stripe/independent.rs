//! Against what Stripe itself published: the CLI's triggers run, and real objects have nothing that ours lack. The files
//! are those of `fixtures`; without the folder these tests say so and pass.

use std::collections::BTreeMap;
use std::time::Duration;

use packline::inbox::dispatch;
use reqwest::Method;
use serde_json::{Value, json};

use super::Local;
use super::payments::id;
use crate::fixtures::{files, folder};

/// Triggers of events that Packline does not handle, which run all the same.
const OTHER_TRIGGERS: [&str; 20] = [
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "quote.accepted",
    "quote.canceled",
    "quote.created",
    "quote.finalized",
    "subscription.payment_failed",
    "subscription.payment_succeeded",
    "account.application.deauthorized",
    "account.updated",
    "charge.failed",
    "invoice.deleted",
    "invoiceitem.created",
    "invoiceitem.deleted",
    "payment_intent.canceled",
    "payment_intent.created",
    "charge.succeeded",
];

#[actix_web::test]
async fn the_triggers_of_the_cli_for_handled_events_run() {
    let Some(folder) = folder("cli_triggers") else {
        return;
    };
    let mut ran = 0;
    for (path, text) in files(&folder) {
        let event = path.rsplit('/').next().unwrap().trim_end_matches(".json").to_owned();
        if !dispatch::is_handled(&event) && !OTHER_TRIGGERS.contains(&event.as_str()) {
            continue;
        }
        let trigger: Value = serde_json::from_str(&text).unwrap();
        let mut steps = trigger["fixtures"].as_array().unwrap().iter();
        if steps.any(|step| step["expected_error_type"] == "invalid_request_error") {
            // Made for accounts that cannot do it: it ends in nothing.
            continue;
        }
        let local = Local::start();
        run(&local, &event, &trigger).await;
        // What a bank says takes days.
        local.stripe.advance(Duration::from_secs(14 * 24 * 60 * 60));
        let told = local.told();
        // Two of them are named for what they are about.
        let event =
            event.replacen("subscription.payment", "invoice.payment", usize::from(event.starts_with("sub")));
        assert!(told.contains(&event), "{event}: {told:?}");
        ran += 1;
    }
    assert!(ran > 25, "{ran} triggers ran");
}

async fn run(local: &Local, event: &str, trigger: &Value) {
    let mut answers: BTreeMap<String, Value> = BTreeMap::new();
    for step in trigger["fixtures"].as_array().unwrap() {
        let path = filled(step["path"].as_str().unwrap(), &answers);
        let mut form = Vec::new();
        flatten("", &step["params"], &answers, &mut form);
        let method = step["method"].as_str().unwrap().to_uppercase();
        let answered = match method.as_str() {
            "GET" => local.get(&format!("{path}?{}", form.join("&"))).await,
            "POST" => local.post(&path, &form.join("&")).await,
            _ => local.send(local.request(Method::DELETE, &path)).await,
        };
        match step["expected_error_type"].as_str() {
            Some(kind) if !kind.is_empty() => assert_eq!(answered.error("type"), kind, "{event} {path}"),
            _ => assert_eq!(answered.status, 200, "{event} {path}: {}", answered.body),
        }
        answers.insert(step["name"].as_str().unwrap().to_owned(), answered.body);
    }
}

fn filled(text: &str, answers: &BTreeMap<String, Value>) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (reference, after) = rest.split_once('}').unwrap();
    let (name, path) = reference.split_once(':').unwrap();
    let pointer = format!("/{}", path.replace('.', "/"));
    let value = answers[name].pointer(&pointer).unwrap().as_str().unwrap();
    filled(&format!("{before}{value}{after}"), answers)
}

fn flatten(name: &str, value: &Value, answers: &BTreeMap<String, Value>, form: &mut Vec<String>) {
    let inner = |key: &str| match (name.is_empty(), key.split_once('[')) {
        (true, _) => key.to_owned(),
        (false, None) => format!("{name}[{key}]"),
        (false, Some((first, rest))) => format!("{name}[{first}][{rest}"),
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&inner(key), value, answers, form)),
        Value::Array(items) => {
            items.iter().for_each(|item| flatten(&format!("{name}[]"), item, answers, form))
        }
        Value::Null => {}
        Value::String(text) => form.push(format!("{name}={}", filled(text, answers))),
        other => form.push(format!("{name}={other}")),
    }
}

/// What real objects have and ours do not, on purpose.
const LEFT_OUT: &[&str] = &[
    // What only some accounts, methods or features have.
    "account.company",
    "account.controller.fees.payer",
    "account.individual",
    "account.external_accounts.data",
    "account.group",
    "account.groups",
    "payment_intent.next_action",
    "payment_intent.payment_method_options",
    "payment_intent.last_payment_error",
    "payment_intent.automatic_payment_methods",
    "payment_intent.shipping",
    "payment_intent.processing",
    "payment_intent.payment_method_configuration_details",
    "payment_intent.transfer_data",
    "charge.payment_method_details",
    "subscription.pending_update",
    "quote.from_quote",
    "quote.transfer_data",
    "charge.refunds",
    "charge.source",
    "charge.transfer_data",
    "charge.shipping",
    "customer.address",
    "customer.discount",
    "customer.shipping",
    "customer.invoice_settings",
    "dispute.evidence",
    "dispute.payment_method_details",
    "payment_method.card.generated_from",
    "payment_method.card.wallet",
    "invoice.subscription",
    "invoice.payments",
    "invoice.confirmation_secret",
    "invoice.parent",
    "invoice.lines.data",
    "invoice.from_invoice",
    "invoice.last_finalization_error",
    "invoice.shipping_cost",
    "invoice.shipping_details",
    "invoice.customer_address",
    "invoice.customer_shipping",
    "invoice.threshold_reason",
    "invoiceitem.parent",
    "line_item.subscription",
    "payment_method.metadata",
    "refund.destination_details",
    "account.business_profile.support_address",
    "account.business_profile.annual_revenue",
    "account.capabilities",
];

/// An object of each kind, after a life.
async fn ours(local: &Local) -> BTreeMap<String, Value> {
    let account = local.make("/v1/accounts", "type=express").await;
    local.control(&format!("accounts/{}/complete", id(&account)), json!({})).await;
    let customer = local.make("/v1/customers", "email=ann@example.com").await;
    let more = format!(
        "customer={}&application_fee_amount=100&transfer_data[destination]={}&setup_future_usage=off_session&\
         expand[]=latest_charge&expand[]=payment_method",
        id(&customer),
        id(&account)
    );
    let intent = local.pay("visa", &more).await;
    let refund = format!("payment_intent={}&reverse_transfer=true&refund_application_fee=true", id(&intent));
    let refund = local.make("/v1/refunds", &format!("{refund}&expand[]=transfer_reversal")).await;
    let charge = format!(
        "/v1/charges/{}?expand[]=balance_transaction&expand[]=transfer",
        id(&intent["latest_charge"])
    );
    let charge = local.see(&charge).await;
    let fee =
        local.see(&format!("/v1/application_fees/{}", charge["application_fee"].as_str().unwrap())).await;
    local.pay("createDispute", "").await;
    local.pay("createIssuerFraudRecord", "").await;
    let of = format!("customer={}", id(&customer));
    let item = local.make("/v1/invoiceitems", &format!("{of}&amount=2000&currency=usd")).await;
    let invoice = local.make("/v1/invoices", &format!("{of}&pending_invoice_items_behavior=include")).await;
    local.make(&format!("/v1/invoices/{}/finalize", id(&invoice)), "").await;
    let token = "card[number]=4242424242424242&card[exp_month]=12&card[exp_year]=34";
    let links = "type=account_onboarding&refresh_url=http://127.0.0.1/&return_url=http://127.0.0.1/";
    let first = |list: Value| list["data"][0].clone();
    let monthly = local
        .make("/v1/prices", "currency=usd&unit_amount=1500&recurring[interval]=month&product_data[name]=Tea")
        .await;
    let quoted = format!("customer={}&line_items[0][price]={}", id(&customer), id(&monthly));
    let later = local.see("/_fake/clock").await["now"].as_i64().unwrap() + 1_000_000;
    let mut subscribed = Vec::new();
    for more in ["", &format!("&subscription_data[effective_date]={later}")] {
        let quote = local.make("/v1/quotes", &format!("{quoted}{more}")).await;
        local.make(&format!("/v1/quotes/{}/finalize", id(&quote)), "").await;
        subscribed.push(local.make(&format!("/v1/quotes/{}/accept", id(&quote)), "").await);
    }
    let subscription = local.see(&format!("/v1/subscriptions/{}", id(&subscribed[0]["subscription"]))).await;
    let objects = [
        first(local.see("/v1/payment_intents").await),
        local.see(&format!("/v1/accounts/{}", id(&account))).await,
        local.see(&format!("/v1/customers/{}", id(&customer))).await,
        local.see(&format!("/v1/payment_methods/{}", id(&intent["payment_method"]))).await,
        charge["balance_transaction"].clone(),
        charge["transfer"].clone(),
        charge,
        refund["transfer_reversal"].clone(),
        refund,
        fee["refunds"]["data"][0].clone(),
        fee,
        first(local.see("/v1/disputes").await),
        first(local.see("/v1/radar/early_fraud_warnings").await),
        item,
        local.see(&format!("/v1/invoices/{}", id(&invoice))).await,
        first(local.see(&format!("/v1/invoices/{}/lines", id(&invoice))).await),
        first(local.see("/v1/invoice_payments").await),
        local.make("/v1/tokens", token).await,
        local.see(&format!("/v1/products/{}", id(&monthly["product"]))).await,
        monthly,
        first(local.see(&format!("/v1/quotes/{}/line_items", id(&subscribed[0]))).await),
        subscription["items"]["data"][0].clone(),
        subscription["plan"].clone(),
        subscription,
        local
            .see(&format!("/v1/subscription_schedules/{}", id(&subscribed[1]["subscription_schedule"])))
            .await,
        subscribed.remove(0),
        local.make("/v1/account_links", &format!("account={}&{links}", id(&account))).await,
    ];
    objects.into_iter().map(|object| (object["object"].as_str().unwrap().to_owned(), object)).collect()
}

/// Where a real object has a key that ours has not.
fn lacking(at: &str, real: &Value, ours: &Value, found: &mut Vec<String>) {
    let (Value::Object(real), Value::Object(ours)) = (real, ours) else {
        return;
    };
    for (key, value) in real {
        let at = format!("{at}.{key}");
        match ours.get(key) {
            _ if LEFT_OUT.contains(&at.as_str()) => {}
            None => found.push(at),
            Some(ours) => lacking(&at, value, ours, found),
        }
    }
}

#[actix_web::test]
async fn our_objects_have_all_that_real_ones_have() {
    let (Some(real), Some(openapi)) = (folder("api_objects"), folder("openapi")) else {
        return;
    };
    let local = Local::start();
    let ours = ours(&local).await;
    let newest = files(&real).into_iter().filter(|(path, _)| path.contains("2026-03-25.dahlia"));
    let clover = files(&real).into_iter().filter(|(path, _)| path.contains("2025-10-29.clover"));
    let published =
        files(&openapi).into_iter().map(|(_, text)| serde_json::from_str::<Value>(&text).unwrap());
    let mut compared = 0;
    let mut found = Vec::new();
    let real =
        newest.chain(clover).map(|(_, text)| serde_json::from_str::<Value>(&text).unwrap()["body"].clone());
    let published = published.flat_map(|all| all["resources"].as_object().unwrap().clone().into_values());
    for object in real.chain(published) {
        let kind = object["object"].as_str().unwrap_or_default();
        if let Some(ours) = ours.get(kind).filter(|_| object.get("deleted").is_none()) {
            lacking(kind, &object, ours, &mut found);
            compared += 1;
        }
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{found:#?}");
    assert!(compared >= ours.len(), "{compared} objects compared");
}
