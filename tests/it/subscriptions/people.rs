//! What people see of subscriptions on the command line.

use packline::fake_stripe::delivery::NEWEST;
use serde_json::{Value, json};

use crate::cli::{complaint, on, printed};
use crate::support::merchant::Merchant;

#[tokio::test]
async fn subscriptions_are_listed_and_shown_with_what_is_unpaid_and_the_orders_of_their_invoices() {
    let merchant = Merchant::open(NEWEST).await;
    let customer = merchant.customer("visa").await;
    let tea = merchant.monthly("TEA").await;
    let asked = json!({ "customer": customer, "items": [{ "price": tea, "quantity": 2 }],
      "payment_behavior": "allow_incomplete" });
    let name = merchant.subscribe(asked.clone()).await;
    merchant.keep_card(&customer, "chargeCustomerFail").await;
    merchant.pass(32).await;
    let other = merchant.customer("visa").await;
    let mut asked = asked;
    asked["customer"] = json!(other);
    let fresh = merchant.subscribe(asked).await;
    let database = &merchant.app.database;
    let dunning = merchant.subscription(&name).await["dunning"].clone();
    let secret = dunning["client_secret"].as_str().unwrap();

    let list = printed(on(database, &["subscriptions", "list"]));
    for words in [&name, &fresh, "past_due", "active", "granted", "2 × TEA", "20.00 USD"] {
        assert!(list.contains(words), "{words}: {list}");
    }
    assert!(list.find(&fresh) < list.find(&name), "newest first: {list}");
    let late = printed(on(database, &["subscriptions", "list", "--status", "past_due", "--json"]));
    let late: Vec<Value> = serde_json::from_str(&late).unwrap();
    assert_eq!((late.len(), &late[0]["stripe_id"]), (1, &json!(name)));
    assert_eq!(late[0]["dunning"]["pay_here"], dunning["pay_here"]);
    assert!(!late[0].to_string().contains(secret), "a secret is not for terminals");
    let theirs = printed(on(database, &["subscriptions", "list", "--customer", &other]));
    assert!(theirs.contains(&fresh) && !theirs.contains(&name), "{theirs}");

    let page = printed(on(database, &["subscriptions", "show", &name]));
    let order = merchant.orders().await[1]["id"].clone();
    for words in [
        "past_due",
        "access      granted: a payment is past due",
        "items       2 × TEA",
        "unpaid      20.00 USD of ",
        "tries       1, next ",
        "problem     Your card was declined.",
        dunning["pay_here"].as_str().unwrap(),
        "subscription_create",
        "subscription_cycle",
        order.as_str().unwrap(),
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains(secret), "{page}");
    let shown = printed(on(database, &["subscriptions", "show", &name, "--json"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["status"], &shown["dunning"]["attempt_count"]), (&json!("past_due"), &json!(1)));
    let error = complaint(on(database, &["subscriptions", "show", "sub_none"]), 1);
    assert!(error.contains("no subscription has the id"), "{error}");
    complaint(on(database, &["subscriptions", "list", "--status", "late"]), 2);
}
