//! By which plans the large shop is served: Postgres's `auto_explain` tells the plan of every statement that the service
//! runs, those of foreign keys included, and none may read or sort a big table.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use packline::app::{App, Roles};
use packline::clock::Clock;
use packline::config::{LabelledSecret, ProviderChoice, Secret, ServeConfig, WorkerConfig};
use packline::fulfilment::FulfilmentFilter;
use packline::inbox::EventFilter;
use packline::{fulfilment, inbox};
use sqlx::{Connection, PgConnection};

use super::super::apply::drained;
use super::super::events::{self, SECRET};
use super::super::load::closed_loop;
use super::explained::{BY_INDEXES, SETTINGS, Told};
use super::questions::{How, Question};
use super::{Growth, Shop, fill};

/// More rows than any batch or page needs of a table.
const MOST_ROWS: f64 = 6_000.0;

/// Runs everything once on a shop and looks at the plans.
///
/// # Errors
/// One of them reads or sorts a big table.
pub async fn check(shop: &Shop, scale: Growth, questions: &[Question]) -> anyhow::Result<()> {
    let mut conn = PgConnection::connect(&shop.url).await?;
    if sqlx::raw_sql("load 'auto_explain'").execute(&mut conn).await.is_err() {
        println!("The plans were not looked at: this Postgres has no auto_explain.\n");
        return Ok(());
    }
    let told = Told::default();
    _ = tracing::subscriber::set_global_default(told.clone());

    let database: String = sqlx::query_scalar("select current_database()").fetch_one(&mut conn).await?;
    // Of a shop this small Postgres would rather read all; what shows is whether it has to.
    let is_small = scale.large < 100_000;
    for (name, value) in SETTINGS.iter().chain(is_small.then_some(&BY_INDEXES).into_iter().flatten()) {
        let set = format!("alter database {database} set {name} = '{value}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut conn).await?;
    }
    conn.close().await?;
    work(shop, scale).await?;
    ask(shop, questions).await?;

    let most = if is_small { scale.large as f64 * 0.6 } else { MOST_ROWS };
    let (seen, faults) = told.faults(most)?;
    if seen < questions.len() {
        bail!("only {seen} plans were told");
    }
    println!("{seen} plans were looked at: {} that read or sort a big table\n", faults.len());
    if !faults.is_empty() {
        bail!("a big table is read or sorted as a whole:\n{}", faults.join("\n"));
    }
    Ok(())
}

/// The daily work in this process: orders are paid, applied, fulfilled, and old payloads deleted.
async fn work(shop: &Shop, scale: Growth) -> anyhow::Result<()> {
    let orders = scale.new.min(400);
    fill::place(&shop.pool, shop.next, orders).await?;
    let app = App::start(&shop.url, roles()?, Clock::system())?;
    let address = app.address().context("an address")?.to_string();
    let requests = Arc::new(events::requests(shop.next * 3, orders * 3, 3));
    closed_loop(&address, &requests, 8, Duration::from_secs(60), 200).await?;
    drained(&shop.pool).await?;
    let client = packline::http_client::builder().build()?;
    for path in ["/readyz", "/metrics"] {
        client.get(format!("http://{address}{path}")).send().await?.error_for_status()?;
    }
    let waiting = "select count(*) from fulfilments where state in ('queued', 'in_progress')
                   and created_at > now() - interval '5 minutes'";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&shop.pool).await? > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.stop().await;
    Ok(())
}

async fn ask(shop: &Shop, questions: &[Question]) -> anyhow::Result<()> {
    let app = App::start(&shop.url, Roles { work: None, ..roles()? }, Clock::system())?;
    let base = format!("http://{}", app.address().context("an address")?);
    let client = packline::http_client::builder().build()?;
    let get = async |url: reqwest::Url| {
        // So often that Postgres would take one plan for all values.
        for _ in 0..7 {
            client.get(url.clone()).bearer_auth(&shop.api_key).send().await?.error_for_status()?;
        }
        anyhow::Ok(())
    };
    let mut conn = PgConnection::connect(&shop.url).await?;
    for question in questions {
        match &question.how {
            How::List { query, .. } => {
                get(reqwest::Url::parse_with_params(&format!("{base}/v1/orders"), query)?).await?;
            }
            How::Show(path) => get(format!("{base}{path}").parse()?).await?,
            How::Sql(statement) => {
                sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).fetch_all(&mut conn).await?;
            }
            // Its statements are asked below; those of orders above.
            How::Command(_) => {}
        }
    }
    let filter =
        FulfilmentFilter { state: Some("cancelled".to_owned()), limit: 20, ..FulfilmentFilter::default() };
    fulfilment::list_fulfilments(&mut conn, &filter).await?;
    fulfilment::list_stuck(&mut conn, 50).await?;
    for state in inbox::STATES {
        let filter = EventFilter { state: Some((*state).to_owned()), limit: 20, ..EventFilter::default() };
        inbox::list_events(&mut conn, &filter).await?;
    }
    conn.close().await?;
    app.stop().await;
    Ok(())
}

fn roles() -> anyhow::Result<Roles> {
    let grace = Duration::from_secs(20);
    let serve = ServeConfig {
        listen: "127.0.0.1:0".parse()?,
        platform_secrets: vec![LabelledSecret { label: "bench".into(), secret: Secret::new(SECRET) }],
        connect_secrets: Vec::new(),
        livemode: false,
        stripe: None,
        public_url: None,
        cors_origins: Vec::new(),
        committers: 1,
        shutdown_grace: grace,
    };
    let work = WorkerConfig {
        metrics_listen: None,
        livemode: false,
        stripe: None,
        adoption_grace: Duration::from_secs(15),
        order_wait: Duration::from_secs(600),
        provider: Some(ProviderChoice::Log),
        provider_timeout: Duration::from_secs(10),
        retry_base: Duration::from_secs(10),
        max_age: Duration::from_secs(3600),
        payload_retention: Some(Duration::from_secs(86_400 * 80)),
        answer_retention: Some(Duration::from_secs(86_400 * 20)),
        shutdown_grace: grace,
    };
    Ok(Roles { serve: Some(serve), work: Some(work) })
}
