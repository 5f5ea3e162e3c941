//! How fast Packline is, as ratios inside one run on this machine: `cargo bench --bench speed`, in ten minutes; with
//! `-- --quick` it only shows that it runs.
//!
//! Load generator, service and Postgres share the machine, with Postgres's default durability. Everything is measured in
//! rounds in which the contenders take turns, and told as medians with their spread, beside yardsticks: servers as bare
//! as can be, in `yardsticks.rs`. After each measurement rows are counted: what was acknowledged must be there.

#![recursion_limit = "256"]

mod acknowledge;
mod apply;
mod contender;
mod events;
mod fulfil;
mod load;
mod machine;
mod pick_up;
mod postgres;
mod table;
mod yardsticks;

use std::time::{Duration, Instant};

use anyhow::Context;

use postgres::Server;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Rounds in which all contenders take turns.
    pub rounds: usize,
    /// How long each is under load in a round.
    pub turn: Duration,
    /// Events in a burst, and fulfilments in a backlog.
    pub backlog: usize,
    /// Deliveries one at a time, for what it takes when idle.
    pub singles: usize,
}

const WHOLE: Scale = Scale { rounds: 5, turn: Duration::from_secs(4), backlog: 100_000, singles: 300 };
const QUICK: Scale = Scale { rounds: 1, turn: Duration::from_millis(500), backlog: 2_000, singles: 20 };

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let [command, kind, rest @ ..] = arguments.as_slice()
        && command == yardsticks::COMMAND
    {
        return yardsticks::serve(kind, rest.first().map(String::as_str));
    }
    let scale = if arguments.iter().any(|argument| argument == "--quick") { QUICK } else { WHOLE };
    runtime.block_on(run(scale))
}

async fn run(scale: Scale) -> anyhow::Result<()> {
    let began = Instant::now();
    let server = Server::start().context("a Postgres of the benchmark's own")?;
    println!("Postgres {}, default durability; {} cores\n", server.version().await?, machine::cores());
    acknowledge::measure(&server, scale).await?;
    apply::measure(&server, scale).await?;
    fulfil::measure(&server, scale).await?;
    println!("took {} s", began.elapsed().as_secs());
    Ok(())
}
