//! The database: where it is, how to reach it, what its errors mean.

pub mod cluster;
mod expiry;

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, PgTransaction};
use tokio::time::timeout;

pub use expiry::{Place, Swept, Window};

/// Wakes the inbox worker: an event is due.
pub const EVENTS_CHANNEL: &str = "packline_events";
/// Wakes the fulfilment worker: a fulfilment is due.
pub const FULFILMENTS_CHANNEL: &str = "packline_fulfilments";

/// The schema, as migrations that are never edited once landed.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// The oldest major version of Postgres whose SQL is ours.
pub const OLDEST_POSTGRES: i32 = 14;

/// How long a caller waits for a connection before it hears that there is none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// From when on a migration is slow. Each is one statement to sqlx though it makes a whole schema, which on a busy disk
/// takes longer than the second that makes a query slow.
const SLOW_MIGRATION: Duration = Duration::from_secs(10);

/// How long a connection that is given back may take to show that it still works.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// What every connection sets.
const OPTIONS: [(&str, &str); 3] = [
    // A transaction that was forgotten must not hold locks, nor a statement run for ever.
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "60s"),
    // Our statements are short: compiling one takes longer than running it.
    ("jit", "off"),
];

/// What the workers' connections set besides. All that their statements touch they find by an index. Postgres keeps the
/// plan of a prepared statement, and that of a foreign key's check: what it planned while a table was empty would read
/// the whole of it for every row, long after it has grown.
const OPTIONS_OF_WORK: [(&str, &str); 2] = [
    ("enable_seqscan", "off"),
    // For a small batch it costs more to plan anew than to carry the plan out.
    ("plan_cache_mode", "force_generic_plan"),
];

/// Opens a pool. Connections are made when they are needed.
///
/// `name` shows in `pg_stat_activity`.
///
/// # Errors
/// The URL cannot be read.
pub fn connect(url: &str, name: &str, connections: u32) -> sqlx::Result<PgPool> {
    open(url, name, connections, &[])
}

/// Opens a pool for work in batches, whose statements find their rows by an index.
///
/// # Errors
/// The URL cannot be read.
pub fn connect_to_work(url: &str, name: &str, connections: u32) -> sqlx::Result<PgPool> {
    open(url, name, connections, &OPTIONS_OF_WORK)
}

fn open(url: &str, name: &str, connections: u32, further: &[(&str, &str)]) -> sqlx::Result<PgPool> {
    // sqlx takes any scheme, and a server of another kind would only be found out by its silence.
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(sqlx::Error::Configuration("not a URL of Postgres".into()));
    }
    let options: PgConnectOptions = url.parse()?;
    let options = options.application_name(name).options(OPTIONS).options(further.iter().copied());
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        // sqlx asks the same afterwards but waits for ever: a connection whose server vanished would keep its place in
        // the pool, and a few of them the whole pool.
        .after_release(|conn, _| {
            Box::pin(async move {
                match timeout(RELEASE_TIMEOUT, conn.ping()).await {
                    Ok(answered) => answered.map(|()| true),
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            })
        })
        .connect_lazy_with(options))
}

/// Whether the server is new enough.
///
/// # Errors
/// The database does not answer.
pub async fn is_supported(pool: &PgPool) -> sqlx::Result<bool> {
    let version: i32 =
        sqlx::query_scalar("select current_setting('server_version_num')::int").fetch_one(pool).await?;
    Ok(version / 10_000 >= OLDEST_POSTGRES)
}

/// Brings the schema up to date. Processes that start together take turns.
///
/// # Errors
/// The database does not answer, or its schema is from a newer version.
pub async fn migrate(pool: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    let options = pool.connect_options().as_ref().clone();
    // sqlx does not hand on the type of its levels, but reads it.
    let options = match "warn".parse() {
        Ok(warn) => options.log_slow_statements(warn, SLOW_MIGRATION),
        Err(_) => options,
    };
    let mut conn = PgConnection::connect_with(&options).await?;
    let migrated = MIGRATIONS.run(&mut conn).await;
    if let Err(error) = conn.close().await {
        tracing::debug!(%error, "the connection of the migrations was not closed");
    }
    migrated
}

/// Ends a transaction by what came of its work: commits, or rolls back *before* the caller answers.
///
/// A transaction that is merely dropped is rolled back some time later, on the way back to the pool; whoever tries
/// again at once would still meet its locks.
///
/// # Errors
/// The work's, or the database's at the commit.
pub async fn end<T, E: From<sqlx::Error>>(tx: PgTransaction<'_>, result: Result<T, E>) -> Result<T, E> {
    match result {
        Ok(done) => {
            tx.commit().await?;
            Ok(done)
        }
        Err(error) => {
            if let Err(lost) = tx.rollback().await {
                tracing::debug!(error = %lost, "a rollback was not answered; the connection is given up");
            }
            Err(error)
        }
    }
}

/// Whether the database is out of reach, out of room or shutting down: not the request's fault, and safe to try again.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // 08 connection, 53 resources (disk full, too many connections), 57P operator, 25006 read-only standby,
        // 57014 a statement that took too long.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08") || code.starts_with("53") || code.starts_with("57") || code == "25006"
        }),
        _ => false,
    }
}

/// Whether two transactions met and this one was told to try again.
pub fn is_retryable(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40P01" | "40001"))
}

/// Whether the schema is the one that this version knows, with all its migrations.
///
/// # Errors
/// The database does not answer.
pub async fn is_migrated(conn: &mut PgConnection) -> sqlx::Result<bool> {
    // Read at run time: the table is not ours but sqlx's.
    let applied: Result<Vec<i64>, _> =
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(conn).await;
    match applied {
        Ok(applied) => Ok(MIGRATIONS.iter().all(|migration| applied.contains(&migration.version))),
        Err(error)
            if error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42P01")) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
