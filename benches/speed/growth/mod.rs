//! Growth: what the same work costs in a large shop, beside a small one. Two databases with a year's past take turns, and
//! each figure is the large one's cost as a share of the small one's.
//!
//! Postgres has the memory that a shop of that size would give it, and the indexes in which each new order is written
//! anywhere are in it, as after a while of work. On the large one the plan of every statement is looked at besides: none may read or sort a big table.

mod explained;
mod fill;
mod plans;
mod questions;
mod work;

use std::time::Instant;

use anyhow::Context;
use packline::{api, clock::Clock, db};
use sqlx::PgPool;

use super::contender::Contender;
use super::machine;
use super::postgres::Server;
use super::table::{self, median, told};
use questions::Question;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Orders of the small shop.
    pub small: u64,
    /// And of the large one.
    pub large: u64,
    /// How many of them, the newest, are under way or stuck, in both shops.
    pub open: u64,
    /// Rounds in which the shops take turns.
    pub rounds: usize,
    /// New orders in a turn, each paid by three events.
    pub new: usize,
    /// How often each question is asked in a turn.
    pub asked: usize,
}

impl Growth {
    /// Beside ten thousand orders.
    pub fn whole(large: u64) -> Self {
        Self { small: 10_000, large, open: 200, rounds: 5, new: 4_000, asked: 15 }
    }

    /// So few that it only shows that it runs, and by which plans.
    pub const QUICK: Self = Self { small: 200, large: 2_000, open: 40, rounds: 1, new: 60, asked: 2 };
}

/// For Postgres's pages, in megabytes: a quarter of the machine's memory, up to this.
const MOST_MEMORY: f64 = 4_096.0;

/// A shop with its past.
pub struct Shop {
    pub url: String,
    pub pool: PgPool,
    pub api_key: String,
    /// The first order that was not placed yet.
    pub next: usize,
}

impl Shop {
    async fn open(server: &Server, orders: u64, open: u64) -> anyhow::Result<Self> {
        let url = server.database().await?;
        let pool = db::connect(&url, "bench", 2)?;
        let mut conn = pool.acquire().await?;
        let api_key = api::create_key(&mut conn, "bench", Clock::system().now()).await?.text;
        drop(conn);
        fill::fill(&url, orders, open).await?;
        Ok(Self { url, pool, api_key, next: 0 })
    }
}

/// The costs of one thing in both shops, a round after the other.
#[derive(Default)]
struct Costs {
    name: String,
    of: [Vec<f64>; 2],
}

pub async fn measure(server: &mut Server, scale: Growth) -> anyhow::Result<()> {
    let began = Instant::now();
    server.give_memory((machine::megabytes() / 4.0).clamp(128.0, MOST_MEMORY)).await?;
    fill::hurry(server, true).await?;
    let small = Shop::open(server, scale.small, scale.open).await?;
    let large = Shop::open(server, scale.large, scale.open).await?;
    fill::hurry(server, false).await?;
    let size: String = sqlx::query_scalar("select pg_size_pretty(pg_database_size(current_database()))")
        .fetch_one(&large.pool)
        .await?;
    println!(
        "{} orders beside {}: {size}, made in {} s\n",
        scale.large,
        scale.small,
        began.elapsed().as_secs()
    );

    for shop in [&small, &large] {
        fill::warm(&shop.pool).await?;
    }

    let mut shops = [small, large];
    let mut asked: Vec<Vec<Question>> = Vec::new();
    for shop in &shops {
        asked.push(questions::all(shop).await?);
    }
    let mut costs: Vec<Costs> = Vec::new();
    let mut expiring: [Vec<f64>; 2] = Default::default();
    let mut deleted = Vec::new();
    for round in 0..scale.rounds {
        for turn in 0..2 {
            // The one that went second goes first.
            let at = (round + turn) % 2;
            let shop = &mut shops[at];
            let worked = work::turn(shop, scale.new).await.context("work")?;
            let answered = questions::ask(shop, &asked[at], scale.asked, round == 0).await?;
            for (place, (name, cost)) in worked.into_iter().chain(answered).enumerate() {
                if costs.len() == place {
                    costs.push(Costs { name, ..Costs::default() });
                }
                costs[place].of[at].push(cost);
            }
        }
    }
    for _ in 0..scale.rounds {
        for (place, kept) in ["never", "180d"].into_iter().enumerate() {
            let (cost, gone) =
                work::while_expiring(&mut shops[1], scale.new, kept).await.context("expiry")?;
            expiring[place].push(cost);
            deleted.extend((kept != "never").then_some(gone));
        }
    }
    print(&costs);
    let rows = vec![vec![
        "acknowledge and apply, while payloads expire and while not, µs an event".to_owned(),
        told(&expiring[0], 0),
        told(&expiring[1], 0),
        format!("{:.2}", median(&expiring[1]).0 / median(&expiring[0]).0),
        format!("{} payloads a second", told(&deleted, 0)),
    ]];
    table::print("Retention in the large shop", &["", "not", "expiring", "ratio", "deleted"], rows);
    work::print_bloat(&shops[1]).await?;
    plans::check(&shops[1], scale, &asked[1]).await
}

fn print(costs: &[Costs]) {
    let rows = costs.iter().map(|cost| {
        // Inside each round: what else the machine did then, it did to both.
        let ratios: Vec<f64> =
            cost.of[1].iter().zip(&cost.of[0]).map(|(large, small)| large / small).collect();
        vec![cost.name.clone(), told(&cost.of[0], 2), told(&cost.of[1], 2), told(&ratios, 2)]
    });
    table::print(
        "Growth: the large shop's cost as a share of the small one's; wanted: 1.3 or less",
        &["", "small", "large", "ratio"],
        rows.collect(),
    );
}

/// A `packline` that deletes nothing, unless told to.
async fn packline(shop: &Shop, arguments: &[&str], settings: &[(&str, &str)]) -> anyhow::Result<Contender> {
    let quiet = [
        ("PACKLINE_PAYLOAD_RETENTION", "never"),
        ("PACKLINE_ANSWER_RETENTION", "never"),
        ("PACKLINE_LOG", "packline::cli=info,error"),
        ("FULFILMENT_PROVIDER", "none"),
    ];
    let settings: Vec<(&str, &str)> = quiet.into_iter().chain(settings.iter().copied()).collect();
    Contender::packline(&shop.url, arguments, &settings).await
}
