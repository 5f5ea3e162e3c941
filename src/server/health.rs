//! `/healthz`: the process lives. `/readyz`: it can do its work. `/metrics`: what it did.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use prometheus_client::registry::Registry;
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::timeout;
use utoipa::{OpenApi, ToSchema};

use crate::clock::Clock;
use crate::fulfilment::FulfilmentSampler;
use crate::{db, inbox, telemetry};

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// These routes, as `/openapi.json` describes them.
#[derive(OpenApi)]
#[openapi(paths(healthz, readyz, metrics))]
pub(super) struct Described;

pub(super) fn configure(service: &mut web::ServiceConfig) {
    service
        .service(web::resource("/healthz").get(healthz))
        .service(web::resource("/readyz").get(readyz))
        .service(web::resource("/metrics").get(metrics));
}

/// That the process lives.
#[derive(Serialize, ToSchema)]
struct Liveness {
    status: &'static str,
}

/// Says that the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "operation",
    responses((status = 200, description = "It does.", body = Liveness))
)]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Liveness { status: "ok" })
}

/// Whether the process can do its work.
#[derive(Serialize, ToSchema)]
struct Readiness {
    status: &'static str,
    database: &'static str,
    migrations: &'static str,
    /// How long the oldest event that is due has been waiting; grows where no worker runs.
    oldest_due_event_seconds: Option<f64>,
}

/// Says whether the process can do its work.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "Database and schema are there.", body = Readiness),
        (status = 503, description = "They are not.", body = Readiness)
    )
)]
async fn readyz(pool: web::Data<PgPool>, clock: web::Data<Clock>) -> HttpResponse {
    let readiness = match timeout(CHECK_TIMEOUT, check(&pool, &clock)).await {
        Ok(Ok(readiness)) => readiness,
        Ok(Err(_)) | Err(_) => Readiness {
            status: "unavailable",
            database: "out of reach",
            migrations: "unknown",
            oldest_due_event_seconds: None,
        },
    };
    let mut response =
        if readiness.status == "ok" { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(readiness)
}

async fn check(pool: &PgPool, clock: &Clock) -> sqlx::Result<Readiness> {
    let mut conn = pool.acquire().await?;
    let is_current = db::is_migrated(&mut conn).await?;
    let now = clock.now();
    let oldest = if is_current { inbox::oldest_due(&mut conn, now).await? } else { None };
    Ok(Readiness {
        status: if is_current { "ok" } else { "unavailable" },
        database: "ok",
        migrations: if is_current { "ok" } else { "not current: run `packline migrate`" },
        oldest_due_event_seconds: Some(oldest.map_or(0.0, |due| (now - due).as_seconds_f64())),
    })
}

/// Counters of this process, and the lag as it is now.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "OpenMetrics.", body = String, content_type = "application/openmetrics-text"))
)]
async fn metrics(
    registry: web::Data<Registry>,
    pool: web::Data<PgPool>,
    clock: web::Data<Clock>,
    sampler: web::Data<FulfilmentSampler>,
) -> HttpResponse {
    sampler.keep_fresh(CHECK_TIMEOUT).await;
    let mut text = telemetry::render(&registry);
    if let Ok(Ok(Readiness { oldest_due_event_seconds: Some(seconds), .. })) =
        timeout(CHECK_TIMEOUT, check(&pool, &clock)).await
    {
        let gauge = format!(
            "# HELP packline_oldest_due_event_seconds How long the oldest event that is due has been waiting.\n\
             # TYPE packline_oldest_due_event_seconds gauge\n\
             packline_oldest_due_event_seconds {seconds}\n"
        );
        text = text.replace("# EOF\n", &format!("{gauge}# EOF\n"));
    }
    HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text)
}
