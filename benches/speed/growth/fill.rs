//! A shop's past, made by Postgres itself.

use packline::clock::Clock;
use sqlx::{Connection, PgConnection, PgPool};

use super::super::events::intent_of;
use super::super::postgres::Server;

const PAST: &str = include_str!("fill.sql");

/// The indexes whose keys come in no order: each new order is written anywhere in them.
const SCATTERED: [&str; 3] = ["orders_by_email", "orders_by_purchase", "orders_number_is_unique"];

/// All indexes of the tables.
const INDEXES: &str =
    "indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r')";

/// Lets Postgres write as fast as it can, as nothing is lost if it has to be made again; or not any more.
pub async fn hurry(server: &Server, on: bool) -> anyhow::Result<()> {
    for (name, value) in [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("autovacuum", "off"),
        ("max_wal_size", "'2GB'"),
        ("maintenance_work_mem", "'1GB'"),
    ] {
        let set = if on { format!("set {name} = {value}") } else { format!("reset {name}") };
        server.execute(&format!("alter system {set}")).await?;
    }
    server.execute("select pg_reload_conf()").await?;
    // What was written in a hurry is on the disk before anything is measured.
    server.execute("checkpoint").await
}

/// Fills an empty shop. Indexes are made afterwards, and foreign keys not checked: it is many times faster.
pub async fn fill(url: &str, orders: u64, open: u64) -> anyhow::Result<()> {
    let mut conn = PgConnection::connect(url).await?;
    let past = PAST.replace("{orders}", &orders.to_string()).replace("{open}", &open.to_string());
    let mark = |ready: bool| {
        format!("update pg_index set indisready = {ready}, indisvalid = {ready} where {INDEXES}")
    };
    for statement in [
        "set session_replication_role = replica; set statement_timeout = 0".to_owned(),
        mark(false),
        past,
        mark(true),
    ] {
        run(&mut conn, &statement).await?;
    }
    // Anew, as what a connection knows of indexes is of before.
    conn.close().await?;
    let mut conn = PgConnection::connect(url).await?;
    run(&mut conn, "set maintenance_work_mem = '1GB'").await?;
    run(&mut conn, "reindex schema public").await?;
    run(&mut conn, "vacuum (analyze)").await?;
    conn.close().await?;
    Ok(())
}

async fn run(conn: &mut PgConnection, statements: &str) -> anyhow::Result<()> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(conn).await?;
    Ok(())
}

/// Reads into Postgres's memory what a while of work would bring there.
pub async fn warm(pool: &PgPool) -> anyhow::Result<()> {
    let mut conn = pool.acquire().await?;
    if sqlx::query("create extension if not exists pg_prewarm").execute(&mut *conn).await.is_err() {
        println!("Measured with cold indexes: this Postgres has no pg_prewarm.\n");
        return Ok(());
    }
    sqlx::query("set statement_timeout = 0").execute(&mut *conn).await?;
    for index in SCATTERED {
        sqlx::query("select pg_prewarm($1::text::regclass)").bind(index).execute(&mut *conn).await?;
    }
    sqlx::query("reset statement_timeout").execute(&mut *conn).await?;
    Ok(())
}

/// Places orders, as they are placed: with ids that grow with time, at the end of what is there.
pub async fn place(pool: &PgPool, first: usize, count: usize) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let numbers: Vec<i64> = (first..first + count).map(i64::try_from).collect::<Result<_, _>>()?;
    let ids: Vec<uuid::Uuid> = numbers.iter().map(|_| uuid::Uuid::now_v7()).collect();
    let intents: Vec<String> = (first..first + count).map(intent_of).collect();
    let mut tx = pool.begin().await?;
    for statement in [
        "insert into orders (id, number, currency, amount_total, origin, created_at, updated_at, shipping)
         select id, 'B-' || n, 'usd', 2000, 'api', $4, $4,
           '{\"name\": \"Ada Lovelace\", \"line1\": \"12 Headingley Lane\", \"city\": \"Leeds\", \"country\": \"GB\"}'
         from unnest($1::uuid[], $2::bigint[], $3::text[]) as new (id, n, intent)",
        "insert into order_lines (order_id, position, sku, quantity, unit_amount, amount)
         select id, 1, 'TEA-1', 2, 1000, 2000 from unnest($1::uuid[], $2::bigint[], $3::text[]) as new (id, n, intent)
         where $4::timestamptz is not null",
        "insert into order_refs (kind, stripe_id, order_id, created_at)
         select 'payment_intent', intent, id, $4 from unnest($1::uuid[], $2::bigint[], $3::text[]) as new (id, n, intent)",
    ] {
        sqlx::query(statement).bind(&ids).bind(&numbers).bind(&intents).bind(now).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}
