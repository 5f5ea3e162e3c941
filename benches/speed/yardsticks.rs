//! Servers as bare as can be, to compare with: each a process of its own, run as `<this benchmark> yardstick <kind>`.
//!
//! | kind | what it does before it answers |
//! |---|---|
//! | `read` | reads the body |
//! | `verify` | and verifies the signature and reads the event's face; no database |
//! | `group` | and stores ledger row and payload, many requests in a statement: what Packline stores, and nothing around it |
//! | `transaction` | and, in a transaction of its own, stores ledger row and payload as `jsonb` and updates an order: what a careful shop writes |
//! | `warehouse` | none of that: it takes orders to fulfil |

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use packline::clock::Clock;
use packline::db;
use packline::stripe::Envelope;
use packline::webhooks::{EndpointSecret, verify};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use super::events::SECRET;

pub const COMMAND: &str = "yardstick";

const LARGEST_BATCH: usize = 64;

struct Waiting {
    envelope: Envelope,
    body: Bytes,
    answer: oneshot::Sender<bool>,
}

#[derive(Clone)]
struct Yardstick {
    kind: Arc<str>,
    secrets: Arc<[EndpointSecret]>,
    pool: Option<PgPool>,
    committer: Option<mpsc::Sender<Waiting>>,
}

/// Serves until it is killed.
pub fn serve(kind: &str, url: Option<&str>) -> anyhow::Result<()> {
    actix_web::rt::System::new().block_on(async {
        let pool = url.map(|url| db::connect(url, "yardstick", 12)).transpose()?;
        let committer = match (&pool, kind) {
            (Some(pool), "group") => {
                let (committer, waiting) = mpsc::channel(1024);
                actix_web::rt::spawn(commit(pool.clone(), waiting));
                Some(committer)
            }
            _ => None,
        };
        let secrets = Arc::new([EndpointSecret::new("bench", SECRET)]);
        let yardstick = Yardstick { kind: kind.into(), secrets, pool, committer };
        let server = HttpServer::new(move || {
            let app = App::new().app_data(web::Data::new(yardstick.clone()));
            app.service(web::resource("/webhooks/stripe").post(receive))
                .service(web::resource("/orders").post(take))
        })
        .workers(2)
        .bind("127.0.0.1:0")?;
        eprintln!("serving http://{}", server.addrs().first().context("an address")?);
        server.run().await.map_err(Into::into)
    })
}

async fn take() -> HttpResponse {
    HttpResponse::Created().finish()
}

async fn receive(request: HttpRequest, body: Bytes, yardstick: web::Data<Yardstick>) -> HttpResponse {
    match yardstick.file(&request, body).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

impl Yardstick {
    async fn file(&self, request: &HttpRequest, body: Bytes) -> anyhow::Result<()> {
        if &*self.kind == "read" {
            return Ok(());
        }
        let header = request.headers().get("stripe-signature").context("a signature")?.to_str()?;
        verify(&self.secrets, header, &body, Clock::system().now().unix_timestamp())?;
        let envelope = Envelope::read(std::str::from_utf8(&body)?)?;
        match (&self.committer, &self.pool) {
            (Some(committer), _) => {
                let (answer, answered) = oneshot::channel();
                committer.send(Waiting { envelope, body, answer }).await?;
                anyhow::ensure!(answered.await?, "not stored");
                Ok(())
            }
            (None, Some(pool)) => transaction(pool, &envelope, &body).await,
            (None, None) => Ok(()),
        }
    }
}

async fn transaction(pool: &PgPool, envelope: &Envelope, body: &[u8]) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query(
        "insert into bare_events (id, type, payload) values ($1, $2, $3::jsonb) on conflict do nothing",
    )
    .bind(&envelope.id)
    .bind(&envelope.event_type)
    .bind(std::str::from_utf8(body)?)
    .execute(&mut *tx)
    .await?;
    sqlx::query("update bare_orders set status = $2, updated_at = now() where payment_intent = $1")
        .bind(&envelope.object_id)
        .bind(&envelope.event_type)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

async fn commit(pool: PgPool, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(LARGEST_BATCH);
    while waiting.recv_many(&mut batch, LARGEST_BATCH).await > 0 {
        let batch = std::mem::take(&mut batch);
        let stored = store(&pool, &batch).await;
        for waiting in batch {
            _ = waiting.answer.send(stored.is_ok());
        }
    }
}

/// The same columns of the same tables as Packline's own.
async fn store(pool: &PgPool, batch: &[Waiting]) -> anyhow::Result<()> {
    let mut events: Vec<&Waiting> = batch
        .iter()
        .map(|waiting| (&waiting.envelope.id, waiting))
        .collect::<HashMap<_, _>>()
        .into_values()
        .collect();
    events.sort_unstable_by(|a, b| a.envelope.id.cmp(&b.envelope.id));
    let of =
        |text: fn(&Envelope) -> &str| events.iter().map(|event| text(&event.envelope)).collect::<Vec<_>>();
    let bodies: Vec<&str> =
        events.iter().map(|event| std::str::from_utf8(&event.body)).collect::<Result<_, _>>()?;
    sqlx::query(
        "
        with new as materialized (
          select * from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as new (id, type, object_id, body)
        ),
        stored as (
          insert into stripe_events (
            id, type, object_id, livemode, received_at, endpoint, verified_by, state, next_attempt_at
          )
          select id, type, object_id, false, now(), 'platform', 'bench', 'pending', now() from new
          on conflict (id) do nothing
          returning id
        )
        insert into stripe_event_payloads (event_id, body)
        select new.id, new.body from new join stored on stored.id = new.id
        ",
    )
    .bind(of(|envelope| &envelope.id))
    .bind(of(|envelope| &envelope.event_type))
    .bind(of(|envelope| envelope.object_id.as_deref().unwrap_or_default()))
    .bind(bodies)
    .execute(pool)
    .await?;
    Ok(())
}

/// The tables of `transaction`, and its orders.
pub async fn prepare_bare(pool: &PgPool, orders: usize) -> anyhow::Result<()> {
    for statement in [
        "create table bare_events (id text primary key, type text not null, payload jsonb not null, \
         received_at timestamptz not null default now())",
        "create table bare_orders (id bigint primary key, payment_intent text unique, status text, \
         updated_at timestamptz not null default now())",
    ] {
        sqlx::query(statement).execute(pool).await?;
    }
    sqlx::query(
        "insert into bare_orders (id, payment_intent) \
         select n, 'pi_3RbenchLoadGenerator' || lpad(n::text, 8, '0') from generate_series(0, $1::bigint - 1) n",
    )
    .bind(i64::try_from(orders)?)
    .execute(pool)
    .await?;
    Ok(())
}
