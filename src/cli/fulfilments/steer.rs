//! What steers fulfilments: `retry`, `cancel`, `mark-done`, `snooze`, `prioritise`.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::arguments::{Said, duration, moment};
use super::super::output;
use super::{find, list};
use crate::fulfilment::{self, Act, Decision, RedriveFilter, Tracking};
use crate::orders;

/// So many are shown before many are retried.
const PREVIEW: i64 = 10;
/// So many are retried in one transaction: workers wait for as long as it takes.
const BATCH: i64 = 100;

/// One, or many by state.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("which").required(true)))]
pub(in super::super) struct Retry {
    /// Its id or key, or the order's id, number or Stripe object
    #[arg(group = "which")]
    fulfilment: Option<String>,
    /// All in this state: shows how many and some of them, and does it with --yes
    #[arg(long, group = "which", value_parser = PossibleValuesParser::new(["failed", "rejected"]))]
    state: Option<String>,
    /// Of those, only this provider's
    #[arg(long, conflicts_with = "fulfilment")]
    provider: Option<String>,
    /// Of those, only what ended so long ago, such as 2h
    #[arg(long, value_name = "TIME", conflicts_with = "fulfilment", value_parser = duration)]
    older_than: Option<Duration>,
    /// Of those, only what ended since, as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", conflicts_with = "fulfilment", value_parser = moment)]
    since: Option<OffsetDateTime>,
    /// Do it
    #[arg(long, conflicts_with = "fulfilment")]
    yes: bool,
    #[command(flatten)]
    said: Said,
}

/// Where a parcel is to be followed.
#[derive(Args)]
pub(in super::super) struct TrackingArgs {
    /// Who carries the parcel
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    carrier: Option<String>,
    /// The carrier's number for it
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    tracking: Option<String>,
    /// A page that shows where it is
    #[arg(long, value_name = "URL", value_parser = super::super::arguments::http_url)]
    tracking_url: Option<reqwest::Url>,
}

impl TrackingArgs {
    pub(super) fn tracking(self) -> Option<Tracking> {
        let tracking = Tracking {
            carrier: self.carrier,
            number: self.tracking,
            url: self.tracking_url.map(String::from),
        };
        (tracking != Tracking::default()).then_some(tracking)
    }
}

/// Does something to the one fulfilment that a name stands for.
pub(super) async fn one(
    conn: &mut PgConnection,
    name: &str,
    act: &Act,
    decision: &Decision,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let ids = find(conn, name).await?;
    let [id] = ids[..] else {
        let mut parts = Vec::new();
        for row in fulfilment::load_rows(conn, &ids).await? {
            parts.push(format!("\n  {} part {}, {} at {}", row.id, row.part, row.state, row.provider));
        }
        bail!("order {name:?} has {} parts; name one of them:{}", ids.len(), parts.concat());
    };
    let mut tx = conn.begin().await?;
    let mut acted = fulfilment::act(&mut tx, &[id], act, None, decision, now).await?;
    if let Some((_, why)) = acted.refused.pop() {
        bail!("fulfilment {id}: {why}");
    }
    let (_, told) = acted.done.pop().with_context(|| format!("fulfilment {id} is gone"))?;
    tx.commit().await?;
    output::print(format!("fulfilment {id}: {told}"))
}

impl Retry {
    pub(super) async fn run(self, conn: &mut PgConnection, now: OffsetDateTime) -> anyhow::Result<()> {
        let decision = Decision::from(self.said);
        let Some(state) = self.state else {
            let name = self.fulfilment.unwrap_or_default();
            return match unqueued(conn, &name).await? {
                Some(order) => {
                    let mut tx = conn.begin().await?;
                    fulfilment::queue_by_hand(&mut tx, order, &decision, now).await?;
                    tx.commit().await?;
                    output::print(format!("order {name} is queued"))
                }
                None => one(conn, &name, &Act::Retry, &decision, now).await,
            };
        };
        let ended_before = match self.older_than {
            None => None,
            Some(age) => {
                let age = time::Duration::try_from(age).ok();
                Some(age.and_then(|age| now.checked_sub(age)).context("--older-than: nothing is that old")?)
            }
        };
        let filter = RedriveFilter { state, provider: self.provider, ended_before, ended_from: self.since };
        if self.yes { many(conn, &filter, &decision, now).await } else { preview(conn, &filter).await }
    }
}

/// The order that a name stands for, where nothing was queued for it.
async fn unqueued(conn: &mut PgConnection, name: &str) -> anyhow::Result<Option<Uuid>> {
    let Some(order) = orders::find(conn, name).await? else { return Ok(None) };
    let parts = fulfilment::find_fulfilments(conn, name, Some(order)).await?;
    Ok(parts.is_empty().then_some(order))
}

async fn preview(conn: &mut PgConnection, filter: &RedriveFilter) -> anyhow::Result<()> {
    let count = fulfilment::count_redrive(conn, filter).await?;
    if count == 0 {
        return output::print("there are none of these");
    }
    let ids = fulfilment::list_redrive(conn, filter, Uuid::nil(), PREVIEW).await?;
    output::print(list(&fulfilment::load_rows(conn, &ids).await?))?;
    let shown = if count > PREVIEW { format!(", the first {PREVIEW} of them above") } else { String::new() };
    output::print(format!(
        "{count} {} to retry{shown}; nothing is done yet: add --yes to do it",
        filter.state
    ))
}

async fn many(
    conn: &mut PgConnection,
    filter: &RedriveFilter,
    decision: &Decision,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let (mut done, mut refused, mut last) = (0, Vec::new(), Uuid::nil());
    loop {
        let ids = fulfilment::list_redrive(conn, filter, last, BATCH).await?;
        let Some(seen) = ids.last() else { break };
        last = *seen;
        let mut tx = conn.begin().await?;
        let acted = fulfilment::act(&mut tx, &ids, &Act::Retry, Some(&filter.state), decision, now).await?;
        tx.commit().await?;
        done += acted.done.len();
        refused.extend(acted.refused);
    }
    output::print(format!("{done} {} are retried", filter.state))?;
    for (id, why) in refused {
        output::print(format!("not {id}: {why}"))?;
    }
    Ok(())
}
