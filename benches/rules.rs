//! What each event costs before and beside the database: `cargo bench --bench rules`, with `-- --quick` in a few seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packline::clock::Clock;
use packline::inbox::dispatch::{self, Handler};
use packline::money::{Currency, Money};
use packline::orders::events::OrderEvent;
use packline::orders::{Details, FulfilmentStatus, OrderFacts, Origin, PaymentStatus};
use packline::stripe::{Envelope, Event};
use packline::webhooks::{EndpointSecret, verify};
use serde_json::json;
use uuid::Uuid;

/// A success as Stripe sends it, of 3.3 KB.
fn body() -> String {
    let notes: BTreeMap<String, String> = (0..24)
        .map(|n| (format!("note_{n:02}"), "of the cart that it was paid for, in words of the shop".into()))
        .collect();
    let intent = json!({
        "id": "pi_3RbenchRules", "object": "payment_intent", "amount": 2000, "amount_received": 2000, "currency": "usd",
        "created": 1_760_000_000, "customer": "cus_bench", "description": "Two packs of loose tea",
        "latest_charge": "ch_3RbenchRules", "livemode": false, "metadata": notes, "next_action": null,
        "payment_method": "pm_1RbenchRules", "payment_method_types": ["card", "link", "klarna"], "review": null,
        "receipt_email": "ada@example.com", "status": "succeeded",
        "shipping": {
            "name": "Ada Lovelace", "phone": null,
            "address": { "line1": "12 Headingley Lane", "line2": null, "city": "Leeds", "state": null,
                         "postal_code": "LS6 1AA", "country": "GB" }
        }
    });
    let event = json!({
        "id": "evt_3RbenchRules", "object": "event", "api_version": "2025-10-29.clover", "created": 1_760_000_000,
        "data": { "object": intent }, "livemode": false, "pending_webhooks": 1, "type": "payment_intent.succeeded",
        "request": { "id": "req_bench", "idempotency_key": "9f0c2c1e-bench" }
    });
    serde_json::to_string_pretty(&event).unwrap_or_default()
}

/// What the event says, read as the inbox reads it.
fn read(body: &str) -> Option<OrderEvent> {
    let Some(Handler::Order(read)) = dispatch::handler("payment_intent.succeeded") else { return None };
    let event = Event {
        id: "evt_3RbenchRules",
        event_type: "payment_intent.succeeded",
        account: None,
        created_at: None,
        body,
    };
    read(&event).ok()
}

/// An order that waits for its payment.
fn order(currency: Currency) -> OrderFacts {
    OrderFacts {
        id: Uuid::now_v7(),
        origin: Origin::Api,
        total: Money { amount: 2000, currency },
        to_capture: None,
        payment: PaymentStatus::AwaitingPayment,
        fulfilment: FulfilmentStatus::None,
        money: BTreeSet::new(),
        holds: BTreeMap::new(),
        has_invoice: false,
        details: Details::default(),
        learnt: None,
        merged_into: None,
    }
}

fn rules(criterion: &mut Criterion) {
    let body = body();
    let secrets = [EndpointSecret::new("bench", "whsec_bench")];
    let now = Clock::system().now().unix_timestamp();
    let header = secrets[0].sign(now, body.as_bytes());
    let forged = EndpointSecret::new("forger", "whsec_forged").sign(now, body.as_bytes());

    let mut group = criterion.benchmark_group("receive");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("verify a signature", |bencher| {
        bencher.iter(|| verify(&secrets, black_box(&header), black_box(body.as_bytes()), now));
    });
    group.bench_function("refuse a forged one", |bencher| {
        bencher.iter(|| verify(&secrets, black_box(&forged), black_box(body.as_bytes()), now));
    });
    group.bench_function("read the envelope", |bencher| bencher.iter(|| Envelope::read(black_box(&body))));
    group.finish();

    let (Some(paid), Ok(currency)) = (read(&body), Currency::parse("usd")) else {
        panic!("the event of this benchmark cannot be read");
    };
    let order = order(currency);
    assert_eq!(order.transition(&paid.news).after.payment, PaymentStatus::Paid);
    let mut group = criterion.benchmark_group("apply");
    group.bench_function("read what an event says", |bencher| bencher.iter(|| read(black_box(&body))));
    group
        .bench_function("move an order", |bencher| bencher.iter(|| black_box(&order).transition(&paid.news)));
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
