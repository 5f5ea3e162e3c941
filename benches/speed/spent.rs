//! What a measurement costs: CPU of the service and of Postgres apart, and what is written ahead.

use super::contender::Contender;
use super::postgres::{Cost, Server};
use super::table::told;

/// From here on.
pub struct Since {
    service: f64,
    postgres: Cost,
}

/// What each of so many cost, round after round.
#[derive(Default)]
pub struct Spent {
    service: Vec<f64>,
    postgres: Vec<f64>,
    wal_bytes: Vec<f64>,
}

impl Since {
    /// What the service has spent already counts too if it was started for this: its start is a part of it.
    pub async fn start_of(server: &Server) -> anyhow::Result<Self> {
        Ok(Self { service: 0.0, postgres: server.cost().await? })
    }

    pub async fn now(server: &Server, service: &Contender) -> anyhow::Result<Self> {
        Ok(Self { service: service.cpu_seconds(), postgres: server.cost().await? })
    }
}

impl Spent {
    pub async fn add(
        &mut self,
        server: &Server,
        service: &Contender,
        since: &Since,
        count: usize,
    ) -> anyhow::Result<()> {
        let (cost, count) = (server.cost().await? - since.postgres, count.max(1) as f64);
        self.service.push((service.cpu_seconds() - since.service) / count * 1e6);
        self.postgres.push(cost.cpu_seconds / count * 1e6);
        self.wal_bytes.push(cost.wal_bytes / count);
        Ok(())
    }

    /// A row of a table; `each` is what was counted.
    pub fn row(&self, each: &str) -> [String; 3] {
        [
            format!("{each}: µs CPU of the service, of Postgres; WAL bytes"),
            format!("{}, {}; {}", told(&self.service, 0), told(&self.postgres, 0), told(&self.wal_bytes, 0)),
            String::new(),
        ]
    }
}
