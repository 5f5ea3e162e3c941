//! Quotes as Stripe itself told them, of other origin than ours; without the folder of fixtures this says so and passes.

use serde_json::{Value, json};

use crate::fixtures::{files, folder};
use crate::support::TestApp;
use crate::support::stripe::{event, with};

fn events() -> Vec<Value> {
    let Some(folder) = folder("webhook_events") else { return Vec::new() };
    let read = files(&folder).into_iter().filter_map(|(path, text)| {
        path.contains("/quote.").then(|| serde_json::from_str::<Value>(&text).unwrap())
    });
    read.collect()
}

#[tokio::test]
async fn each_event_of_a_quote_ends_in_the_state_that_it_tells() {
    let app = TestApp::start().await;
    for (number, told) in events().into_iter().enumerate() {
        let name = format!("qt_recorded{number}");
        let object = with(told["data"]["object"].clone(), json!({ "id": name, "metadata": {} }));
        let status = object["status"].as_str().unwrap().replace("canceled", "cancelled");

        app.deliver(&[event(told["type"].as_str().unwrap(), object.clone())]).await;

        let quote: Value = app.get(&format!("/v1/quotes/{name}")).await.json().await.unwrap();
        assert_eq!(quote["state"], status, "{told}");
        for field in ["number", "invoice", "subscription", "amount_total", "currency"] {
            assert_eq!(quote[field], object[field], "{field} of {told}");
        }
    }
}

#[tokio::test]
async fn the_newest_shape_is_read_too() {
    let Some(folder) = folder("openapi") else { return };
    let text = std::fs::read_to_string(folder.join("fixtures3.json")).unwrap();
    let quote = serde_json::from_str::<Value>(&text).unwrap()["resources"]["quote"].clone();
    let app = TestApp::start().await;

    app.deliver(&[event("quote.created", with(quote.clone(), json!({ "id": "qt_1" })))]).await;

    let read: Value = app.get("/v1/quotes/qt_1").await.json().await.unwrap();
    assert_eq!((&read["state"], &read["customer"]), (&json!("draft"), &quote["customer"]));
    assert_eq!(read["recurring"]["amount_total"], quote["computed"]["recurring"]["amount_total"]);
}
