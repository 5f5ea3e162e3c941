//! What people do to fulfilments by hand, and that it is kept with who and why.

use std::sync::Arc;
use std::time::Duration;

use packline::fulfilment::{
    self, Act, Acted, Answer, Decision, Delivery, LookUp, Outcome, Provider, Recall, Receipt, Tracking,
};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use super::warehouse::{Does, Warehouse, not_done, unknown};
use super::{Sale, Shop, drain};

const RETRY: Act = Act::Retry;
const CANCEL: Act = Act::Cancel { even_if_sent: false };
const MARK_DONE: Act = Act::MarkDone { tracking: None };

fn decision() -> Decision {
    Decision { by: "mia".into(), why: "called them".into() }
}

async fn id(shop: &Shop, sale: &Sale) -> Uuid {
    sqlx::query_scalar("select id from fulfilments where order_id = $1")
        .bind(sale.order)
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}

async fn act_on(shop: &Shop, ids: &[Uuid], act: &Act) -> Acted {
    let mut conn = shop.pool.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    let acted = fulfilment::act(&mut tx, ids, act, None, &decision(), shop.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    acted
}

/// Does it; it is not refused.
async fn does(shop: &Shop, sale: &Sale, act: Act) -> &'static str {
    let acted = act_on(shop, &[id(shop, sale).await], &act).await;
    assert!(acted.refused.is_empty(), "{acted:?}");
    acted.done[0].1
}

/// Why it is refused.
async fn refused(shop: &Shop, sale: &Sale, act: Act) -> String {
    let mut acted = act_on(shop, &[id(shop, sale).await], &act).await;
    assert!(acted.done.is_empty(), "{acted:?}");
    acted.refused.remove(0).1
}

async fn put(shop: &Shop, sale: &Sale, set: &str) {
    let statement = format!("update fulfilments set {set} where order_id = '{}'", sale.order);
    sqlx::query(AssertSqlSafe(statement)).execute(&shop.pool).await.unwrap();
}

/// A dead letter.
const FAILED: &str = "state = 'failed', reason = 'gave up', next_attempt_at = null, finished_at = now()";

/// What people did: who, action, why.
async fn audit(shop: &Shop) -> Vec<String> {
    sqlx::query_scalar("select who || ' ' || action || ': ' || because from audit_log order by id")
        .fetch_all(&shop.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_dead_letter_is_retried_as_if_it_were_new_and_keeps_who_and_why() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does((0..9).map(|_| Does::Say(not_done("closed"))));
    let settings = fulfilment::FulfilmentSettings { max_attempts: 2, ..Default::default() };
    let worker = shop.fulfilment_worker(warehouse.clone(), settings);
    let sale = shop.paid().await;
    for _ in 0..2 {
        drain(&worker).await;
        shop.advance(60);
    }
    assert_eq!(shop.row(&sale).await.at(), ("failed", "failed", 2));

    let told = does(&shop, &sale, RETRY).await;

    assert_eq!(told, "it is sent now");
    assert_eq!(shop.row(&sale).await.at(), ("queued", "queued", 2));
    drain(&worker).await;
    assert_eq!(shop.row(&sale).await.at(), ("queued", "queued", 3), "tries are counted anew");
    assert_eq!(audit(&shop).await, ["mia fulfilments.retry: called them"]);
    let reason: String = shop
        .value("select reason from order_transitions where cause_kind = 'operator' and cause_id = 'mia'")
        .await;
    assert_eq!(reason, "part 1, retry: called them");
    let keys: i64 = shop.value("select count(distinct idempotency_key) from fulfilment_attempts").await;
    assert_eq!(keys, 1);
}

#[tokio::test]
async fn a_dead_letter_in_doubt_is_asked_about_and_not_sent_twice() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipBut(unknown("timed out"))]);
    let settings = fulfilment::FulfilmentSettings { max_attempts: 1, ..Default::default() };
    let sale = shop.paid().await;
    drain(&shop.fulfilment_worker(warehouse.clone(), settings)).await;
    assert_eq!(shop.state(&sale).await, "failed");

    let told = does(&shop, &sale, RETRY).await;
    drain(&shop.worker(warehouse.clone())).await;

    assert!(told.contains("is asked for it"), "{told}");
    assert_eq!(shop.state(&sale).await, "fulfilled");
    assert_eq!(warehouse.counts(), (1, 1, 1));
}

#[tokio::test]
async fn a_refused_one_is_sent_again_under_a_new_key() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::Say(Outcome::Rejected { why: "bad address".into() })]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;
    let first: String = shop.value("select idempotency_key from fulfilments").await;

    does(&shop, &sale, RETRY).await;
    drain(&worker).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 2));
    assert_eq!(warehouse.shipped(), [format!("{first}_2")]);
}

#[tokio::test]
async fn what_was_not_sent_is_cancelled_and_taken_up_again() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;

    does(&shop, &sale, CANCEL).await;
    drain(&worker).await;

    assert_eq!(shop.row(&sale).await.at(), ("cancelled", "cancelled", 0));
    assert_eq!(warehouse.sends(), 0);
    assert!(refused(&shop, &sale, CANCEL).await.contains("`retry` takes it up again"));
    does(&shop, &sale, RETRY).await;
    drain(&worker).await;
    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
    assert!(refused(&shop, &sale, RETRY).await.contains("was sent"));
    let moves = shop.moves(&sale).await;
    assert_eq!(moves[1..3], ["queued>cancelled operator", "cancelled>queued operator"]);
}

#[tokio::test]
async fn one_in_doubt_is_asked_about_before_it_is_cancelled() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::Say(unknown("timed out"))]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    drain(&worker).await;

    let told = does(&shop, &sale, CANCEL).await;
    assert_eq!(shop.state(&sale).await, "queued");
    drain(&worker).await;
    shop.advance(60);
    drain(&worker).await;

    assert!(told.contains("is asked first"), "{told}");
    assert_eq!(shop.state(&sale).await, "cancelled");
    assert_eq!((warehouse.sends(), warehouse.asked()), (1, 1));
}

/// Takes everything, and gives it back if asked.
struct Obliging;

impl Provider for Obliging {
    fn name(&self) -> &'static str {
        "obliging"
    }

    fn send<'a>(&'a self, _: &'a Delivery) -> Answer<'a, Outcome> {
        Box::pin(async { Outcome::Accepted(Receipt::named("O-1")) })
    }

    fn look_up<'a>(&'a self, _: &'a str) -> Answer<'a, LookUp> {
        Box::pin(async { LookUp::Absent })
    }

    fn recall<'a>(&'a self, _: &'a str) -> Answer<'a, Recall> {
        Box::pin(async { Recall::Recalled })
    }
}

#[tokio::test]
async fn what_the_provider_has_is_recalled_and_then_cancelled() {
    let shop = Shop::open().await;
    let worker = shop.worker(Arc::new(Obliging));
    let sale = shop.paid().await;
    drain(&worker).await;
    assert_eq!(shop.state(&sale).await, "accepted");
    assert!(refused(&shop, &sale, RETRY).await.contains("`cancel` recalls it"));

    does(&shop, &sale, CANCEL).await;
    assert_eq!(shop.state(&sale).await, "recalling");
    drain(&worker).await;

    let row = shop.row(&sale).await;
    assert_eq!((row.state.as_str(), row.axis.as_str()), ("cancelled", "cancelled"));
    assert_eq!(row.reason.as_deref(), Some("called them"));
    does(&shop, &sale, RETRY).await;
    drain(&worker).await;
    assert_eq!(shop.state(&sale).await, "accepted");
}

#[tokio::test]
async fn what_cannot_be_stopped_is_accepted_by_a_person() {
    let shop = Shop::open().await;
    let worker = shop.worker(Warehouse::does([]));
    let sale = shop.paid().await;
    drain(&worker).await;
    assert!(refused(&shop, &sale, MARK_DONE).await.contains("was sent already"));

    does(&shop, &sale, CANCEL).await;
    drain(&worker).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 2));
    let stuck: String = shop.value("select stuck from ops_v1.stuck_orders").await;
    assert_eq!(stuck, "not_stopped");
    assert!(refused(&shop, &sale, CANCEL).await.contains("does not stop it"));
    does(&shop, &sale, MARK_DONE).await;
    let stuck: i64 = shop.value("select count(*) from ops_v1.stuck_orders").await;
    assert_eq!(stuck, 0);
}

#[tokio::test]
async fn a_dead_letter_that_may_have_been_sent_is_only_closed_if_a_person_insists() {
    let shop = Shop::open().await;
    let sale = shop.paid().await;
    put(&shop, &sale, &format!("{FAILED}, last_outcome = 'unknown', attempts = 3")).await;

    let why = refused(&shop, &sale, CANCEL).await;
    assert!(why.contains("may have it") && why.contains("--even-if-sent"), "{why}");
    does(&shop, &sale, Act::Cancel { even_if_sent: true }).await;

    assert_eq!(shop.state(&sale).await, "cancelled");
    assert!(does(&shop, &sale, RETRY).await.contains("is asked"), "the doubt stays");
}

#[tokio::test]
async fn what_was_sent_otherwise_is_marked_with_its_tracking_and_not_sent_again() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let sale = shop.paid().await;
    put(&shop, &sale, FAILED).await;
    let tracking = Tracking { carrier: Some("DHL".into()), number: Some("123".into()), url: None };

    does(&shop, &sale, Act::MarkDone { tracking: Some(tracking) }).await;
    drain(&shop.worker(warehouse.clone())).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 0));
    assert_eq!(warehouse.sends(), 0);
    let (carrier, number, has_left): (String, String, bool) =
        sqlx::query_as("select carrier, tracking_number, shipped_at is not null from shipments")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert_eq!((carrier.as_str(), number.as_str(), has_left), ("DHL", "123", true));
    let shipped: bool =
        shop.value("select bool_and(quantity_shipped = quantity) from fulfilment_lines").await;
    assert!(shipped);
    assert!(refused(&shop, &sale, CANCEL).await.contains("on its way"));
}

#[tokio::test]
async fn a_snoozed_one_is_not_tried_before_and_burns_no_attempt() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([]);
    let worker = shop.worker(warehouse.clone());
    let sale = shop.paid().await;
    let until = shop.clock.now() + Duration::from_secs(7200);

    does(&shop, &sale, Act::Snooze { until }).await;
    drain(&worker).await;
    shop.advance(7100);
    // What wakes its order does not wake it.
    shop.disputed(&sale, "created", "needs_response").await;
    shop.disputed(&sale, "closed", "won").await;
    drain(&worker).await;
    assert_eq!(shop.row(&sale).await.at(), ("queued", "queued", 0));
    shop.advance(100);
    drain(&worker).await;

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
    assert!(refused(&shop, &sale, Act::Snooze { until }).await.contains("is over already"));
    let later = shop.clock.now() + Duration::from_secs(9);
    assert!(refused(&shop, &sale, Act::Snooze { until: later }).await.contains("it is fulfilled"));
}

#[tokio::test]
async fn what_a_worker_is_at_is_refused_whatever_is_wanted() {
    let shop = Shop::open().await;
    let warehouse = Warehouse::does([Does::ShipAndHang]);
    let sale = shop.paid().await;
    let worker = shop.worker(warehouse.clone());
    let round = tokio::spawn(async move { worker.run_once().await });
    warehouse.has_shipped.notified().await;

    let until = shop.clock.now() + Duration::from_secs(60);
    for act in [RETRY, CANCEL, MARK_DONE, Act::Snooze { until }, Act::Prioritise { priority: 0 }] {
        let why = refused(&shop, &sale, act.clone()).await;
        assert!(why.contains("a worker is at it"), "{act:?}: {why}");
    }
    warehouse.go_on.notify_one();
    round.await.unwrap().unwrap();

    assert_eq!(shop.row(&sale).await.at(), ("fulfilled", "fulfilled", 1));
    assert!(audit(&shop).await.is_empty(), "what was refused was not done");
}

#[tokio::test]
async fn each_state_takes_what_makes_sense_of_it() {
    let shop = Shop::open().await;
    let sale = shop.paid().await;
    let until = shop.clock.now() + Duration::from_secs(60);
    let acts = [RETRY, CANCEL, MARK_DONE, Act::Snooze { until }, Act::Prioritise { priority: 0 }];
    let queued = "next_attempt_at = now(), finished_at = null, reason = 'r', recalls_from = null";
    let ended = "next_attempt_at = null, finished_at = now(), reason = 'r', recalls_from = null";
    let accepted = "next_attempt_at = null, finished_at = null, recalls_from = null, accepted_at = now()";
    let recalling = "next_attempt_at = now(), finished_at = null, reason = 'r', recalls_from = 'accepted'";

    for (state, rest, expected) in [
        ("queued", queued, ["queued", "cancelled", "fulfilled", "queued", "queued"]),
        ("accepted", accepted, ["-", "recalling", "fulfilled", "-", "-"]),
        ("recalling", recalling, ["recalling", "recalling", "fulfilled", "-", "recalling"]),
        ("fulfilled", ended, ["-", "recalling", "-", "-", "-"]),
        ("rejected", ended, ["queued", "cancelled", "fulfilled", "-", "rejected"]),
        ("failed", ended, ["queued", "cancelled", "fulfilled", "-", "failed"]),
        ("cancelled", ended, ["queued", "-", "fulfilled", "-", "-"]),
    ] {
        for (act, expected) in acts.iter().zip(expected) {
            let set = format!(
                "state = '{state}', called_off = null, snoozed_until = null, recall_outcome = null, attempts = 1, {rest}"
            );
            put(&shop, &sale, &set).await;
            let acted = act_on(&shop, &[id(&shop, &sale).await], act).await;
            let now = shop.state(&sale).await;
            let got = if acted.refused.is_empty() { now.as_str() } else { "-" };
            assert_eq!(got, expected, "{act:?} of {state}: {acted:?}");
            assert!(acted.refused.is_empty() || now == state, "{act:?} of {state} was refused and done");
        }
    }
}

#[tokio::test]
async fn two_people_and_a_worker_at_once_leave_one_parcel_and_a_true_state() {
    let shop = Shop::open().await;
    for _ in 0..10 {
        let warehouse = Warehouse::does([]);
        let sale = shop.paid().await;
        put(&shop, &sale, FAILED).await;
        let ids = [id(&shop, &sale).await];
        let worker = shop.worker(warehouse.clone());

        let (one, other, worked) =
            tokio::join!(act_on(&shop, &ids, &RETRY), act_on(&shop, &ids, &CANCEL), worker.run_once());
        worked.unwrap();
        drain(&shop.worker(warehouse.clone())).await;

        let state = shop.state(&sale).await;
        let parcels = warehouse.shipped().len();
        let done = (one.done.len(), other.done.len());
        match state.as_str() {
            "fulfilled" => assert_eq!(parcels, 1, "{done:?}"),
            "cancelled" => assert_eq!(parcels, 0, "{done:?}"),
            state => panic!("{state} after {done:?}"),
        }
    }
}

#[tokio::test]
async fn a_refunded_order_is_not_sent_by_hand_and_an_unpaid_one_not_queued() {
    let shop = Shop::open().await;
    let sale = shop.paid().await;
    put(&shop, &sale, FAILED).await;
    shop.refunded(&sale, 2000).await;

    let why = refused(&shop, &sale, RETRY).await;

    assert!(why.contains("its money went back"), "{why}");
    let mut conn = shop.pool.acquire().await.unwrap();
    let now = shop.clock.now();
    let refused = fulfilment::queue_by_hand(&mut conn, sale.order, &decision(), now).await.unwrap_err();
    assert!(refused.to_string().contains("not paid"), "{refused}");
}
