//! Lists, page after page.

use futures_util::{StreamExt, TryStreamExt};
use packline::stripe::params::{CreatedAfter, ListEvents, ListRefunds};
use packline::stripe::{CallError, Envelope, Refund, UnknownCause};
use serde_json::{Value, json};

use super::server::{Scripted, Step, error, ok};

fn refund(number: usize) -> Value {
    json!({"id": format!("re_{number}"), "object": "refund", "amount": number, "currency": "eur"})
}

fn page(objects: impl Iterator<Item = Value>, has_more: bool) -> Step {
    let data: Vec<Value> = objects.collect();
    ok(&json!({"object": "list", "data": data, "has_more": has_more, "url": "/v1/refunds"}))
}

fn of_payment() -> ListRefunds {
    ListRefunds { payment_intent: Some("pi_1".to_owned()), ..ListRefunds::default() }
}

#[tokio::test]
async fn three_pages_are_one_stream() {
    let stripe = Scripted::start([
        page((1..=2).map(refund), true),
        error(500, "api_error", None),
        page((3..=4).map(refund), true),
        page((5..=5).map(refund), false),
    ])
    .await;
    let client = stripe.client();

    let refunds: Vec<Refund> = client.list_refunds(of_payment(), None).try_collect().await.unwrap();

    let ids: Vec<&str> = refunds.iter().map(|refund| refund.id.as_str()).collect();
    assert_eq!(ids, ["re_1", "re_2", "re_3", "re_4", "re_5"]);
    let after: Vec<Option<String>> = stripe
        .requests()
        .iter()
        .map(|request| {
            let query = request.query();
            assert!(query.contains(&("payment_intent".to_owned(), "pi_1".to_owned())), "{query:?}");
            assert!(query.contains(&("limit".to_owned(), "100".to_owned())), "{query:?}");
            query.into_iter().find(|(name, _)| name == "starting_after").map(|(_, value)| value)
        })
        .collect();
    let expected = [None, Some("re_2"), Some("re_2"), Some("re_4")];
    assert_eq!(after, expected.map(|id| id.map(str::to_owned)), "a page that failed is asked for again");
}

#[tokio::test]
async fn nothing_is_asked_for_before_it_is_wanted() {
    let stripe = Scripted::start([page((1..=2).map(refund), true), page((3..=3).map(refund), false)]).await;
    let client = stripe.client();

    let mut refunds = client.list_refunds(of_payment(), None);

    assert!(stripe.requests().is_empty());
    assert_eq!(refunds.try_next().await.unwrap().unwrap().id, "re_1");
    assert_eq!(refunds.try_next().await.unwrap().unwrap().id, "re_2");
    assert_eq!(stripe.requests().len(), 1);
    assert_eq!(refunds.try_next().await.unwrap().unwrap().id, "re_3");
    assert!(refunds.try_next().await.unwrap().is_none());
    assert_eq!(stripe.requests().len(), 2);
}

#[tokio::test]
async fn an_error_in_the_middle_ends_the_stream_after_what_was_right() {
    let stripe = Scripted::start([
        page((1..=2).map(refund), true),
        error(404, "invalid_request_error", Some("resource_missing")),
    ])
    .await;
    let client = stripe.client();

    let read: Vec<Result<Refund, CallError>> = client.list_refunds(of_payment(), None).collect().await;

    assert_eq!(read.len(), 3);
    assert!(read[0].is_ok() && read[1].is_ok());
    assert!(matches!(&read[2], Err(CallError::Refused(refusal)) if refusal.status == 404), "{:?}", read[2]);
}

#[tokio::test]
async fn a_list_that_does_not_go_on_ends() {
    for pages in [
        vec![page((1..=2).map(refund), true)],
        vec![page((1..=2).map(refund), true), page(std::iter::empty(), true)],
        vec![page(std::iter::once(json!({"object": "refund"})), true)],
    ] {
        let stripe = Scripted::start(pages).await;
        let client = stripe.client();

        let last = client.list_refunds(of_payment(), None).collect::<Vec<_>>().await.pop().unwrap();

        let Err(CallError::Unknown(unknown)) = last else { panic!("{last:?}") };
        assert_eq!(unknown.cause, UnknownCause::Garbage);
        assert!(stripe.requests().len() <= 2);
    }
}

fn event(number: usize) -> Value {
    json!({
        "id": format!("evt_{number}"), "object": "event", "type": "refund.created", "created": number,
        "data": {"object": refund(number)},
    })
}

#[tokio::test]
async fn events_after_one_come_in_the_order_of_time() {
    let stripe = Scripted::start([
        page([event(3), event(2)].into_iter(), true),
        page([event(5), event(4)].into_iter(), false),
    ])
    .await;
    let client = stripe.client();
    let filter = ListEvents {
        types: vec!["refund.created".to_owned(), "charge.refunded".to_owned()],
        created: Some(CreatedAfter { gte: Some(1), lt: None }),
        delivery_success: None,
    };

    let events: Vec<_> = client.list_events(filter, Some("evt_1"), None).try_collect().await.unwrap();

    let ids: Vec<String> = events.iter().map(|event| Envelope::read(event.get()).unwrap().id).collect();
    assert_eq!(ids, ["evt_2", "evt_3", "evt_4", "evt_5"]);
    let queries: Vec<String> =
        stripe.requests().iter().map(|request| request.line.split(' ').nth(1).unwrap().to_owned()).collect();
    let filter = "/v1/events?types[0]=refund.created&types[1]=charge.refunded&created[gte]=1&limit=100";
    assert_eq!(queries, [format!("{filter}&ending_before=evt_1"), format!("{filter}&ending_before=evt_3")]);
}
