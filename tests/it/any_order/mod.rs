//! Whatever Stripe sends, in whatever order, however often and in whatever batches: the same rows are left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::stripe::{id, with};
use crate::support::{PATIENCE, TestApp};

mod lives;

use lives::{Life, lives};

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
    let united: i64 = app.value("select count(*) from orders where merged_into is not null").await;
    assert!(united > 0, "where time passed, some purchases were two orders for a while");
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
