//! How fast Packline is, as ratios inside one run on this machine: `cargo bench --bench speed`, in ten minutes; with
//! `-- --quick` it only shows that it runs. `-- apply`, or another name of [`SCENES`], measures that alone, and
//! `--rounds 2` in so many rounds.
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
mod spent;
mod table;
mod yardsticks;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

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
/// What can be measured alone.
const SCENES: [&str; 3] = ["acknowledge", "apply", "fulfil"];
const QUICK: Scale = Scale { rounds: 1, turn: Duration::from_millis(500), backlog: 2_000, singles: 20 };

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let [command, kind, rest @ ..] = arguments.as_slice()
        && command == yardsticks::COMMAND
    {
        return yardsticks::serve(kind, rest.first().map(String::as_str));
    }
    let (mut scale, mut scenes, mut arguments) = (WHOLE, Vec::new(), arguments.into_iter());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo says to every benchmark.
            "--bench" => {}
            "--quick" => scale = QUICK,
            "--rounds" => scale.rounds = arguments.next().context("--rounds 2")?.parse()?,
            scene if SCENES.contains(&scene) => scenes.push(scene.to_owned()),
            other => bail!("{other:?}: there are --quick, --rounds and {}", SCENES.join(", ")),
        }
    }
    runtime.block_on(run(scale, &scenes))
}

async fn run(scale: Scale, scenes: &[String]) -> anyhow::Result<()> {
    let began = Instant::now();
    let server = Server::start().context("a Postgres of the benchmark's own")?;
    println!("Postgres {}, default durability; {} cores\n", server.version().await?, machine::cores());
    for scene in SCENES.iter().filter(|scene| scenes.is_empty() || scenes.iter().any(|asked| asked == *scene))
    {
        match *scene {
            "acknowledge" => acknowledge::measure(&server, scale).await?,
            "apply" => apply::measure(&server, scale).await?,
            _ => fulfil::measure(&server, scale).await?,
        }
    }
    println!("took {} s", began.elapsed().as_secs());
    Ok(())
}
