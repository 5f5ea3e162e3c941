//! The plans that workers keep: made while a table was empty, used when it is full. Each must find its rows by an index,
//! or it reads the whole table for every batch from then on.

use std::sync::Arc;

use packline::fulfilment::{
    DEFAULT_PROVIDER, FulfilmentMetrics, FulfilmentSettings, FulfilmentWorker, LogProvider, Providers,
};
use packline::inbox::{Applier, InboxMetrics};
use packline::{db, telemetry};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};

use crate::support::TestApp;
use crate::support::stripe::{charge, event, intent, order, succeeded, with};

/// Tables that stay small however much is sold.
const SMALL: [&str; 4] =
    ["fulfilment_providers", "fulfilment_provider_health", "fulfilment_rules", "fulfilment_pauses"];

/// What a worker's connection has prepared, each with the plan that it keeps.
async fn kept_plans(conn: &mut PgConnection) -> Vec<(String, Value)> {
    let prepared = sqlx::query(
        "select name, statement, coalesce(array_length(parameter_types, 1), 0) as parameters
         from pg_prepared_statements
         where statement ~* '^\\s*(--|with|select|insert|update|delete)'",
    )
    .persistent(false)
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    let mut plans = Vec::new();
    for row in prepared {
        let (name, statement): (String, String) = (row.get("name"), row.get("statement"));
        if statement.contains("pg_prepared_statements") {
            continue;
        }
        let nulls = vec!["null"; usize::try_from(row.get::<i32, _>("parameters")).unwrap()].join(", ");
        let arguments = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
        let explain = format!("explain (format json) execute {name}{arguments}");
        let explained = sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_one(&mut *conn).await.unwrap();
        plans.push((statement, explained.get::<Value, _>(0)));
    }
    plans
}

/// The tables that a plan reads from one end to the other.
fn read_whole(plan: &Value, bound: bool, found: &mut Vec<String>) {
    let kind = plan["Node Type"].as_str().unwrap_or_default();
    let table = plan["Relation Name"].as_str().or(plan["Index Name"].as_str());
    let is_whole = match kind {
        "Seq Scan" => true,
        // In the order of the index, up to a limit.
        "Index Scan" | "Index Only Scan" => plan["Index Cond"].is_null() && !bound,
        "Bitmap Index Scan" => plan["Index Cond"].is_null(),
        _ => false,
    };
    if let Some(table) = table.filter(|table| is_whole && !SMALL.iter().any(|small| table.starts_with(small)))
    {
        found.push(format!("{kind} of {table}"));
    }
    // Whoever sorts or gathers first goes through all that is below it, whatever the limit above.
    let bound = match kind {
        "Limit" => true,
        "LockRows" | "Result" | "Subquery Scan" => bound,
        _ => false,
    };
    for below in plan["Plans"].as_array().into_iter().flatten() {
        read_whole(below, bound, found);
    }
}

#[tokio::test]
async fn plans_made_on_empty_tables_find_their_rows_by_an_index() {
    let app = TestApp::start().await;
    sqlx::query("analyze").execute(&app.pool).await.unwrap();
    let pool = db::connect_to_work(&app.database.url, "packline-test-worker", 1).unwrap();
    let metrics = InboxMetrics::register(&mut telemetry::registry());
    let applier = Applier::new(pool.clone(), app.clock.clone(), false, app.patience, metrics);
    let fulfilment = FulfilmentWorker::new(
        pool.clone(),
        app.clock.clone(),
        Providers::new(pool.clone(), app.clock.clone(), std::time::Duration::from_secs(10))
            .with(DEFAULT_PROVIDER, Arc::new(LogProvider)),
        "kept",
        FulfilmentSettings::default(),
        FulfilmentMetrics::register(&mut telemetry::registry()),
    );

    let placed = app.place_order(&order(json!({}))).await;
    let named = json!({ "metadata": { "order_id": placed["id"] } });
    for event in [
        event("payment_intent.created", with(intent("pi_1"), named.clone())),
        event("payment_intent.succeeded", with(succeeded("pi_1"), named)),
        charge("succeeded", "pi_1", 0),
    ] {
        assert_eq!(app.post_event(&event).await, 200, "{event}");
    }
    assert_eq!(applier.run_once().await.unwrap(), 3);
    assert_eq!(fulfilment.run_once().await.unwrap(), 1);

    let mut conn = pool.acquire().await.unwrap();
    let plans = kept_plans(&mut conn).await;
    assert!(plans.len() > 25, "{} statements", plans.len());
    let mut faults = Vec::new();
    for (statement, plan) in &plans {
        let mut found = Vec::new();
        read_whole(&plan[0]["Plan"], false, &mut found);
        if !found.is_empty() {
            faults.push(format!("{found:?} by\n{statement}\n{plan:#}"));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), plans.len(), faults.join("\n\n"));
}
