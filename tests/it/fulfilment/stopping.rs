//! Workers that are stopped while there is more to do than they can: what they had claimed ahead of its turn goes back at
//! once and unspent, and others carry it out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use packline::fulfilment::{
    Answer, Delivery, FulfilmentSettings, FulfilmentWorker, LookUp, Outcome, Provider, Receipt,
};
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Shop, drain};
use crate::support::stripe::intent_succeeded;

/// Far more than any of this takes.
const LONG: Duration = Duration::from_secs(60);
/// So much is claimed ahead when a worker is stopped, or more.
const AHEAD: i64 = 2;

/// A worker with a loop of its own, as a process has it.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(worker: FulfilmentWorker) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(worker.run(Arc::default(), stop.clone())), stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended().await;
    }

    async fn ended(self) {
        tokio::time::timeout(LONG, self.task).await.expect("the worker stops").unwrap();
    }
}

/// Ships at once until a worker has claimed so much ahead of its turn, then keeps it waiting.
struct Blocked {
    pool: PgPool,
    shipped: Mutex<Vec<String>>,
    is_blocked: Notify,
    go_on: Notify,
}

impl Provider for Blocked {
    fn name(&self) -> &'static str {
        "blocked"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        Box::pin(async move {
            self.shipped.lock().unwrap().push(delivery.idempotency_key.clone());
            let shipped = self.shipped.lock().unwrap().clone();
            // To look takes time, and what a worker claims ahead is as much as its provider is quick.
            if !shipped.len().is_multiple_of(4) {
                return Outcome::Fulfilled(Receipt::default());
            }
            let ahead =
                "select count(*) from fulfilments where state = 'in_progress' and idempotency_key <> all($1)";
            let ahead: i64 = sqlx::query_scalar(ahead).bind(shipped).fetch_one(&self.pool).await.unwrap();
            if ahead >= AHEAD {
                self.is_blocked.notify_one();
                self.go_on.notified().await;
            }
            Outcome::Fulfilled(Receipt::default())
        })
    }

    fn look_up<'a>(&'a self, _: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async { panic!("nothing is in doubt") })
    }
}

/// Takes its time, now less and now more.
#[derive(Default)]
struct Slow {
    sends: AtomicUsize,
    shipped: Mutex<HashMap<String, usize>>,
}

impl Slow {
    async fn has_shipped(&self, count: usize) {
        let shipped = async {
            while self.shipped.lock().unwrap().len() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, shipped).await.expect("the workers go on");
    }
}

impl Provider for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Answer<'a, Outcome> {
        Box::pin(async move {
            let send = self.sends.fetch_add(1, Ordering::SeqCst) as u64;
            tokio::time::sleep(Duration::from_millis(5 + send * 7 % 30)).await;
            *self.shipped.lock().unwrap().entry(delivery.idempotency_key.clone()).or_default() += 1;
            Outcome::Fulfilled(Receipt::default())
        })
    }

    fn look_up<'a>(&'a self, _: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async { panic!("nothing is in doubt") })
    }
}

async fn paid(count: usize) -> Shop {
    let shop = Shop::open().await;
    let mut successes = Vec::new();
    for _ in 0..count {
        successes.push(intent_succeeded(&shop.placed(json!({})).await.intent));
    }
    shop.deliver_at_once(&successes).await;
    shop
}

/// State, attempts and outcomes of all fulfilments, each with how many there are.
async fn ends(shop: &Shop) -> Vec<(String, i32, Vec<String>, i64)> {
    sqlx::query_as(
        "select state, attempts, outcomes, count(*) from (
           select f.state, f.attempts, array(
             select coalesce(a.detail, a.outcome, 'open') from fulfilment_attempts as a
             where a.fulfilment_id = f.id order by a.attempt) as outcomes
           from fulfilments as f) as one
         group by 1, 2, 3 order by 1, 2, 3",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap()
}

/// Has a worker claim ahead, stops it, and sees that what it had not begun is as if it had not been claimed.
async fn stop_while_claimed_ahead(shop: Shop, orders: i64) {
    let provider = Arc::new(Blocked {
        pool: shop.pool.clone(),
        shipped: Mutex::default(),
        is_blocked: Notify::new(),
        go_on: Notify::new(),
    });
    let settings = FulfilmentSettings { concurrency: 1, ..FulfilmentSettings::default() };
    let running = Running::start(shop.fulfilment_worker(provider.clone(), settings));
    tokio::time::timeout(LONG, provider.is_blocked.notified()).await.expect("it claims ahead");

    running.stop.cancel();
    let held = "select count(*) from fulfilments where state = 'in_progress'";
    let given_back = async {
        while shop.value::<i64>(held).await > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, given_back).await.expect("it goes back before the call has ended");
    provider.go_on.notify_one();
    running.ended().await;

    let shipped = provider.shipped.lock().unwrap().len();
    let left = orders - i64::try_from(shipped).unwrap();
    assert!(left >= AHEAD, "{left} were left");
    assert_eq!(
        ends(&shop).await,
        [
            ("fulfilled".to_owned(), 1, vec!["fulfilled".to_owned()], orders - left),
            ("queued".to_owned(), 0, vec![], left),
        ]
    );
    let as_before = "select count(*) from fulfilments where state = 'queued' and tries = 0 and tries_since is null \
                     and lease_holder is null and lease_until is null and last_outcome is null";
    assert_eq!(shop.value::<i64>(as_before).await, left);
    let said = "select count(*) from fulfilments where reason = 'given back by a worker that stopped'";
    assert!(shop.value::<i64>(said).await >= AHEAD);

    let slow = Arc::new(Slow::default());
    drain(&shop.fulfilment_worker(slow.clone(), FulfilmentSettings::default())).await;
    assert_eq!(slow.shipped.lock().unwrap().len(), usize::try_from(left).unwrap(), "it is due at once");
    let all = vec![("fulfilled".to_owned(), 1, vec!["fulfilled".to_owned()], orders)];
    assert_eq!(ends(&shop).await, all);
}

#[tokio::test]
async fn what_was_claimed_ahead_and_not_begun_is_given_back_as_if_it_had_not_been_claimed() {
    stop_while_claimed_ahead(paid(80).await, 80).await;
}

#[tokio::test]
async fn what_could_not_be_given_back_at_first_is_given_back_when_the_database_lets_it() {
    let shop = paid(80).await;
    for sql in [
        "create sequence tries",
        "create function fail_once() returns trigger language plpgsql as $$ begin
           if nextval('tries') = 1 then
             raise exception 'not now' using errcode = 'serialization_failure';
           end if;
           return old;
         end $$",
        "create trigger fail_once before delete on fulfilment_attempts for each row execute function fail_once()",
    ] {
        sqlx::query(sql).execute(&shop.pool).await.unwrap();
    }

    stop_while_claimed_ahead(shop, 80).await;
}

#[tokio::test]
async fn workers_that_are_replaced_one_by_one_while_they_work_lose_nothing_and_send_nothing_twice() {
    let shop = paid(200).await;
    let provider = Arc::new(Slow::default());
    let settings = FulfilmentSettings { concurrency: 3, ..FulfilmentSettings::default() };
    let start = || Running::start(shop.fulfilment_worker(provider.clone(), settings.clone()));
    let mut fleet = vec![start(), start(), start()];

    for shipped in [10, 35, 60, 85, 110, 135] {
        provider.has_shipped(shipped).await;
        fleet.remove(0).stop().await;
        fleet.push(start());
    }
    provider.has_shipped(200).await;
    for worker in fleet {
        worker.stop().await;
    }

    let all = vec![("fulfilled".to_owned(), 1, vec!["fulfilled".to_owned()], 200)];
    assert_eq!(ends(&shop).await, all);
    assert!(provider.shipped.lock().unwrap().values().all(|times| *times == 1));
    shop.advance(60);
    drain(&shop.worker(provider.clone())).await;
    assert_eq!(ends(&shop).await, all, "nobody had left anything");
}
