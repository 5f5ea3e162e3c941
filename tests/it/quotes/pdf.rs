//! The PDF of a quote, streamed through.

use reqwest::StatusCode;
use serde_json::Value;

use super::{draft, goods, path};
use crate::support::billing::Shop;

#[tokio::test]
async fn the_pdf_is_there_from_the_moment_the_quote_is_finalised() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;
    let pdf = path(&quote, "/pdf");

    let early = shop.app.get(&pdf).await;
    assert_eq!(early.status(), StatusCode::CONFLICT);
    let told: Value = early.json().await.unwrap();
    assert_eq!(told["error"]["code"], "quote_not_open");
    assert!(told["error"]["message"].as_str().unwrap().contains("/finalize"), "{told}");
    let open = shop.act(&path(&quote, "/finalize")).await;
    let file = shop.app.get(&pdf).await;

    assert_eq!(file.status(), StatusCode::OK);
    assert_eq!(file.headers()["content-type"], "application/pdf");
    let name = format!("attachment; filename=\"{}.pdf\"", open["number"].as_str().unwrap());
    assert_eq!(file.headers()["content-disposition"], name);
    let file = file.bytes().await.unwrap();
    assert!(file.starts_with(b"%PDF-") && file.trim_ascii_end().ends_with(b"%%EOF"), "{} bytes", file.len());

    shop.act(&path(&quote, "/accept")).await;
    assert_eq!(shop.app.get(&pdf).await.bytes().await.unwrap(), file);
    let never = draft(&shop, &goods, &goods.once).await;
    shop.act(&path(&never, "/cancel")).await;
    assert_eq!(shop.app.get(&path(&never, "/pdf")).await.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_host_of_files_that_fails_is_asked_again_and_then_told_of() {
    let shop = Shop::without_events().await;
    let goods = goods(&shop).await;
    let quote = draft(&shop, &goods, &goods.once).await;
    shop.act(&path(&quote, "/finalize")).await;
    let pdf = path(&quote, "/pdf");

    shop.fault("GET", "/v1/quotes/", "500", 1).await;
    assert_eq!(shop.app.get(&pdf).await.status(), StatusCode::OK, "one failure is none");
    for kind in ["500", "429", "dropped", "garbage"] {
        shop.fault("GET", "/v1/quotes/", kind, 9).await;
        let response = shop.app.get(&pdf).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{kind}");
        assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "stripe_unavailable");
        shop.stripe.clear_faults();
    }
}
