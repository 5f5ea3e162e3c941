//! What is learnt after an order was made: it is taught as long as nothing of it was handed over, and only then.

use packline::orders::Patience;
use serde_json::{Value, json};

use super::{Asking, finalised};
use crate::support::stripe::{
    self, Shape, event, invoice_paid, invoice_payment_paid, session, succeeded, with,
};
use crate::support::{PATIENCE, TestApp};

/// The success of `pi_1`, of nobody that is known: nothing says that it pays an invoice.
fn bare() -> Value {
    event("payment_intent.succeeded", with(succeeded("pi_1"), json!({ "customer": null })))
}

/// `invoice.paid` whose line is of this price; it does not tell what paid it.
fn paid(invoice: &str, price: &str) -> Value {
    let mut paid = invoice_paid(Shape::New, invoice, "pi_1");
    paid["data"]["object"]["lines"] = finalised(invoice, price)["data"]["object"]["lines"].clone();
    paid
}

fn skus(order: &Value) -> Vec<&str> {
    order["lines"].as_array().unwrap().iter().map(|line| line["sku"].as_str().unwrap()).collect()
}

/// The skus that each part carries, by provider.
async fn parts(app: &TestApp) -> Vec<(String, String)> {
    sqlx::query_as(
        "select f.provider, coalesce(string_agg(l.sku, ',' order by l.position), '') from fulfilments f
         left join fulfilment_lines c on c.fulfilment_id = f.id
         left join order_lines l on l.order_id = c.order_id and l.position = c.position
         group by f.provider order by f.provider",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap()
}

/// What the history of the only order says of its lines.
async fn notes(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar(
        "select reason from order_transitions where axis = 'fulfilment' and from_value = to_value order by id",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap()
}

impl Asking {
    /// A rule: what is called so goes to a provider of its own.
    async fn send_books_by_mail(&self) {
        sqlx::raw_sql(
            "insert into fulfilment_providers (name, kind, created_at, updated_at) values ('mail', 'log', now(), now());
             insert into fulfilment_rules (position, sku, provider, priority, created_at)
             values (1, 'EBOOK-*', 'mail', 1, now())",
        )
        .execute(&self.app.pool)
        .await
        .unwrap();
    }

    /// An order of `pi_1` alone, queued for whoever takes what no rule speaks of.
    async fn adopt_bare(&self) {
        self.send_books_by_mail().await;
        self.deliver(&[bare()]).await;
        self.app.clock.advance(PATIENCE.grace);
        self.apply().await;
        assert_eq!(parts(&self.app).await, [("default".to_owned(), String::new())]);
    }

    /// A paid invoice of so many lines at Stripe's, and the event of it that tells the first ten.
    async fn long_invoice(&self, price: &str, lines: usize) -> (String, Value) {
        let customer = self.make("/v1/customers", &[("email", "ada@example.com")]).await;
        let customer = customer["id"].as_str().unwrap();
        for _ in 0..lines {
            let item = [("customer", customer), ("pricing[price]", price)];
            self.make("/v1/invoiceitems", &item).await;
        }
        let draft = [("customer", customer), ("pending_invoice_items_behavior", "include")];
        let invoice = self.make("/v1/invoices", &draft).await["id"].as_str().unwrap().to_owned();
        let out_of_band = [("paid_out_of_band", "true")];
        let paid = self.make(&format!("/v1/invoices/{invoice}/pay"), &out_of_band).await;
        assert_eq!(paid["lines"]["has_more"], json!(lines > 10), "{paid}");
        (invoice, event("invoice.paid", paid))
    }

    async fn hand_over(&self) {
        self.app.run_fulfilments().await;
    }
}

#[tokio::test]
async fn a_bare_payment_that_turns_out_to_pay_an_invoice_is_sent_as_the_invoice_says() {
    // The link and the invoice, in both orders.
    for is_link_first in [true, false] {
        let shop = Asking::start().await;
        let price = shop.price("EBOOK-7").await;
        shop.adopt_bare().await;
        let link = invoice_payment_paid("in_1", "pi_1");

        match is_link_first {
            true => shop.deliver(&[link, paid("in_1", &price)]).await,
            false => shop.deliver(&[paid("in_1", &price), link]).await,
        }
        shop.hand_over().await;
        assert_eq!(
            shop.app.value::<i64>("select count(*) from fulfilment_attempts").await,
            0,
            "it waits for what Stripe is asked"
        );

        shop.ask().await;
        let order = shop.app.order("pi_1").await;
        assert_eq!((&order["origin"], skus(&order)), (&json!("invoice"), vec!["EBOOK-7"]), "{is_link_first}");
        assert_eq!(shop.orders().await, 1);
        assert_eq!(parts(&shop.app).await, [("mail".to_owned(), "EBOOK-7".to_owned())]);
        assert!(notes(&shop.app).await.contains(&"its lines are known from in_1: 1".to_owned()));
    }
}

#[tokio::test]
async fn a_bare_payment_of_which_only_the_link_is_heard_gets_its_lines_from_stripe() {
    let shop = Asking::start().await;
    let price = shop.price("TEA-100G").await;
    shop.adopt_bare().await;
    let (invoice, _) = shop.long_invoice(&price, 1).await;

    shop.deliver(&[invoice_payment_paid(&invoice, "pi_1")]).await;
    shop.hand_over().await;
    assert_eq!(shop.app.value::<i64>("select count(*) from fulfilment_attempts").await, 0);
    shop.ask().await;

    let order = shop.app.order("pi_1").await;
    assert_eq!((skus(&order), &order["holds"]), (vec!["TEA-100G"], &json!([])));
    shop.hand_over().await;
    assert_eq!(shop.app.order("pi_1").await["status"], "fulfilled");
}

#[tokio::test]
async fn a_link_that_stripe_answers_late_teaches_a_bare_payment_its_lines() {
    // Another payment of the same invoice may have had its lines asked for before.
    for is_asked_before in [false, true] {
        let shop = Asking::start().await;
        let price = shop.price("TEA-100G").await;
        let customer = shop.make("/v1/customers", &[("email", "ada@example.com")]).await;
        let customer = customer["id"].as_str().unwrap();
        let card = shop.make("/v1/payment_methods/pm_card_visa/attach", &[("customer", customer)]).await;
        shop.make("/v1/invoiceitems", &[("customer", customer), ("pricing[price]", &price)]).await;
        let draft = [("customer", customer), ("pending_invoice_items_behavior", "include")];
        let invoice = shop.make("/v1/invoices", &draft).await["id"].as_str().unwrap().to_owned();
        let pay = [("payment_method", card["id"].as_str().unwrap()), ("expand[]", "payments")];
        let paid = shop.make(&format!("/v1/invoices/{invoice}/pay"), &pay).await;
        let intent = paid["payments"]["data"][0]["payment"]["payment_intent"].as_str().unwrap();
        let amount = json!({ "customer": customer, "amount": 1000, "amount_received": 1000 });
        shop.deliver(&[bare(), event("payment_intent.succeeded", with(succeeded(intent), amount))]).await;

        // Nobody asks within the grace.
        shop.app.clock.advance(PATIENCE.grace);
        shop.apply().await;
        assert_eq!(skus(&shop.app.order(intent).await), Vec::<&str>::new());
        if is_asked_before {
            let later = "update lookups set next_try_at = next_try_at + interval '1 hour'";
            sqlx::query(later).execute(&shop.app.pool).await.unwrap();
            shop.deliver(&[invoice_payment_paid(&invoice, "pi_1")]).await;
            shop.ask().await;
            assert_eq!(skus(&shop.app.order("pi_1").await), ["TEA-100G"]);
            shop.app.clock.advance(std::time::Duration::from_secs(3600));
        }
        shop.ask().await;

        assert_eq!(skus(&shop.app.order(intent).await), ["TEA-100G"], "{is_asked_before}");
        assert_eq!(shop.app.value::<i64>("select count(*) from lookups where state <> 'answered'").await, 0);
        shop.hand_over().await;
        assert_eq!(shop.app.order(intent).await["status"], "fulfilled");
    }
}

#[tokio::test]
async fn a_link_that_stripe_answers_late_makes_one_order_of_two() {
    let shop = Asking::start().await;
    let price = shop.price("TEA-100G").await;
    let customer = shop.make("/v1/customers", &[("email", "ada@example.com")]).await;
    let customer = customer["id"].as_str().unwrap();
    let card = shop.make("/v1/payment_methods/pm_card_visa/attach", &[("customer", customer)]).await;
    shop.make("/v1/invoiceitems", &[("customer", customer), ("pricing[price]", &price)]).await;
    let draft = [("customer", customer), ("pending_invoice_items_behavior", "include")];
    let invoice = shop.make("/v1/invoices", &draft).await["id"].as_str().unwrap().to_owned();
    let open = shop.make(&format!("/v1/invoices/{invoice}/finalize"), &[]).await;
    let pay = [("payment_method", card["id"].as_str().unwrap()), ("expand[]", "payments")];
    let paid = shop.make(&format!("/v1/invoices/{invoice}/pay"), &pay).await;
    let intent = paid["payments"]["data"][0]["payment"]["payment_intent"].as_str().unwrap();
    let amount = json!({ "customer": customer, "amount": 1000, "amount_received": 1000 });
    shop.deliver(&[event("payment_intent.succeeded", with(succeeded(intent), amount))]).await;
    shop.deliver(&[event("invoice.finalized", open)]).await;
    // Nobody asks within the grace, and no event tells what the payment is for.
    shop.app.clock.advance(PATIENCE.grace);
    shop.apply().await;
    assert_eq!(shop.orders().await, 2);

    shop.ask().await;

    let order = shop.app.order(intent).await;
    assert_eq!(
        (&order["id"], &order["holds"]),
        (&shop.app.order(&invoice).await["id"], &json!([])),
        "{order:#}"
    );
    assert_eq!((&order["origin"], &order["payment_status"]), (&json!("invoice"), &json!("paid")));
    let standing =
        "select count(*) from orders o join invoices i on i.order_id = o.id where merged_into is null";
    assert_eq!(shop.app.value::<i64>(standing).await, 1);
    shop.hand_over().await;
    assert_eq!(shop.app.order(&invoice).await["status"], "fulfilled");
    assert_eq!(shop.app.value::<i64>("select count(*) from fulfilment_attempts").await, 1);
    let told = "select count(*) from order_transitions where cause_kind = 'lookup' and reason like '%same purchase%'";
    assert!(shop.app.value::<i64>(told).await >= 2);
}

#[tokio::test]
async fn a_bare_payment_that_turns_out_to_be_a_sessions_gets_its_lines_in_both_orders() {
    for is_answered_in_time in [true, false] {
        let shop = Asking::start().await;
        let price = shop.price("EBOOK-7").await;
        let form = [
            ("mode", "payment"),
            ("success_url", "https://shop.test/thanks"),
            ("line_items[0][price]", price.as_str()),
            ("line_items[0][quantity]", "2"),
        ];
        let made = shop.make("/v1/checkout/sessions", &form).await;
        let completed = session("completed", made["id"].as_str().unwrap(), "pi_1", "paid");
        shop.adopt_bare().await;

        shop.deliver(&[completed]).await;
        if !is_answered_in_time {
            shop.app.clock.advance(PATIENCE.grace);
        }
        shop.ask().await;

        let order = shop.app.order("pi_1").await;
        assert_eq!((&order["origin"], skus(&order)), (&json!("checkout_session"), vec!["EBOOK-7"]));
        assert_eq!(parts(&shop.app).await, [("mail".to_owned(), "EBOOK-7".to_owned())]);
    }
}

#[tokio::test]
async fn what_was_handed_over_before_its_invoice_was_known_stays_and_its_history_tells() {
    let shop = Asking::start().await;
    let price = shop.price("TEA-100G").await;
    shop.adopt_bare().await;
    shop.hand_over().await;
    assert_eq!(shop.app.order("pi_1").await["status"], "fulfilled");

    shop.deliver(&[invoice_payment_paid("in_1", "pi_1"), paid("in_1", &price)]).await;
    shop.ask().await;
    shop.hand_over().await;

    let order = shop.app.order("pi_1").await;
    assert_eq!((&order["status"], skus(&order)), (&json!("fulfilled"), vec![price.as_str()]));
    assert_eq!(
        notes(&shop.app).await,
        [
            "its lines are known from in_1, after it was handed over without them".to_owned(),
            format!("{price} is called TEA-100G; it was handed over before that was known"),
        ]
    );
    assert_eq!(shop.app.value::<i64>("select count(*) from fulfilment_attempts").await, 1);
}

#[tokio::test]
async fn lines_that_come_late_are_added_and_end_the_hold() {
    let shop = Asking::start().await;
    let price = shop.price("TEA-100G").await;
    let (invoice, paid) = shop.long_invoice(&price, 105).await;
    shop.deliver(&[paid]).await;
    shop.app.clock.advance(PATIENCE.grace);
    shop.apply().await;
    let order = shop.app.order(&invoice).await;
    assert_eq!((&order["holds"], skus(&order).len()), (&json!(["incomplete_lines"]), 10));
    shop.hand_over().await;

    shop.ask().await;

    let order = shop.app.order(&invoice).await;
    assert_eq!((&order["status"], &order["holds"]), (&json!("paid"), &json!([])));
    assert_eq!(skus(&order), vec!["TEA-100G"; 105]);
    let ended = "select released_by || ': ' || release_reason from holds where kind = 'incomplete_lines'";
    assert_eq!(shop.app.value::<String>(ended).await, "lookup: Stripe tells all its lines: 105");
    let told =
        "select cause_id || ': ' || reason from order_transitions where axis = 'hold' and to_value is null";
    assert_eq!(
        shop.app.value::<String>(told).await,
        format!("invoice_lines {invoice}: Stripe tells all its lines: 105")
    );
    shop.hand_over().await;
    assert_eq!(shop.app.order(&invoice).await["status"], "fulfilled");
    let sent = "select sum(quantity_shipped)::bigint from fulfilment_lines";
    assert_eq!(shop.app.value::<i64>(sent).await, 105);
}

#[tokio::test]
async fn lines_that_come_after_a_person_let_the_order_go_are_noted_only() {
    for is_sent in [true, false] {
        let shop = Asking::start().await;
        let price = shop.price("TEA-100G").await;
        let (invoice, paid) = shop.long_invoice(&price, 12).await;
        shop.deliver(&[paid]).await;
        shop.app.clock.advance(PATIENCE.grace);
        shop.apply().await;
        let mut tx = shop.app.pool.begin().await.unwrap();
        let order = shop.app.order(&invoice).await["id"].as_str().unwrap().parse().unwrap();
        let kind = packline::orders::HoldKind::IncompleteLines;
        let now = shop.app.clock.now();
        let released = packline::orders::release_holds(&mut tx, order, kind, "mia", "it is known", now).await;
        packline::fulfilment::follow(&mut tx, &released.unwrap().unwrap(), now).await.unwrap();
        tx.commit().await.unwrap();
        if is_sent {
            shop.hand_over().await;
        }

        shop.ask().await;

        assert_eq!(skus(&shop.app.order(&invoice).await).len(), 10);
        let why = if is_sent { "it was handed over with them" } else { "a person let it go with them" };
        let note = format!("{invoice} tells other lines than are known; they stay: {why}");
        assert!(notes(&shop.app).await.contains(&note), "{:?}", notes(&shop.app).await);
    }
}

#[tokio::test]
async fn a_name_that_comes_late_is_used_unless_the_order_was_handed_over() {
    for is_sent in [true, false] {
        let shop = Asking::start().await;
        let price = shop.price("EBOOK-7").await;
        shop.send_books_by_mail().await;
        shop.deliver(&[paid("in_1", &price)]).await;
        shop.app.clock.advance(PATIENCE.grace);
        shop.apply().await;
        assert_eq!(parts(&shop.app).await, [("default".to_owned(), price.clone())]);
        if is_sent {
            shop.hand_over().await;
        }

        shop.ask().await;

        let order = shop.app.order("in_1").await;
        let (sku, provider) = if is_sent { (price.as_str(), "default") } else { ("EBOOK-7", "mail") };
        assert_eq!(skus(&order), [sku]);
        assert_eq!(parts(&shop.app).await, [(provider.to_owned(), sku.to_owned())]);
        let waiting = "select count(*) from order_lines where price is not null";
        assert_eq!(shop.app.value::<i64>(waiting).await, 0);
    }
}

#[tokio::test]
async fn an_order_closed_since_nothing_was_to_be_sent_is_opened_again_by_goods_that_come_late() {
    let shop = Asking::start().await;
    let price = shop.price("TEA-100G").await;
    let (invoice, mut paid) = shop.long_invoice(&price, 11).await;
    // What the event shows of it are adjustments.
    for line in paid["data"]["object"]["lines"]["data"].as_array_mut().unwrap() {
        line["amount"] = json!(-1);
    }
    shop.deliver(&[paid]).await;
    shop.app.clock.advance(PATIENCE.grace);
    shop.apply().await;
    assert_eq!(shop.app.order(&invoice).await["fulfilment_status"], "fulfilled");

    shop.ask().await;
    assert_eq!(shop.app.order(&invoice).await["fulfilment_status"], "queued", "{:?}", notes(&shop.app).await);
    shop.hand_over().await;

    let sent = "select sum(quantity_shipped)::bigint from fulfilment_lines";
    assert_eq!(shop.app.value::<i64>(sent).await, 11);
}

#[tokio::test]
async fn an_answer_that_comes_while_an_order_is_made_without_it_is_not_missed() {
    let shop = Asking::start().await;
    let price = shop.price("TEA-100G").await;
    shop.deliver(&[paid("in_1", &price)]).await;
    shop.app.clock.advance(PATIENCE.grace);
    // A worker has the question, and is about to close it.
    let mut closing = shop.app.pool.begin().await.unwrap();
    sqlx::query("select from lookups where kind = 'price' for update").execute(&mut *closing).await.unwrap();

    let applier = shop.app.patient_applier(Patience { can_ask: true, ..PATIENCE });
    let making = tokio::spawn(async move { applier.run_once().await });
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while shop.app.value::<i64>(waits).await == 0 {
        tokio::task::yield_now().await;
    }
    let answer =
        "update lookups set state = 'answered', answer = '{}', answered_at = now(), next_try_at = null
                  where kind = 'price'";
    sqlx::query(answer).execute(&mut *closing).await.unwrap();
    let sku = "insert into skus (price, sku, source, learnt_at) values ($1, 'TEA-100G', 'metadata', now())";
    sqlx::query(sku).bind(&price).execute(&mut *closing).await.unwrap();
    closing.commit().await.unwrap();
    making.await.unwrap().unwrap();

    assert_eq!(skus(&shop.app.order("in_1").await), ["TEA-100G"]);
}

#[tokio::test]
async fn a_shops_own_order_learns_nothing() {
    let shop = Asking::start().await;
    let price = shop.price("TEA-100G").await;
    shop.app.place_order(&stripe::order(json!({ "payment_intent": "pi_1" }))).await;

    shop.deliver(&[bare(), invoice_payment_paid("in_1", "pi_1"), paid("in_1", &price)]).await;
    shop.ask().await;

    assert_eq!(skus(&shop.app.order("pi_1").await), ["TEA-2"]);
    assert_eq!(shop.app.value::<i64>("select count(*) from lookups").await, 0);
}
