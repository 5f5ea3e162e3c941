//! A database for each test: on `DATABASE_URL` if it is set, else on a private cluster that all tests share and that
//! stops after the last of them. Each is a copy of one migrated template and is dropped with its test.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use packline::db;
use packline::db::cluster::{Cluster, ClusterSettings};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::OnceCell;

/// The server, and the share in it that ends with the process.
struct Server {
    options: PgConnectOptions,
    _cluster: Option<Cluster>,
}

#[expect(clippy::disallowed_methods, reason = "the tests' one setting; the service's own are not read here")]
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()) {
        Some(url) => {
            Server { options: url.parse().expect("DATABASE_URL is a URL of Postgres"), _cluster: None }
        }
        None => {
            let settings = ClusterSettings {
                data_dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join("packline-tests"),
                keeper: env!("CARGO_BIN_EXE_packline").into(),
                durable: false,
            };
            let cluster = Cluster::join(&settings).expect("the tests' Postgres starts");
            Server {
                options: cluster.url("packline").parse().expect("the cluster's URL"),
                _cluster: Some(cluster),
            }
        }
    })
}

/// A migrated database that only this test has.
pub struct TestDatabase {
    name: String,
    /// Its URL, as `DATABASE_URL` takes it.
    pub url: String,
}

impl TestDatabase {
    pub async fn create() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        Self::copy_of(TEMPLATE.get_or_init(make_template).await).await
    }

    /// One without any tables.
    pub async fn create_empty() -> Self {
        Self::copy_of("template0").await
    }

    async fn copy_of(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("packline_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = admin().await;
        let create = format!("create database {name} template {template}");
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut admin).await.expect("a database for the test");
        let url = server().options.clone().database(&name).to_url_lossy().to_string();
        Self { name, url }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop = format!("drop database if exists {} with (force)", self.name);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut admin().await).await.map(|_| ())
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("the test's database stays behind: {error}");
        }
    }
}

async fn admin() -> PgConnection {
    server().options.connect().await.expect("the tests' Postgres answers")
}

/// Made once for each set of migrations; test processes that start together take turns.
async fn make_template() -> String {
    let versions: Vec<_> = db::MIGRATIONS.iter().map(|migration| hex::encode(&migration.checksum)).collect();
    let name = format!("packline_template_{}", &hex::encode(Sha256::digest(versions.join("")))[..24]);
    let mut admin = admin().await;
    sqlx::query("select pg_advisory_lock(7305)").execute(&mut admin).await.unwrap();
    drop_left_behind(&mut admin).await;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    if !exists {
        let draft = format!("{name}_draft");
        for statement in
            [format!("drop database if exists {draft} with (force)"), format!("create database {draft}")]
        {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
        }
        let mut conn = server().options.clone().database(&draft).connect().await.unwrap();
        db::MIGRATIONS.run(&mut conn).await.expect("the migrations run");
        conn.close().await.unwrap();
        let rename = format!("alter database {draft} rename to {name}");
        sqlx::query(sqlx::AssertSqlSafe(rename)).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    name
}

/// Databases of test processes that were killed.
async fn drop_left_behind(admin: &mut PgConnection) {
    let names: Vec<String> =
        sqlx::query_scalar("select datname from pg_database where datname like 'packline\\_test\\_%'")
            .fetch_all(&mut *admin)
            .await
            .unwrap();
    for name in names {
        let process = name.split('_').nth(2).unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            let drop = format!("drop database if exists {name} with (force)");
            _ = sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut *admin).await;
        }
    }
}
