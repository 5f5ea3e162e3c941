//! What a claim takes: by priority, in turns between accounts, within each provider's bounds.

use packline::fulfilment::{FulfilmentSettings, LookUp, Outcome};

use super::warehouse::{Does, Warehouse, not_done, unknown};
use super::{Sale, Shop, drain};

async fn paid(shop: &Shop, count: usize) -> Vec<Sale> {
    let mut sales = Vec::new();
    for _ in 0..count {
        sales.push(shop.paid().await);
    }
    sales
}

async fn shipped(shop: &Shop, sales: &[Sale]) -> usize {
    let mut count = 0;
    for sale in sales {
        count += usize::from(shop.state(sale).await == "fulfilled");
    }
    count
}

async fn put(shop: &Shop, sales: &[Sale], column: &str, value: &str) {
    for sale in sales {
        let sql = match column {
            "account" => "update fulfilments set account = $2 where order_id = $1",
            _ => "update fulfilments set priority = $2::smallint where order_id = $1",
        };
        sqlx::query(sql).bind(sale.order).bind(value).execute(&shop.pool).await.unwrap();
    }
}

async fn limit(shop: &Shop, sql: &'static str) {
    sqlx::query(sql).execute(&shop.pool).await.unwrap();
}

fn narrow(concurrency: u32) -> FulfilmentSettings {
    FulfilmentSettings { concurrency, ..FulfilmentSettings::default() }
}

async fn breaker(shop: &Shop) -> (String, Option<String>) {
    sqlx::query_as("select breaker, reason from fulfilment_provider_health where provider = 'default'")
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_account_with_a_long_line_does_not_keep_others_waiting() {
    let shop = Shop::open().await;
    let worker = shop.fulfilment_worker(Warehouse::does([]), narrow(4));
    let long = paid(&shop, 12).await;
    let (b, c) = (paid(&shop, 2).await, paid(&shop, 1).await);
    put(&shop, &long, "account", "acct_a").await;
    put(&shop, &b, "account", "acct_b").await;
    put(&shop, &c, "account", "acct_c").await;

    worker.run_once().await.unwrap();
    assert_eq!((shipped(&shop, &long).await, shipped(&shop, &b).await, shipped(&shop, &c).await), (2, 1, 1));
    worker.run_once().await.unwrap();
    assert_eq!((shipped(&shop, &b).await, shipped(&shop, &c).await), (2, 1));
    worker.run_once().await.unwrap();

    assert_eq!(shipped(&shop, &long).await, 12 - 3, "the room that the others left is taken");
}

#[tokio::test]
async fn the_more_urgent_goes_first_whatever_waits_for_longer() {
    let shop = Shop::open().await;
    let worker = shop.fulfilment_worker(Warehouse::does([]), narrow(3));
    let (late, plain, urgent) = (paid(&shop, 2).await, paid(&shop, 2).await, paid(&shop, 2).await);
    put(&shop, &late, "priority", "2").await;
    put(&shop, &urgent, "priority", "0").await;

    worker.run_once().await.unwrap();

    assert_eq!(
        (shipped(&shop, &urgent).await, shipped(&shop, &plain).await, shipped(&shop, &late).await),
        (2, 1, 0)
    );
    drain(&worker).await;
    assert_eq!(shipped(&shop, &late).await, 2);
}

#[tokio::test]
async fn turns_go_on_where_they_stopped_when_there_are_more_accounts_than_room() {
    let shop = Shop::open().await;
    let worker = shop.fulfilment_worker(Warehouse::does([]), narrow(1));
    let sales = paid(&shop, 6).await;
    for (place, sale) in sales.iter().enumerate() {
        put(&shop, std::slice::from_ref(sale), "account", &format!("acct_{}", place / 2)).await;
    }

    for _ in 0..3 {
        worker.run_once().await.unwrap();
    }

    for account in sales.chunks(2) {
        assert_eq!(shipped(&shop, account).await, 1);
    }
}

#[tokio::test]
async fn a_providers_concurrency_holds_over_all_workers() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang, Does::ShipAndHang, Does::ShipAndHang]);
    paid(&shop, 5).await;
    limit(&shop, "update fulfilment_providers set concurrency = 2 where name = 'default'").await;
    let (a, b) = (shop.worker(warehouse.clone()), shop.worker(warehouse.clone()));
    let round = tokio::spawn(async move { a.run_once().await });
    while warehouse.sends() < 2 {
        tokio::task::yield_now().await;
    }

    assert_eq!(b.run_once().await.unwrap(), 0, "two are under way at the other worker");
    assert_eq!(warehouse.sends(), 2);
    warehouse.go_on.notify_waiters();
    assert_eq!(round.await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn a_providers_rate_holds_over_all_workers_and_refills() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    limit(&shop, "update fulfilment_providers set rate_per_second = 3 where name = 'default'").await;
    paid(&shop, 9).await;
    let (a, b) = (shop.worker(warehouse.clone()), shop.worker(warehouse.clone()));

    drain(&a).await;
    drain(&b).await;
    assert_eq!(warehouse.sends(), 3);
    shop.advance(1);
    drain(&b).await;
    assert_eq!(warehouse.sends(), 6);
    shop.advance(60);
    drain(&a).await;

    assert_eq!(warehouse.sends(), 9);
}

#[tokio::test]
async fn a_failing_provider_is_left_alone_for_a_while_and_tried_with_one() {
    let shop = Shop::open().await;
    let failures = (0..11).map(|n| Does::Say(if n % 2 == 0 { not_done("refused") } else { unknown("lost") }));
    let warehouse = Warehouse::does(failures);
    let worker = shop.fulfilment_worker(warehouse.clone(), narrow(5));
    let sales = paid(&shop, 12).await;

    drain(&worker).await;
    assert_eq!(warehouse.sends(), 10, "it opened before the others were tried");
    let (state, reason) = breaker(&shop).await;
    assert_eq!(state, "open");
    assert!(reason.unwrap().starts_with("10 of 10 attempts within a minute failed; the last: "));
    shop.advance(29);
    assert_eq!(worker.run_once().await.unwrap(), 0);

    shop.advance(1);
    assert_eq!(worker.run_once().await.unwrap(), 1, "one trial");
    assert_eq!(breaker(&shop).await.0, "open", "it failed");
    shop.advance(59);
    assert_eq!(worker.run_once().await.unwrap(), 0, "for longer now");
    shop.advance(1);
    assert_eq!(worker.run_once().await.unwrap(), 1);
    assert_eq!(breaker(&shop).await, ("closed".to_owned(), None));
    shop.advance(120);
    drain(&worker).await;

    assert_eq!(shipped(&shop, &sales).await, 12);
}

#[tokio::test]
async fn a_provider_that_answers_is_well_though_nothing_may_be_sent_to_it() {
    for answer in [LookUp::Absent, LookUp::NotOffered] {
        let shop = Shop::open().await;
        let warehouse = Warehouse::does((0..10).map(|_| Does::Say(unknown("timed out"))));
        warehouse.answer_look_ups((0..10).map(|_| answer.clone()));
        let worker = shop.worker(warehouse.clone());
        let sales = paid(&shop, 10).await;
        drain(&worker).await;
        assert_eq!(breaker(&shop).await.0, "open");

        // All of it is in doubt, and held: it is asked about only.
        for sale in &sales {
            shop.disputed(sale, "created", "needs_response").await;
        }
        shop.advance(60);
        drain(&worker).await;

        assert_eq!(breaker(&shop).await, ("closed".to_owned(), None), "{answer:?}");
        assert_eq!((warehouse.sends(), warehouse.asked()), (10, 10), "{answer:?}");
    }
}

#[tokio::test]
async fn neither_rejections_nor_a_wish_to_wait_open_a_breaker() {
    let shop = Shop::open().await;
    let busy = Outcome::NotDone { why: "429".into(), retry_after: Some(std::time::Duration::from_secs(60)) };
    let rejected = Outcome::Rejected { why: "bad address".into() };
    let answers = (0..20).map(|n| Does::Say(if n % 2 == 0 { busy.clone() } else { rejected.clone() }));
    let warehouse = Warehouse::does(answers);
    let worker = shop.worker(warehouse.clone());
    paid(&shop, 20).await;

    drain(&worker).await;

    assert_eq!(warehouse.sends(), 20);
    assert_eq!(breaker(&shop).await.0, "closed");
}

#[tokio::test]
async fn a_paused_provider_gets_nothing_until_the_pause_ends_and_others_go_on() {
    let shop = Shop::open().await;
    let (one, other) = (Warehouse::does([]), Warehouse::does([]));
    let providers = shop.providers().with("default", one.clone()).with("other", other.clone());
    let worker = shop.fulfilment_worker_of(providers, FulfilmentSettings::default());
    let (paused, goes_on) = (shop.paid().await, shop.paid().await);
    shop.to_provider(&goes_on, "other").await;
    let until = shop.clock.now() + std::time::Duration::from_secs(300);
    sqlx::query(
        "insert into fulfilment_pauses (id, provider, reason, paused_by, paused_at, expires_at) \
         values (gen_random_uuid(), 'default', 'stocktaking', 'ops', $1, $2)",
    )
    .bind(shop.clock.now())
    .bind(until)
    .execute(&shop.pool)
    .await
    .unwrap();

    drain(&worker).await;
    assert_eq!(
        (shop.state(&paused).await.as_str(), shop.state(&goes_on).await.as_str()),
        ("queued", "fulfilled")
    );
    shop.advance(300);
    drain(&worker).await;

    assert_eq!(shop.row(&paused).await.at(), ("fulfilled", "fulfilled", 1));
}

#[tokio::test]
async fn without_a_default_provider_its_orders_wait_and_the_others_are_served() {
    let shop = Shop::open().await;
    let other = Warehouse::does([]);
    let (waits, goes_on) = (shop.paid().await, shop.paid().await);
    shop.to_provider(&goes_on, "other").await;

    let without = shop
        .fulfilment_worker_of(shop.providers().with("other", other.clone()), FulfilmentSettings::default());
    drain(&without).await;
    assert_eq!(
        (shop.state(&waits).await.as_str(), shop.state(&goes_on).await.as_str()),
        ("queued", "fulfilled")
    );
    drain(&shop.worker(other.clone())).await;

    assert_eq!(shop.state(&waits).await, "fulfilled");
}

#[tokio::test]
async fn a_provider_of_the_table_is_built_from_its_row_and_again_when_that_changes() {
    let shop = Shop::open().await;
    let worker = shop.fulfilment_worker_of(shop.providers(), FulfilmentSettings::default());
    let sale = shop.paid().await;
    shop.to_provider(&sale, "shelf").await;
    limit(
        &shop,
        "update fulfilment_providers set kind = 'http', url = 'mailto:nobody', secret = 'whsec_AAAA' \
         where name = 'shelf'",
    )
    .await;

    drain(&worker).await;
    assert_eq!(shop.row(&sale).await.at(), ("queued", "queued", 0), "it cannot be used");
    limit(
        &shop,
        "update fulfilment_providers set kind = 'log', url = null, secret = null, \
         updated_at = updated_at + interval '1 second' where name = 'shelf'",
    )
    .await;
    drain(&worker).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
}
