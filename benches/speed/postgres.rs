//! The Postgres of a run, and a database for each measurement.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use packline::db;
use packline::db::cluster::{Cluster, ClusterSettings};
use sqlx::{Connection, PgConnection, PgPool};

use super::machine;

pub struct Server {
    cluster: Option<Cluster>,
    folder: PathBuf,
}

/// What a measurement cost Postgres.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub cpu_seconds: f64,
    pub wal_bytes: f64,
    pub flushes: f64,
}

impl Server {
    pub fn start() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("packline-bench-{}", std::process::id()));
        let settings = ClusterSettings {
            data_dir: folder.clone(),
            keeper: env!("CARGO_BIN_EXE_packline").into(),
            durable: true,
        };
        Ok(Self { cluster: Some(Cluster::join(&settings)?), folder })
    }

    fn cluster(&self) -> anyhow::Result<&Cluster> {
        self.cluster.as_ref().context("the cluster was left")
    }

    pub async fn version(&self) -> anyhow::Result<String> {
        let mut conn = PgConnection::connect(&self.cluster()?.url("packline")).await?;
        Ok(sqlx::query_scalar("select current_setting('server_version')").fetch_one(&mut conn).await?)
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
    pub async fn cost(&self, pool: &PgPool) -> anyhow::Result<Cost> {
        let (wal_bytes, flushes): (f64, f64) =
            sqlx::query_as("select wal_bytes::float8, wal_sync::float8 from pg_stat_wal")
                .fetch_one(pool)
                .await?;
        let data = self.cluster()?.folder().join("data/postmaster.pid");
        let noted = std::fs::read_to_string(data)?;
        let postmaster: u32 = noted.lines().next().unwrap_or_default().trim().parse()?;
        Ok(Cost { cpu_seconds: machine::cpu_seconds_of_family(postmaster), wal_bytes, flushes })
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
            flushes: self.flushes - before.flushes,
        }
    }
}
