//! The plans of statements, as Postgres's `auto_explain` tells them to whoever runs them, and what is wrong with them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What a connection must have set for its plans to be told.
pub const SETTINGS: [(&str, &str); 8] = [
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_timing", "off"),
    ("auto_explain.log_nested_statements", "on"),
    ("auto_explain.log_format", "json"),
    ("auto_explain.log_level", "notice"),
    ("client_min_messages", "notice"),
];

/// For tables so small that Postgres would rather read or join all of them: what shows then is whether it has to.
pub const BY_INDEXES: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];

/// The tables that grow with the shop.
const BIG: [&str; 16] = [
    "orders",
    "order_lines",
    "order_refs",
    "order_transitions",
    "payments",
    "fulfilments",
    "fulfilment_lines",
    "fulfilment_attempts",
    "shipments",
    "shipment_lines",
    "stripe_events",
    "stripe_event_payloads",
    "idempotency_keys",
    "invoices",
    "subscriptions",
    "quotes",
];
/// What Postgres told. Clones hear the same.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<String>>>);

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::postgres::notice"
    }

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "message" {
                    self.0 = value.to_owned();
                }
            }
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Told {
    /// How many plans were told since the last time, and what is wrong with them, each with a statement: a big table that
    /// is read from end to end, or more than `most` rows of one read or sorted.
    ///
    /// # Errors
    /// A plan cannot be read.
    pub fn faults(&self, most: f64) -> serde_json::Result<(usize, Vec<String>)> {
        let texts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut faults: BTreeMap<String, String> = BTreeMap::new();
        let mut seen = 0;
        for text in &texts {
            let Some((_, json)) = text.split_once("plan:") else { continue };
            let plan: Value = serde_json::from_str(json)?;
            seen += 1;
            let statement = plan["Query Text"].as_str().unwrap_or_default();
            let statement: Vec<&str> = statement.split_whitespace().collect();
            for fault in faults_of(&plan["Plan"], most) {
                faults.entry(fault).or_insert_with(|| statement.join(" ").chars().take(400).collect());
            }
        }
        Ok((seen, faults.into_iter().map(|(fault, statement)| format!("{fault}\n  {statement}")).collect()))
    }
}

/// What is wrong with a plan.
fn faults_of(plan: &Value, most: f64) -> Vec<String> {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let kind = plan["Node Type"].as_str().unwrap_or_default();
    let table = plan["Relation Name"].as_str().unwrap_or_default();
    let loops = number("Actual Loops");
    let read =
        (number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck"))
            * loops;
    let mut faults = Vec::new();
    let index = plan["Index Name"].as_str().map(|name| format!(" by {name}")).unwrap_or_default();
    if BIG.contains(&table) && (kind == "Seq Scan" && loops > 0.0 || read > most) {
        faults.push(format!("{kind} of {table}{index}: {read} rows"));
    }
    if kind.ends_with("Sort") && number("Actual Rows") * loops > most {
        faults.push(format!("{kind} of {} rows", number("Actual Rows") * loops));
    }
    let below = plan["Plans"].as_array().into_iter().flatten();
    faults.into_iter().chain(below.flat_map(|plan| faults_of(plan, most))).collect()
}
