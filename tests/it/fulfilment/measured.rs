//! What the fulfilment features count, as `/metrics` shows it.

use std::sync::Arc;

use packline::fulfilment::{
    DEFAULT_PROVIDER, FulfilmentMetrics, FulfilmentSettings, FulfilmentWorker, LogProvider, Outcome,
    Provider, Receipt,
};
use packline::telemetry;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::warehouse::{Does, Warehouse};
use super::{Shop, drain};
use crate::support::{Process, TestDatabase};

const OBSERVED: &str = "packline_fulfilment_paid_to_fulfilled_seconds";

/// Fulfils what is due; returns what was counted thereby.
async fn counted(shop: &Shop, provider: Arc<dyn Provider>) -> String {
    let mut registry = telemetry::registry();
    let worker = FulfilmentWorker::new(
        shop.pool.clone(),
        shop.clock.clone(),
        shop.providers().with(DEFAULT_PROVIDER, provider),
        "counting",
        FulfilmentSettings::default(),
        FulfilmentMetrics::register(&mut registry),
    );
    drain(&worker).await;
    telemetry::render(&registry)
}

fn says(metrics: &str, lines: &[String]) {
    for line in lines {
        assert!(metrics.lines().any(|there| there == line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_recorded_fulfilment_is_observed_with_the_time_from_paid_to_fulfilled() {
    let shop = Shop::open().await;
    shop.paid().await;
    shop.advance(3);

    let metrics = counted(&shop, Arc::new(LogProvider)).await;

    says(
        &metrics,
        &[
            format!("{OBSERVED}_bucket{{le=\"2.0\"}} 0"),
            format!("{OBSERVED}_bucket{{le=\"5.0\"}} 1"),
            format!("{OBSERVED}_sum 3.0"),
            "packline_fulfilments_ended_total{state=\"fulfilled\"} 1".to_owned(),
        ],
    );
}

#[tokio::test]
async fn a_fulfilment_that_ends_by_call_back_is_observed_once_by_the_process_that_heard_it() {
    let shop = Shop::open().await;
    let sale = shop.paid().await;
    let accepts = Warehouse::does([Does::Say(Outcome::Accepted(Receipt::default()))]);
    let by_worker = counted(&shop, accepts).await;
    says(&by_worker, &[format!("{OBSERVED}_count 0")]);
    shop.advance(40);
    let id: uuid::Uuid = shop.value("select id from fulfilments").await;
    let address = format!("{}/v1/fulfilments/{id}/events", shop.base);

    for kind in ["shipped", "shipped", "delivered"] {
        let event = json!({ "type": kind, "shipment": "A" });
        let answer = shop.api(shop.client.post(&address)).json(&event).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    assert_eq!(shop.state(&sale).await, "fulfilled");
    let metrics = shop.get("/metrics").await.text().await.unwrap();
    says(
        &metrics,
        &[
            format!("{OBSERVED}_count 1"),
            format!("{OBSERVED}_sum 40.0"),
            "packline_fulfilments_ended_total{state=\"fulfilled\"} 1".to_owned(),
        ],
    );
}

#[tokio::test]
async fn a_process_that_only_works_shows_how_it_is_where_it_is_told_to_and_nothing_else() {
    let database = TestDatabase::create().await;
    let settings = [("DATABASE_URL", database.url.as_str())];
    let mut worker = Process::spawn(&["worker", "--metrics-listen", "127.0.0.1:0"], &settings);
    let metrics = worker.logged("metrics at ").await;
    let base = metrics.strip_suffix("/metrics").unwrap();
    let client = packline::http_client::builder().build().unwrap();
    let get = async |path: &str| client.get(format!("{base}{path}")).send().await.unwrap();

    let text = get("/metrics").await.text().await.unwrap();
    says(&text, &[format!("{OBSERVED}_count 0")]);
    assert_eq!(get("/healthz").await.status(), StatusCode::OK);
    let ready: Value = get("/readyz").await.json().await.unwrap();
    assert_eq!((&ready["status"], &ready["database"]), (&json!("ok"), &json!("ok")));
    for path in ["/v1/orders", "/webhooks/stripe", "/pay", "/openapi.json", "/d/ABC.def"] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }

    worker.terminate().await;
}
