//! Stopping a transaction at a known point: the test holds an order's row, and whoever needs it next waits.

use std::time::Duration;

use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

/// An order's row, held by the test on a connection of its own. Dropping it lets go.
pub struct OrderLock(PgConnection);

impl OrderLock {
    pub async fn take(url: &str, order: Uuid) -> Self {
        let mut conn = PgConnection::connect(url).await.unwrap();
        sqlx::query("begin").execute(&mut conn).await.unwrap();
        let lock = sqlx::query("select from orders where id = $1 for update").bind(order);
        assert_eq!(lock.execute(&mut conn).await.unwrap().rows_affected(), 1);
        Self(conn)
    }

    pub async fn release(mut self) {
        sqlx::query("rollback").execute(&mut self.0).await.unwrap();
        self.0.close().await.unwrap();
    }
}

/// Waits until a connection of this database waits for a lock; its process id.
pub async fn until_somebody_waits(pool: &PgPool) -> i32 {
    let waiting = async {
        loop {
            let waiting: Option<i32> = sqlx::query_scalar(
                "select pid from pg_stat_activity \
                 where datname = current_database() and wait_event_type = 'Lock' limit 1",
            )
            .fetch_optional(pool)
            .await
            .unwrap();
            if let Some(pid) = waiting {
                return pid;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("somebody waits for the lock")
}

/// Kills a connection and waits until it is gone: Postgres sees what it sees when a process dies in a transaction.
pub async fn kill(pool: &PgPool, pid: i32) {
    let killed = sqlx::query_scalar::<_, bool>("select pg_terminate_backend($1, 10000)").bind(pid);
    assert!(killed.fetch_one(pool).await.unwrap(), "the connection ends");
}
