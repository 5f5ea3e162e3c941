//! What a quote offers, all of it: events do not tell it, and answers only the first ten lines.

use std::time::Duration;

use packline::app::{FOR_QUOTES, RECEIVERS};
use packline::config::StripeConfig;
use packline::outbox::Outbox;
use packline::quotes::Quotes;
use packline::stripe::Client;
use serde_json::{Value, json};

use super::{goods, path};
use crate::support::billing::Shop;
use crate::support::stripe::{event, with};

/// The worker that looks at quotes.
fn looker(shop: &Shop, timeout: Duration) -> Quotes {
    let (pool, clock) = (shop.app.pool.clone(), shop.app.clock.clone());
    let client = Client::new(&StripeConfig { timeout, ..shop.config.clone() }).unwrap();
    let outbox = Outbox::new(pool.clone(), clock.clone(), Some(client), RECEIVERS);
    Quotes::new(pool, clock, outbox, FOR_QUOTES)
}

/// Looks until nothing is due.
async fn look(shop: &Shop) {
    let quotes = looker(shop, shop.config.timeout);
    while quotes.run_once().await.unwrap() > 0 {}
}

/// One, two, three … of a price.
fn lines(price: &str, count: i64) -> Value {
    (1..=count).map(|quantity| json!({ "price": price, "quantity": quantity })).collect()
}

fn quantities(quote: &Value) -> Vec<i64> {
    let lines = quote["lines"].as_array().unwrap_or_else(|| panic!("no lines: {quote}"));
    lines.iter().map(|line| line["quantity"].as_i64().unwrap()).collect()
}

/// A draft of the Dashboard, of so many lines of a price of a product with this sku, of which events told.
async fn in_dashboard(shop: &Shop, count: usize, sku: &str) -> (String, String) {
    let customer = shop.in_dashboard("/v1/customers", &[("name", "Ada")]).await;
    let product = shop.in_dashboard("/v1/products", &[("name", "Tea"), ("metadata[sku]", sku)]).await;
    let product = product["id"].as_str().unwrap();
    let price = [("product", product), ("currency", "usd"), ("unit_amount", "700")];
    let price = shop.in_dashboard("/v1/prices", &price).await["id"].as_str().unwrap().to_owned();
    let mut form = vec![("customer".to_owned(), customer["id"].as_str().unwrap().to_owned())];
    for at in 0..count {
        form.push((format!("line_items[{at}][price]"), price.clone()));
        form.push((format!("line_items[{at}][quantity]"), (at + 1).to_string()));
    }
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (&**name, &**value)).collect();
    let quote = shop.in_dashboard("/v1/quotes", &form).await;
    shop.hear().await;
    (quote["id"].as_str().unwrap().to_owned(), price)
}

#[tokio::test]
async fn a_quote_of_many_lines_has_all_of_them() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let asked = json!({ "customer": goods.customer, "lines": lines(&goods.once, 25) });

    let made = shop.make("/v1/quotes", &asked).await;

    assert_eq!(quantities(&made), (1..=25).collect::<Vec<_>>(), "{made}");
    assert!(made["lines"].as_array().unwrap().iter().all(|line| line["sku"] == "TEA"), "{made}");
    let (_, revised) = shop.post(&path(&made, ""), &json!({ "lines": lines(&goods.once, 12) })).await;
    assert_eq!(quantities(&revised).len(), 12);
    let finalized = shop.act(&path(&made, "/finalize")).await;
    let accepted = shop.act(&path(&made, "/accept")).await;
    assert_eq!(finalized["lines"], revised["lines"]);
    assert_eq!(accepted["lines"], revised["lines"]);
    let (_, few) = shop.post("/v1/quotes", &json!({ "lines": lines(&goods.once, 10) })).await;
    assert_eq!(quantities(&few).len(), 10);
    let looks = "select count(*) from quotes where next_look_at is not null";
    assert_eq!(shop.app.value::<i64>(looks).await, 0);
}

#[tokio::test]
async fn lines_that_could_not_be_asked_for_at_once_are_the_workers() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    shop.fault("GET", "/v1/quotes", "500", 3).await;

    let made = shop.make("/v1/quotes", &json!({ "lines": lines(&goods.once, 25) })).await;
    assert_eq!(made["lines"], Value::Null, "no part of them stands for all: {made}");
    assert_eq!(made["amount_total"], 25 * 26 / 2 * 1500);
    shop.fault("GET", "/v1/quotes", "500", 3).await;
    look(&shop).await;
    assert_eq!(shop.get(&path(&made, "")).await["lines"], Value::Null, "Stripe did not answer");
    shop.app.clock.advance(Duration::from_secs(60));
    look(&shop).await;

    assert_eq!(quantities(&shop.get(&path(&made, "")).await).len(), 25);
}

#[tokio::test]
async fn the_lines_of_a_quote_of_the_dashboard_are_asked_for_and_called_as_the_merchant_calls_them() {
    let shop = Shop::open().await;
    let (name, price) = in_dashboard(&shop, 12, "TEA-250").await;
    let quote = async || shop.get(&format!("/v1/quotes/{name}")).await;
    assert_eq!(quote().await["lines"], Value::Null, "its event does not tell them");

    look(&shop).await;

    let draft = quote().await;
    assert_eq!((&draft["origin"], &draft["state"]), (&json!("stripe"), &json!("draft")));
    assert_eq!(quantities(&draft), (1..=12).collect::<Vec<_>>());
    assert!(draft["lines"].as_array().unwrap().iter().all(|line| line["sku"] == "TEA-250"), "{draft}");

    // A draft changes without an event; what is finalised is what counts.
    let fewer = [("line_items[0][price]", &*price), ("line_items[0][quantity]", "3")];
    shop.in_dashboard(&format!("/v1/quotes/{name}"), &fewer).await;
    shop.in_dashboard(&format!("/v1/quotes/{name}/finalize"), &[]).await;
    shop.hear().await;
    look(&shop).await;
    let open = quote().await;
    assert_eq!((&open["state"], quantities(&open)), (&json!("open"), vec![3]), "{open}");
    assert_eq!(open["amount_total"], 2100);

    // What is open does not change any more.
    shop.in_dashboard(&format!("/v1/quotes/{name}/accept"), &[]).await;
    shop.hear().await;
    assert_eq!(looker(&shop, shop.config.timeout).run_once().await.unwrap(), 0);
    let accepted = quote().await;
    assert_eq!((&accepted["state"], &accepted["lines"]), (&json!("accepted"), &open["lines"]));
}

#[tokio::test]
async fn a_quote_that_stripe_does_not_show_is_asked_for_once() {
    let shop = Shop::without_events().await;
    let quote = super::events::quote("qt_of_nobody", "open");
    shop.app.deliver(&[event("quote.finalized", quote)]).await;

    look(&shop).await;
    shop.app.clock.advance(Duration::from_secs(86_400));

    assert_eq!(looker(&shop, shop.config.timeout).run_once().await.unwrap(), 0);
    assert_eq!(shop.get("/v1/quotes/qt_of_nobody").await["lines"], Value::Null);
}

#[tokio::test]
async fn a_slow_old_look_never_overwrites_what_came_since() {
    let shop = Shop::open().await;
    let (name, _) = in_dashboard(&shop, 1, "TEA").await;
    let slow = json!({ "kind": "slow", "path": "/v1/quotes", "method": "GET", "times": 1, "ms": 12_000 });
    shop.stripe.order_fault(serde_json::from_value(slow).unwrap());
    let quotes = looker(&shop, Duration::from_secs(20));
    sqlx::query("update quotes set next_look_at = '2001-01-01'").execute(&shop.app.pool).await.unwrap();

    let looking = tokio::spawn(async move { quotes.run_once().await.unwrap() });
    while shop.app.value::<bool>("select next_look_at < '2002-01-01' from quotes").await {
        tokio::task::yield_now().await;
    }
    let told = with(super::events::quote(&name, "open"), json!({ "amount_total": 5 }));
    shop.app.deliver(&[event("quote.finalized", told)]).await;
    looking.await.unwrap();

    let quote = shop.get(&format!("/v1/quotes/{name}")).await;
    assert_eq!((&quote["state"], &quote["amount_total"]), (&json!("open"), &json!(5)), "{quote}");
    assert_eq!(quote["lines"], Value::Null, "the look saw the draft, and began before");
    // Stripe still says that it is a draft, as it may for a moment: the event knows better.
    look(&shop).await;
    let quote = shop.get(&format!("/v1/quotes/{name}")).await;
    assert_eq!((&quote["state"], &quote["amount_total"]), (&json!("open"), &json!(5)), "{quote}");
    let looks = "select extract(epoch from next_look_at)::bigint from quotes";
    let first = shop.app.value::<i64>(looks).await - shop.app.clock.now().unix_timestamp();
    assert!(first > 0, "it looks again, a little later");
    shop.app.clock.advance(Duration::from_secs(60));
    look(&shop).await;
    let second = shop.app.value::<i64>(looks).await - shop.app.clock.now().unix_timestamp();
    assert!(second > first, "and always later: {first} s, {second} s");
}
