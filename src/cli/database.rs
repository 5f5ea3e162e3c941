//! The database that a command works on: the one of `DATABASE_URL`, or this folder's private cluster.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::{Connection, PgConnection, PgPool};

use super::output;
use crate::config::{DatabaseConfig, Settings};
use crate::db::cluster::{Cluster, ClusterSettings};
use crate::db::{self, is_unavailable};

/// The database's name on a private cluster.
const PRIVATE_DATABASE: &str = "packline";
/// How long a database may take to come up beside us.
const PATIENCE: Duration = Duration::from_secs(15);

/// A reachable, migrated database, and this process's share of the private cluster if it is on one.
pub(super) struct Database {
    pub url: String,
    pub pool: PgPool,
    cluster: Option<Cluster>,
}

impl Database {
    /// Opens the database of the settings and brings its schema up to date.
    pub(super) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        match settings.database() {
            DatabaseConfig::Url(url) => Self::at(url.expose().to_owned(), None).await,
            DatabaseConfig::Private(folder) => Self::private(&folder).await,
        }
    }

    /// Opens the private cluster, whatever the settings say.
    pub(super) async fn private(folder: &Path) -> anyhow::Result<Self> {
        let settings = ClusterSettings {
            data_dir: folder.to_owned(),
            keeper: std::env::current_exe().context("this program's own path is unknown")?,
            durable: true,
        };
        let cluster = tokio::task::spawn_blocking(move || Cluster::join(&settings)).await??;
        let url = cluster.url(PRIVATE_DATABASE);
        tracing::info!(folder = %cluster.folder().display(), "running on a private Postgres cluster");
        Self::at(url, Some(cluster)).await
    }

    async fn at(url: String, cluster: Option<Cluster>) -> anyhow::Result<Self> {
        // The URL may hold a password: neither it nor an error that quotes it is shown.
        let pool = db::connect(&url, "packline-cli", 4).map_err(|_| {
            anyhow::anyhow!(
                "DATABASE_URL is not a URL of Postgres, as postgres://user:password@host/database"
            )
        })?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while let Err(error) = pool.acquire().await {
            let comes_up = is_unavailable(&error) && tokio::time::Instant::now() < deadline;
            if !comes_up {
                bail!("the database of DATABASE_URL does not answer: {error}");
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        if !db::is_supported(&pool).await? {
            bail!("this Postgres is too old: Packline needs version {} or newer", db::OLDEST_POSTGRES);
        }
        db::migrate(&pool).await.context("the database's schema cannot be brought up to date")?;
        Ok(Self { url, pool, cluster })
    }

    /// Whether it is the private cluster.
    #[cfg(feature = "fake-stripe")]
    pub(super) fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Closes the connections and leaves the cluster, which stops with its last user.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        if let Some(cluster) = self.cluster {
            tokio::task::spawn_blocking(move || cluster.leave()).await?;
        }
        Ok(())
    }
}

/// Does the work of a command on one connection to the database of the settings, and closes both however it went.
pub(super) async fn with_connection(
    settings: &Settings,
    work: impl AsyncFnOnce(&mut PgConnection) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let database = Database::open(settings).await?;
    let mut conn = database.pool.acquire().await?;
    let done = work(&mut conn).await;
    if done.is_err() {
        // What was begun is rolled back by this answer: a worker that looks next must not find an order still locked.
        _ = conn.ping().await;
    }
    drop(conn);
    done.and(database.close().await)
}

/// `packline migrate`.
pub(super) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    let database = Database::open(settings).await?;
    output::print("the database's schema is up to date")?;
    database.close().await
}
