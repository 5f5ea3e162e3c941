//! What people see of quotes on the command line.

use serde_json::{Value, json};

use super::{draft, goods, path};
use crate::cli::{complaint, on, printed};
use crate::support::billing::Shop;

#[tokio::test]
async fn quotes_are_listed_and_shown_with_what_they_led_to() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.monthly).await;
    shop.act(&path(&quote, "/finalize")).await;
    let accepted = shop.act(&path(&quote, "/accept")).await;
    shop.make("/v1/quotes", &json!({})).await;
    let database = &shop.app.database;
    let text = |field: &str| accepted[field].as_str().unwrap();

    let page = printed(on(database, &["quotes", "show", text("stripe_id")]));
    for words in [
        "accepted",
        text("number"),
        text("invoice"),
        text("subscription"),
        "10 × TEA",
        "150.00 USD each month",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let list = printed(on(database, &["quotes", "list"]));
    assert!(list.contains(text("stripe_id")) && list.contains("draft"), "{list}");
    let list = printed(on(database, &["quotes", "list", "--state", "accepted", "--json"]));
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["id"], quote["id"]);
    let shown = printed(on(database, &["quotes", "show", text("id"), "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["invoice"], accepted["invoice"]);
    let error = complaint(on(database, &["quotes", "show", "qt_none"]), 1);
    assert!(error.contains("no quote has the id"), "{error}");
}
