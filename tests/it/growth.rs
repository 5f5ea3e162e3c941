//! What lists, views and the deletion of old rows read of a shop with a past: no more than what they show, however large it
//! is. Judged by the plans that Postgres tells of the statements themselves.

use std::time::Duration;

use packline::clock::Clock;
use packline::fulfilment::{self, FulfilmentFilter};
use packline::inbox::{self, EventFilter};
use packline::orders::{self, FulfilmentStatus, ListFilter, Order, PaymentStatus};
use packline::retention::{Retention, RetentionMetrics, RetentionSettings};
use packline::{api, db, telemetry};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

use crate::support::TestDatabase;

#[path = "../../benches/speed/growth/explained.rs"]
mod explained;

use explained::{BY_INDEXES, SETTINGS, Told};

const ORDERS: usize = 3_000;
/// The newest of them are under way or stuck, a few in each way.
const OPEN: usize = 50;
/// Far more than a page needs, and far less than there are.
const MOST: f64 = 900.0;

/// A shop with a past, and what its Postgres tells of plans.
struct Shop {
    database: TestDatabase,
    told: Told,
    _guard: DefaultGuard,
}

/// None where this Postgres cannot tell its plans.
async fn shop() -> Option<Shop> {
    let database = TestDatabase::create().await;
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    if let Err(error) = sqlx::raw_sql("load 'auto_explain'").execute(&mut conn).await {
        eprintln!("not tested: this Postgres has no auto_explain ({error})");
        return None;
    }
    api::create_key(&mut conn, "test", Clock::system().now()).await.unwrap();
    let past = include_str!("../../benches/speed/growth/fill.sql");
    let past = past.replace("{orders}", &ORDERS.to_string()).replace("{open}", &OPEN.to_string());
    sqlx::raw_sql(sqlx::AssertSqlSafe(past)).execute(&mut conn).await.unwrap();
    sqlx::raw_sql("analyze").execute(&mut conn).await.unwrap();
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&mut conn).await.unwrap();
    for (setting, value) in SETTINGS.iter().chain(&BY_INDEXES) {
        let set = format!("alter database {name} set {setting} = '{value}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
    let told = Told::default();
    let guard = tracing::subscriber::set_default(told.clone());
    Some(Shop { database, told, _guard: guard })
}

impl Shop {
    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.database.url).await.unwrap()
    }

    /// All that was read since the last time was little.
    fn assert_little_was_read(&self, what: &str) {
        let (seen, faults) = self.told.faults(MOST).unwrap();
        assert!(seen > 0, "{what}: no plan was told");
        assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
    }
}

#[tokio::test]
async fn lists_of_orders_by_any_filter_read_little_more_than_they_show() {
    let Some(shop) = shop().await else { return };
    let mut conn = shop.connect().await;
    let some = |value: &str| Some(value.to_owned());
    let base = || ListFilter { limit: 21, ..ListFilter::default() };
    let mut filters = vec![base()];
    filters.extend(Order::STATUSES.iter().map(|status| ListFilter { status: some(status), ..base() }));
    filters.extend(
        PaymentStatus::ALL
            .iter()
            .map(|status| ListFilter { payment_status: some(status.as_str()), ..base() }),
    );
    filters.extend(
        FulfilmentStatus::ALL
            .iter()
            .map(|status| ListFilter { fulfilment_status: some(status.as_str()), ..base() }),
    );
    filters.push(ListFilter { email: some("Customer300@example.com"), ..base() });
    let middle = Clock::system().now() - Duration::from_secs(180 * 86_400);
    let deeper: Vec<ListFilter> = filters
        .iter()
        .flat_map(|filter| {
            [
                ListFilter { after: Some((middle, uuid::Uuid::max())), ..filter.clone() },
                ListFilter { created_before: Some(middle), ..filter.clone() },
                ListFilter {
                    created_from: Some(middle - Duration::from_secs(20 * 86_400)),
                    created_before: Some(middle),
                    ..filter.clone()
                },
            ]
        })
        .collect();

    for filter in filters.iter().chain(&deeper) {
        // So often that Postgres would take one plan for all values.
        for _ in 0..7 {
            let found = orders::list(&mut conn, filter).await.unwrap();
            orders::load(&mut conn, &found).await.unwrap();
        }
        shop.assert_little_was_read(&format!("{filter:?}"));
    }
    conn.close().await.unwrap();
}

#[tokio::test]
async fn what_ops_look_at_reads_only_what_is_open() {
    let Some(shop) = shop().await else { return };
    let mut conn = shop.connect().await;
    let readme = include_str!("../../README.md").split("## SQL for ops").nth(1).unwrap();
    let queries = readme.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let queries: Vec<&str> = queries.split(';').filter(|query| !query.trim().is_empty()).collect();
    assert!(queries.len() > 5);

    for query in queries {
        sqlx::raw_sql(sqlx::AssertSqlSafe(query.to_owned())).execute(&mut conn).await.unwrap();
        shop.assert_little_was_read(query);
    }
    for state in inbox::STATES {
        let filter = EventFilter { state: Some((*state).to_owned()), limit: 50, ..EventFilter::default() };
        for _ in 0..7 {
            inbox::list_events(&mut conn, &filter).await.unwrap();
        }
        shop.assert_little_was_read(&format!("{filter:?}"));
    }
    for state in
        ["queued", "in_progress", "accepted", "recalling", "fulfilled", "rejected", "failed", "cancelled"]
    {
        let filter =
            FulfilmentFilter { state: Some(state.to_owned()), limit: 50, ..FulfilmentFilter::default() };
        for _ in 0..7 {
            fulfilment::list_fulfilments(&mut conn, &filter).await.unwrap();
        }
        shop.assert_little_was_read(&format!("{filter:?}"));
    }
    let stuck = fulfilment::list_stuck(&mut conn, 1_000).await.unwrap();
    shop.assert_little_was_read("stuck orders");
    assert!(stuck.len() > 10, "they are found: {}", stuck.len());
    conn.close().await.unwrap();
}

#[tokio::test]
async fn what_expires_is_found_by_its_age_and_read_once() {
    let Some(shop) = shop().await else { return };
    let pool = db::connect_to_work(&shop.database.url, "packline-test", 1).unwrap();
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let settings = RetentionSettings {
        payloads: days(90),
        answers: days(1),
        batch: 100,
        rest: Duration::ZERO,
        batches: 5,
    };
    let metrics = RetentionMetrics::register(&mut telemetry::registry());
    let retention = Retention::new(pool.clone(), Clock::system(), settings, metrics);
    let kept = "select count(*) from stripe_event_payloads";

    let mut rounds = Vec::new();
    loop {
        let round = retention.run_once(&CancellationToken::new()).await.unwrap();
        // No statement of a batch reads more than a batch.
        let (seen, faults) = shop.told.faults(100.0).unwrap();
        assert!(seen > 0 && faults.is_empty(), "{}", faults.join("\n"));
        rounds.push(round.payloads);
        if !round.has_more {
            break;
        }
    }

    let deleted: u64 = rounds.iter().sum();
    // Three quarters of the year's, two for each order.
    assert!((4_000..5_000).contains(&deleted) && rounds.len() > 5, "{rounds:?}");
    let left: i64 = sqlx::query_scalar(kept).fetch_one(&pool).await.unwrap();
    assert!(left > 1_000, "{left}");
    pool.close().await;
}
