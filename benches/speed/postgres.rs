//! The Postgres of a run, and a database for each measurement.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use packline::db;
use packline::db::cluster::{Cluster, ClusterSettings};
use sqlx::{Connection, PgConnection};

use super::machine;

/// Far longer than a connection takes to end.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    cluster: Option<Cluster>,
    folder: PathBuf,
}

/// What a measurement cost Postgres.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub cpu_seconds: f64,
    pub wal_bytes: f64,
}

impl Server {
    pub fn start() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("packline-bench-{}", std::process::id()));
        let mut server = Self { cluster: None, folder };
        server.join()?;
        Ok(server)
    }

    fn join(&mut self) -> anyhow::Result<()> {
        let settings = ClusterSettings {
            data_dir: self.folder.clone(),
            keeper: env!("CARGO_BIN_EXE_packline").into(),
            durable: true,
        };
        self.cluster = Some(Cluster::join(&settings)?);
        Ok(())
    }

    /// Gives Postgres so much memory for pages, and starts it again.
    pub async fn give_memory(&mut self, megabytes: f64) -> anyhow::Result<()> {
        self.execute(&format!("alter system set shared_buffers = '{megabytes:.0}MB'")).await?;
        if let Some(cluster) = self.cluster.take() {
            cluster.leave();
        }
        self.join()
    }

    fn cluster(&self) -> anyhow::Result<&Cluster> {
        self.cluster.as_ref().context("the cluster was left")
    }

    pub async fn version(&self) -> anyhow::Result<String> {
        let mut conn = PgConnection::connect(&self.cluster()?.url("packline")).await?;
        Ok(sqlx::query_scalar("select current_setting('server_version')").fetch_one(&mut conn).await?)
    }

    /// Runs a statement for the server as a whole.
    pub async fn execute(&self, statement: &str) -> anyhow::Result<()> {
        let mut conn = PgConnection::connect(&self.cluster()?.url("packline")).await?;
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut conn).await?;
        Ok(())
    }

    /// A database with Packline's schema; its URL.
    pub async fn database(&self) -> anyhow::Result<String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut conn = PgConnection::connect(&self.cluster()?.url("packline")).await?;
        sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&mut conn).await?;
        let url = self.cluster()?.url(&name);
        let pool = db::connect(&url, "bench", 1)?;
        db::migrate(&pool).await?;
        pool.close().await;
        Ok(url)
    }

    /// What Postgres spent so far, all of it.
    pub async fn cost(&self) -> anyhow::Result<Cost> {
        let data = self.cluster()?.folder().join("data/postmaster.pid");
        let noted = std::fs::read_to_string(data)?;
        let postmaster: u32 = noted.lines().next().unwrap_or_default().trim().parse()?;
        let mut conn = PgConnection::connect(&self.cluster()?.url("packline")).await?;
        let wal_bytes = sqlx::query_scalar("select (pg_current_wal_insert_lsn() - '0/0')::float8")
            .fetch_one(&mut conn)
            .await?;
        Ok(Cost { cpu_seconds: machine::cpu_seconds_of_family(postmaster), wal_bytes })
    }

    /// How often Postgres flushed its WAL so far. Ends all connections: those that live tell what they did too late.
    pub async fn flushes(&self) -> anyhow::Result<f64> {
        let mut conn = PgConnection::connect(&self.cluster()?.url("packline")).await?;
        let began = Instant::now();
        let others = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                      where backend_type = 'client backend' and pid <> pg_backend_pid()";
        while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut conn).await? > 0 {
            ensure!(began.elapsed() < PATIENCE, "connections to Postgres do not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
            .fetch_one(&mut conn)
            .await?;
        let flushes = if version < 180_000 {
            "select wal_sync::float8 from pg_stat_wal"
        } else {
            "select sum(fsyncs)::float8 from pg_stat_io where object = 'wal'"
        };
        Ok(sqlx::query_scalar(flushes).fetch_one(&mut conn).await?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            let folder = cluster.folder().to_owned();
            cluster.leave();
            _ = std::fs::remove_dir_all(folder);
        }
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl std::ops::Sub for Cost {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            wal_bytes: self.wal_bytes - before.wal_bytes,
        }
    }
}
