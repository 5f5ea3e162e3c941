//! Whatever Stripe sends, in whatever order, however often and in whatever batches: the same rows are left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::stripe::{
    Shape, charge, charge_refunded, dispute, event, id, intent_failed, intent_is, intent_succeeded,
    invoice_intent_succeeded, invoice_is, invoice_paid, invoice_payment_paid, order, refund, session,
    succeeded, with,
};
use crate::support::{PATIENCE, TestApp};

/// One purchase: all that Stripe says of it, and the shop's order if it made one.
struct Life {
    name: &'static str,
    placed: Option<Value>,
    events: Vec<Value>,
    /// Whether time may pass between the events without changing what is right: not where only a later event tells
    /// that two objects are one purchase.
    may_wait: bool,
}

/// Lives of every kind, with ids that end in `run`.
fn lives(run: &str) -> Vec<Life> {
    let (pi, inv, number) = (format!("pi_{run}"), format!("in_{run}"), format!("SHOP{run}"));
    let other = format!("pi_2{run}");
    let placed = || Some(order(json!({ "number": number, "payment_intent": pi })));
    let re = |event_type: &str, n: u8, amount, status: &str| {
        refund(&format!("refund.{event_type}"), &format!("re_{n}{run}"), &pi, amount, status)
    };
    let du = |event_type: &str, status: &str| dispute(event_type, &format!("du_{run}"), &pi, status);
    let names_number = json!({ "amount": 500, "amount_received": 500, "metadata": { "order_id": number } });
    let invoiced = |shape| {
        vec![
            invoice_is(shape, "created", &inv, &pi, "draft"),
            invoice_is(shape, "finalized", &inv, &pi, "open"),
            intent_failed(&pi),
            invoice_is(shape, "payment_failed", &inv, &pi, "open"),
            invoice_intent_succeeded(shape, &inv, &pi),
            charge("succeeded", &pi, 0),
            invoice_paid(shape, &inv, &pi),
            with(invoice_paid(shape, &inv, &pi), json!({ "type": "invoice.payment_succeeded" })),
            invoice_payment_paid(&inv, &pi),
            re("created", 1, 500, "succeeded"),
        ]
    };
    vec![
        Life {
            name: "placed, failed, paid, refunded in part, disputed and won",
            placed: placed(),
            events: vec![
                intent_is("created", &pi, "requires_payment_method"),
                intent_is("processing", &pi, "processing"),
                intent_failed(&pi),
                intent_succeeded(&pi),
                charge("succeeded", &pi, 0),
                re("created", 1, 500, "pending"),
                re("created", 2, 300, "pending"),
                re("failed", 2, 300, "failed"),
                charge_refunded(&pi, 500),
                du("created", "needs_response"),
                du("funds_withdrawn", "under_review"),
                du("closed", "won"),
            ],
            may_wait: false,
        },
        Life {
            name: "placed, refunded as a whole, the refund fails",
            placed: placed(),
            events: vec![
                intent_succeeded(&pi),
                re("created", 1, 2000, "succeeded"),
                re("failed", 1, 2000, "failed"),
                charge_refunded(&pi, 2000),
            ],
            may_wait: false,
        },
        Life {
            name: "placed, paid once rightly and once wrongly",
            placed: placed(),
            events: vec![
                intent_failed(&pi),
                intent_succeeded(&pi),
                event("payment_intent.succeeded", with(succeeded(&other), names_number)),
                intent_failed(&other),
            ],
            may_wait: false,
        },
        Life {
            name: "a bare payment, then a lost dispute",
            placed: None,
            events: vec![
                intent_failed(&pi),
                intent_succeeded(&pi),
                du("created", "needs_response"),
                du("funds_withdrawn", "needs_response"),
                du("closed", "lost"),
            ],
            may_wait: true,
        },
        Life {
            name: "a checkout session that no order was made for",
            placed: None,
            events: vec![
                session("completed", &format!("cs_{run}"), &pi, "unpaid"),
                intent_is("processing", &pi, "processing"),
                session("async_payment_succeeded", &format!("cs_{run}"), &pi, "paid"),
                intent_succeeded(&pi),
                charge("succeeded", &pi, 0),
                re("created", 1, 500, "succeeded"),
            ],
            may_wait: true,
        },
        Life {
            name: "a checkout session of a placed order, of which the first try expired",
            placed: Some(order(json!({ "number": number }))),
            events: vec![
                with_metadata(session("expired", &format!("cs_1{run}"), &other, "unpaid"), &number),
                with_metadata(session("completed", &format!("cs_{run}"), &pi, "paid"), &number),
                intent_succeeded(&pi),
                charge("succeeded", &pi, 0),
            ],
            may_wait: false,
        },
        Life { name: "an old invoice", placed: None, events: invoiced(Shape::Old), may_wait: true },
        Life { name: "a new invoice", placed: None, events: invoiced(Shape::New), may_wait: false },
    ]
}

/// An event about an object that names an order.
fn with_metadata(mut event: Value, number: &str) -> Value {
    event["data"]["object"]["metadata"] = json!({ "order_id": number });
    event
}

/// What a purchase left behind, without times and our own ids. `run` is taken out of Stripe's ids.
async fn rows(app: &TestApp, run: &str) -> Value {
    let rows: Value = sqlx::query_scalar(
        "
        with mine as (select distinct order_id as id from order_refs where stripe_id like '%' || $1)
        select jsonb_build_object(
          'orders', (
            select jsonb_agg(
              to_jsonb(orders) - array['id', 'number', 'created_at', 'updated_at', 'paid_at', 'fulfilled_at']
                || jsonb_build_object('was_paid', paid_at is not null)
            )
            from orders join mine using (id)
          ),
          'lines', (
            select jsonb_agg(to_jsonb(line) - 'order_id' order by position)
            from order_lines line join mine on mine.id = line.order_id
          ),
          'refs', (
            select jsonb_agg(kind || ' ' || stripe_id order by kind, stripe_id)
            from order_refs join mine on mine.id = order_id
          ),
          'payments', (
            select jsonb_agg(to_jsonb(p) - array['order_id', 'event_id', 'created_at'] order by kind, stripe_id, amount)
            from payments p join mine on mine.id = order_id
          ),
          'open_holds', (
            select jsonb_agg(jsonb_build_array(kind, source_id, reason) order by kind, source_id)
            from holds join mine on mine.id = order_id
            where released_at is null
          ),
          'fulfilments', (
            select jsonb_agg(jsonb_build_array(part, state, reason, attempts))
            from fulfilments join mine on mine.id = order_id
          ),
          'not_applied', (
            select jsonb_agg(jsonb_build_array(type, state, reason) order by id)
            from stripe_events
            where object_id like '%' || $1 and state <> 'applied'
          )
        )
        ",
    )
    .bind(run)
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(rows["orders"].as_array().map(Vec::len), Some(1), "one purchase is one order: {rows:#}");
    assert_eq!(rows["not_applied"], Value::Null, "{rows:#}");
    serde_json::from_str(&rows.to_string().replace(run, "")).unwrap()
}

/// The events in some order, some of them again: the same delivery, or told by another event.
fn shuffled(events: &[Value], random: &mut StdRng) -> Vec<Value> {
    let mut heard = events.to_vec();
    for _ in 0..random.random_range(0..=events.len()) {
        let again = events.choose(random).unwrap().clone();
        let other_id = format!("{}_{}", id(&again), random.random::<u32>());
        heard.push(if random.random() { again } else { with(again, json!({ "id": other_id })) });
    }
    heard.shuffle(random);
    heard
}

/// Lets a life happen in a random order, in random batches, the order being placed somewhere in between.
async fn live(app: &TestApp, life: &Life, random: &mut StdRng) {
    let heard = shuffled(&life.events, random);
    let placed_before = random.random_range(0..=heard.len());
    for (position, event) in heard.iter().enumerate() {
        if let Some(order) = life.placed.as_ref().filter(|_| position == placed_before) {
            app.place_order(order).await;
        }
        assert_eq!(app.post_event(event).await, 200);
        if random.random_ratio(1, 3) {
            app.apply_events().await;
        }
        if life.may_wait && random.random_ratio(1, 6) {
            app.wait(PATIENCE.grace).await;
        }
    }
    if let Some(order) = life.placed.as_ref().filter(|_| placed_before == heard.len()) {
        app.place_order(order).await;
    }
    app.apply_events().await;
    app.wait(PATIENCE.grace).await;
}

#[tokio::test]
async fn any_order_of_arrival_with_any_duplicates_leaves_the_same_rows() {
    let app = TestApp::start().await;
    for position in 0..lives("").len() {
        let mut first: Option<Value> = None;
        for seed in 0..25 {
            let run = format!("x{position}x{seed}x");
            let life = lives(&run).swap_remove(position);

            live(&app, &life, &mut StdRng::seed_from_u64(seed)).await;

            let left = rows(&app, &run).await;
            assert_eq!(*first.get_or_insert(left.clone()), left, "{}, seed {seed}", life.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_at_once_leave_the_rows_that_one_leaves() {
    let app = Arc::new(TestApp::start().await);
    for position in 0..lives("").len() {
        let alone = format!("y{position}alone");
        live(&app, &lives(&alone).swap_remove(position), &mut StdRng::seed_from_u64(0)).await;
        let expected = rows(&app, &alone).await;
        for seed in 0..5 {
            let run = format!("y{position}y{seed}y");
            let life = lives(&run).swap_remove(position);

            race(&app, &life, &mut StdRng::seed_from_u64(seed)).await;

            assert_eq!(expected, rows(&app, &run).await, "{}, seed {seed}", life.name);
        }
    }
}

/// The workers have been at every event that is there.
async fn all_looked_at(app: &TestApp) {
    while app.value::<i64>("select count(*) from stripe_events where state = 'pending'").await > 0 {
        tokio::task::yield_now().await;
    }
}

/// All events of a life are posted at once while three workers apply them and the shop places its order.
async fn race(app: &Arc<TestApp>, life: &Life, random: &mut StdRng) {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        let (applier, is_over) = (app.applier(), is_over.clone());
        workers.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                applier.run_once().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }

    let mut posts = JoinSet::new();
    for event in shuffled(&life.events, random) {
        let app = app.clone();
        posts.spawn(async move { assert_eq!(app.post_event(&event).await, 200) });
    }
    if let Some(order) = &life.placed {
        app.place_order(order).await;
    }
    while let Some(posted) = posts.join_next().await {
        posted.unwrap();
    }
    all_looked_at(app).await;
    // What the workers parked side by side falls due together, and they meet again.
    app.wait(PATIENCE.grace).await;
    all_looked_at(app).await;
    is_over.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    app.wait(PATIENCE.grace).await;
}
