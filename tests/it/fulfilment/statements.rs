//! What a round of the worker costs: so many statements, whatever the number of fulfilments in it.

use packline::db;
use packline::fulfilment::{
    DEFAULT_PROVIDER, FulfilmentMetrics, FulfilmentSettings, FulfilmentWorker, LogProvider, Providers,
};
use packline::telemetry;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

use super::Shop;
use crate::support::Proxy;
use crate::support::stripe::intent_succeeded;

/// A claim: begin, the providers, the lanes of one, what is due in them, what is known of it, the beginning of the
/// attempts, the orders' move, commit.
const CLAIM: usize = 8;
/// What to send, and to whom.
const READ: usize = 2;
/// A record: begin, the orders, the fence, what is known, the end of the attempts, what becomes of the fulfilments and of
/// their lines, the orders' move, commit.
const RECORD: usize = 9;

async fn paid(count: usize) -> Shop {
    let shop = Shop::open().await;
    let mut successes = Vec::new();
    for _ in 0..count {
        successes.push(intent_succeeded(&shop.placed(json!({})).await.intent));
    }
    shop.deliver_at_once(&successes).await;
    shop
}

#[tokio::test]
async fn a_round_takes_as_many_statements_for_many_fulfilments_as_for_one() {
    for count in [1, 24] {
        let shop = paid(count).await;
        let proxy = Proxy::before(&shop.database.url);
        let pool = db::connect_to_work(&proxy.url, "packline-test", 1).unwrap();
        let providers = Providers::new(pool.clone(), shop.clock.clone(), Duration::from_secs(10));
        let worker = FulfilmentWorker::new(
            pool.clone(),
            shop.clock.clone(),
            providers.with(DEFAULT_PROVIDER, Arc::new(LogProvider)),
            "counted",
            FulfilmentSettings { concurrency: 32, ..FulfilmentSettings::default() },
            FulfilmentMetrics::register(&mut telemetry::registry()),
        );
        drop(pool.acquire().await.unwrap());
        let before = proxy.statements();

        assert_eq!(worker.run_once().await.unwrap(), count);

        assert_eq!(proxy.statements() - before, CLAIM + READ + RECORD, "for {count}");
        let fulfilled: i64 = shop.value("select count(*) from fulfilments where state = 'fulfilled'").await;
        assert_eq!(usize::try_from(fulfilled).unwrap(), count);
        pool.close().await;
    }
}
