//! Calls that were written, against the local Stripe: each is made once, whatever becomes of answers and workers.

use std::time::Duration;

use futures_util::future::BoxFuture;
use packline::clock::Clock;
use packline::config::{Secret, StripeConfig};
use packline::db;
use packline::fake_stripe::{FakeStripe, Options};
use packline::outbox::{NewCall, Outbox, Outcome, Receivers, StoredCall, Told, Written, write};
use packline::stripe::Client;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::TestDatabase;

/// A day, and the time after which no try can be under way.
const TOO_OLD: Duration = Duration::from_secs(24 * 60 * 60);

const RECEIVERS: Receivers = &[("customer.", record)];

/// A feature with one table: what it was told of.
fn record<'c>(
    conn: &'c mut PgConnection,
    call: &'c StoredCall,
    outcome: &'c Outcome,
    _: OffsetDateTime,
) -> BoxFuture<'c, sqlx::Result<()>> {
    let (what, object) = match outcome {
        Outcome::Done(object) => ("done", Some(object["id"].clone())),
        Outcome::Refused(_) => ("refused", None),
        Outcome::NotDone { .. } => ("not_done", None),
        Outcome::Seen(object) => ("seen", Some(object["id"].clone())),
    };
    let object = object.map(|id| id.as_str().unwrap().to_owned());
    Box::pin(async move {
        sqlx::query("insert into told values ($1, $2, $3)")
            .bind(call.subject)
            .bind(what)
            .bind(object)
            .execute(conn)
            .await
            .map(|_| ())
    })
}

struct Office {
    pool: PgPool,
    clock: Clock,
    stripe: FakeStripe,
    outbox: Outbox,
    http: reqwest::Client,
    database: TestDatabase,
}

impl Office {
    async fn open() -> Self {
        let database = TestDatabase::create().await;
        let pool = db::connect(&database.url, "packline-test", 4).unwrap();
        sqlx::query("create table told (subject uuid, what text, object text)").execute(&pool).await.unwrap();
        let clock = Clock::manual();
        let stripe = FakeStripe::start(Options::new(clock.clone())).unwrap();
        let mut config =
            StripeConfig::new(Secret::new("sk_test_outbox"), stripe.base().parse().unwrap()).unwrap();
        config.timeout = Duration::from_millis(1_500);
        config.retry_base = Duration::from_millis(1);
        config.calls_per_second = 1_000;
        let client = Client::new(&config).unwrap();
        let outbox = Outbox::new(pool.clone(), clock.clone(), Some(client), RECEIVERS);
        let http = packline::http_client::builder().build().unwrap();
        Self { pool, clock, stripe, outbox, http, database }
    }

    async fn write(&self, subject: Uuid, path: &str, params: Value) -> Written {
        let mut conn = self.pool.acquire().await.unwrap();
        let call =
            NewCall { operation: "customer.create", subject, path: path.to_owned(), params, account: None };
        write(&mut conn, call, self.clock.now()).await.unwrap()
    }

    /// Writes the making of a customer.
    async fn written(&self, subject: Uuid) -> Uuid {
        match self.write(subject, "/v1/customers", json!({ "name": "Ada", "metadata": { "a": "b" } })).await {
            Written::New(id) => id,
            busy @ Written::Busy { .. } => panic!("{busy:?}"),
        }
    }

    /// The worker, until nothing is due.
    async fn work(&self) {
        while self.outbox.run_once().await.unwrap() > 0 {}
    }

    async fn fault(&self, method: &str, kind: &str, times: u32) {
        let fault = json!({ "path": "/v1/customers", "method": method, "kind": kind, "times": times });
        let url = format!("{}/_fake/faults", self.stripe.base());
        self.http.post(url).json(&fault).send().await.unwrap().error_for_status().unwrap();
    }

    async fn customers(&self) -> Vec<Value> {
        let list =
            self.http.get(format!("{}/v1/customers", self.stripe.base())).bearer_auth("sk_test_outbox");
        let list: Value = list.send().await.unwrap().json().await.unwrap();
        list["data"].as_array().unwrap().clone()
    }

    async fn told(&self) -> Vec<(Uuid, String, Option<String>)> {
        sqlx::query_as("select * from told").fetch_all(&self.pool).await.unwrap()
    }

    async fn state(&self, id: Uuid) -> (String, Option<String>) {
        let query = sqlx::query_as("select state, reason from outbox_calls where id = $1");
        query.bind(id).fetch_one(&self.pool).await.unwrap()
    }

    async fn close(self) {
        self.pool.close().await;
        drop(self.database);
    }
}

#[tokio::test]
async fn a_written_call_is_made_once_and_its_answer_recorded() {
    let office = Office::open().await;
    let subject = Uuid::now_v7();
    let id = office.written(subject).await;

    assert!(matches!(office.outbox.run(id).await.unwrap(), Told::Done));
    assert!(matches!(office.outbox.run(id).await.unwrap(), Told::Done), "and again");
    office.clock.advance(TOO_OLD);
    office.work().await;

    let customers = office.customers().await;
    assert_eq!(customers.len(), 1);
    assert_eq!(customers[0]["metadata"], json!({ "a": "b", "packline_id": subject.to_string() }));
    let customer = customers[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(office.told().await, [(subject, "done".to_owned(), Some(customer))]);
    office.close().await;
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_asked_again_under_its_key() {
    for (kind, times) in [
        ("lost", 3),
        ("500_done", 3),
        ("garbage", 3),
        ("429", 9),
        ("500", 9),
        ("409", 9),
        ("dropped", 9),
        ("hang", 3),
    ] {
        let office = Office::open().await;
        let subject = Uuid::now_v7();
        let id = office.written(subject).await;
        office.fault("POST", kind, times).await;

        assert!(matches!(office.outbox.run(id).await.unwrap(), Told::Open(_)), "{kind}");
        let (state, reason) = office.state(id).await;
        assert_eq!(state, "open", "{kind}");
        assert!(reason.is_some(), "{kind}");
        assert!(office.told().await.is_empty(), "{kind}: what is not known is not told");
        office.stripe.clear_faults();
        office.clock.advance(Duration::from_secs(60));
        office.work().await;

        assert_eq!(office.state(id).await, ("done".to_owned(), None), "{kind}");
        assert_eq!(office.customers().await.len(), 1, "{kind}");
        assert_eq!(office.told().await.len(), 1, "{kind}");
        office.close().await;
    }
}

#[tokio::test]
async fn a_call_that_nobody_made_because_the_process_ended_is_made_by_the_worker() {
    let office = Office::open().await;
    let id = office.written(Uuid::now_v7()).await;

    office.work().await;
    assert!(office.customers().await.is_empty(), "whoever wrote it may be about to make it");
    office.clock.advance(Duration::from_secs(181));
    office.work().await;

    assert_eq!(office.customers().await.len(), 1);
    assert_eq!(office.state(id).await.0, "done");
    office.close().await;
}

#[tokio::test]
async fn a_refusal_is_recorded_and_told_in_stripes_words() {
    let office = Office::open().await;
    let subject = Uuid::now_v7();
    let Written::New(id) = office.write(subject, "/v1/customers/cus_none", json!({ "name": "Ada" })).await
    else {
        panic!("it is the first")
    };

    for _ in 0..2 {
        let Told::Refused(error) = office.outbox.run(id).await.unwrap() else { panic!("it is refused") };
        let text = error.to_string();
        assert!(text.contains("stripe_refused") && text.contains("No such customer"), "{text}");
    }

    assert_eq!(office.told().await, [(subject, "refused".to_owned(), None)]);
    // Another try is another call, with a key of its own.
    let again = office.written(subject).await;
    assert!(matches!(office.outbox.run(again).await.unwrap(), Told::Done));
    office.close().await;
}

#[tokio::test]
async fn a_thing_is_moved_by_one_call_at_a_time() {
    let office = Office::open().await;
    let subject = Uuid::now_v7();
    let first = office.written(subject).await;

    let second = office.write(subject, "/v1/customers", json!({})).await;

    assert_eq!(second, Written::Busy { operation: "customer.create".to_owned(), id: first });
    let other = office.write(Uuid::now_v7(), "/v1/customers", json!({})).await;
    assert!(matches!(other, Written::New(_)), "another thing is free");
    office.close().await;
}

#[tokio::test]
async fn what_a_call_made_is_found_where_its_key_is_too_old_to_ask_again() {
    let office = Office::open().await;
    let subject = Uuid::now_v7();
    let (id, other) = (office.written(subject).await, office.written(Uuid::now_v7()).await);
    assert!(matches!(office.outbox.run(other).await.unwrap(), Told::Done));
    office.fault("POST", "lost", 3).await;
    assert!(matches!(office.outbox.run(id).await.unwrap(), Told::Open(_)));
    office.stripe.clear_faults();

    office.clock.advance(TOO_OLD);
    office.fault("GET", "500", 9).await;
    office.work().await;
    assert_eq!(office.state(id).await.0, "open", "a look that failed tells nothing");
    office.stripe.clear_faults();
    office.clock.advance(Duration::from_secs(3600));
    office.work().await;

    assert_eq!(office.state(id).await.0, "seen");
    let customers = office.customers().await;
    assert_eq!(customers.len(), 2, "nothing was asked blindly");
    let told = office.told().await;
    let made = customers.iter().find(|made| made["metadata"]["packline_id"] == subject.to_string()).unwrap();
    assert_eq!(told[1], (subject, "seen".to_owned(), Some(made["id"].as_str().unwrap().to_owned())));
    office.close().await;
}

#[tokio::test]
async fn what_was_never_made_is_not_made_once_its_key_is_too_old() {
    let office = Office::open().await;
    let subject = Uuid::now_v7();
    let id = office.written(subject).await;

    office.clock.advance(TOO_OLD);
    office.work().await;

    assert_eq!(office.state(id).await.0, "not_done");
    assert!(office.customers().await.is_empty());
    assert_eq!(office.told().await, [(subject, "not_done".to_owned(), None)]);
    assert!(matches!(office.outbox.run(id).await.unwrap(), Told::Refused(_)));
    office.close().await;
}

#[tokio::test]
async fn what_a_call_was_to_move_is_looked_at_where_its_key_is_too_old() {
    let office = Office::open().await;
    let (made, moved) = (Uuid::now_v7(), Uuid::now_v7());
    let id = office.written(made).await;
    assert!(matches!(office.outbox.run(id).await.unwrap(), Told::Done));
    let customer = office.customers().await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/customers/{customer}");
    let Written::New(id) = office.write(moved, &path, json!({ "name": "Eve" })).await else { panic!() };

    office.clock.advance(TOO_OLD);
    office.work().await;

    assert_eq!(office.state(id).await, ("seen".to_owned(), None));
    assert_eq!(office.customers().await[0]["name"], "Ada", "nothing was asked blindly");
    assert_eq!(office.told().await[1], (moved, "seen".to_owned(), Some(customer)));
    office.close().await;
}

#[tokio::test]
async fn a_path_leads_nowhere_else() {
    let office = Office::open().await;
    let subject = Uuid::now_v7();
    let Written::New(id) = office.write(subject, "/v1/customers/../refunds", json!({})).await else {
        panic!()
    };

    let Told::Open(error) = office.outbox.run(id).await.unwrap() else { panic!("nothing is sent") };

    assert!(error.to_string().contains("no id of Stripe's"), "{error}");
    office.close().await;
}
