//! The servers under load, each a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::events::SECRET;
use super::{machine, yardsticks};

pub struct Contender {
    child: Child,
    /// Where it listens.
    pub address: String,
    /// From its start until it was ready.
    pub started_in: Duration,
}

impl Contender {
    /// `packline` with these arguments and settings.
    pub async fn packline(url: &str, arguments: &[&str], settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_packline"));
        command
            .args(arguments)
            .env("DATABASE_URL", url)
            .env("STRIPE_WEBHOOK_SECRET", SECRET)
            .env("PACKLINE_LISTEN", "127.0.0.1:0")
            .env("PACKLINE_LOG", "packline=info,warn")
            .envs(settings.iter().copied());
        let sign = if arguments.first() == Some(&"worker") { "working" } else { "serving http://" };
        Self::start(command, sign).await
    }

    /// A bare server.
    pub async fn yardstick(kind: &str, url: Option<&str>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([yardsticks::COMMAND, kind]).args(url);
        Self::start(command, "serving http://").await
    }

    async fn start(mut command: Command, sign: &'static str) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let said = child.stderr.take().context("its output")?;
        let (found, ready) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut found = Some(found);
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once(sign)
                    && let Some(found) = found.take()
                {
                    _ = found.send(rest.split_whitespace().next().unwrap_or_default().to_owned());
                }
            }
        });
        match tokio::time::timeout(Duration::from_secs(30), ready).await {
            Ok(Ok(address)) => Ok(Self { child, address, started_in: began.elapsed() }),
            _ => {
                _ = child.kill();
                bail!("{command:?} did not start");
            }
        }
    }

    pub fn cpu_seconds(&self) -> f64 {
        machine::cpu_seconds(self.child.id())
    }

    pub fn peak_megabytes(&self) -> f64 {
        machine::peak_megabytes(self.child.id())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
