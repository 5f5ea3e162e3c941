//! How fast Packline is, as ratios inside one run on this machine: `cargo bench --bench speed`, in ten minutes; with
//! `-- --quick` it only shows that it runs. `-- apply`, or another name of [`SCENES`], measures that alone, and
//! `--rounds 2` in so many rounds. `-- growth` measures what becomes of it when the tables are large, and is asked for by
//! name: `--orders 10000000` says how large.
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
mod growth;
mod load;
mod machine;
mod pick_up;
mod postgres;
mod spent;
mod table;
mod yardsticks;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use growth::Growth;
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
const SCENES: [&str; 4] = ["acknowledge", "apply", "fulfil", "growth"];
const QUICK: Scale = Scale { rounds: 1, turn: Duration::from_millis(500), backlog: 2_000, singles: 20 };

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let [command, kind, rest @ ..] = arguments.as_slice()
        && command == yardsticks::COMMAND
    {
        return yardsticks::serve(kind, rest.first().map(String::as_str));
    }
    let (mut scale, mut growth, mut is_quick) = (WHOLE, Growth::whole(1_000_000), false);
    let mut scenes = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo says to every benchmark.
            "--bench" => {}
            "--quick" => (scale, growth, is_quick) = (QUICK, Growth::QUICK, true),
            "--rounds" => scale.rounds = arguments.next().context("--rounds 2")?.parse()?,
            "--orders" => growth = Growth::whole(arguments.next().context("--orders 1000000")?.parse()?),
            scene if SCENES.contains(&scene) => scenes.push(scene.to_owned()),
            other => bail!("{other:?}: there are --quick, --rounds, --orders and {}", SCENES.join(", ")),
        }
    }
    if scenes.is_empty() {
        // Growth takes as long as all others together, and is for when it is wanted.
        let wanted = SCENES.iter().filter(|scene| is_quick || **scene != "growth");
        scenes.extend(wanted.map(|scene| (*scene).to_owned()));
    }
    runtime.block_on(run(scale, growth, &scenes))
}

async fn run(scale: Scale, growth: Growth, scenes: &[String]) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut server = Server::start().context("a Postgres of the benchmark's own")?;
    println!("Postgres {}, default durability; {} cores\n", server.version().await?, machine::cores());
    for scene in scenes {
        match scene.as_str() {
            "acknowledge" => acknowledge::measure(&server, scale).await?,
            "apply" => apply::measure(&server, scale).await?,
            "fulfil" => fulfil::measure(&server, scale).await?,
            _ => growth::measure(&mut server, growth).await?,
        }
    }
    println!("took {} s", began.elapsed().as_secs());
    Ok(())
}
