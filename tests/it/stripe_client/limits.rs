//! How many calls leave in a second.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use packline::stripe::{CallError, NotDoneCause, Patience};

use super::server::{Scripted, ok, patience, payment_intent};

#[tokio::test]
async fn no_more_calls_leave_than_are_allowed() {
    let mut stripe = Scripted::start([ok(&payment_intent("succeeded"))]).await;
    stripe.config.calls_per_second = 40;
    let client = stripe.client();
    let started = Instant::now();

    // 10 at once, then 30 a second: the last of 40 leaves after a second, whichever of the clones makes it.
    let calls = (0..40).map(|_| {
        let client = client.clone();
        async move { client.retrieve_payment_intent("pi_1", None).await }
    });
    let results = join_all(calls).await;

    assert!(results.iter().all(Result::is_ok), "a busy moment is waited for");
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    let early =
        stripe.requests().iter().filter(|request| request.at - started < Duration::from_millis(500)).count();
    assert!(early <= 26, "{early} in the first half of a second");
}

#[tokio::test]
async fn a_call_does_not_queue_for_ever() {
    let mut stripe = Scripted::start([ok(&payment_intent("succeeded"))]).await;
    stripe.config.calls_per_second = 1;
    let client = stripe.client_with(Patience { longest_queue: Duration::from_millis(20), ..patience() });

    let results = join_all((0..3).map(|_| client.retrieve_payment_intent("pi_1", None))).await;

    let refused: Vec<&CallError> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(!refused.is_empty(), "{results:?}");
    for error in refused {
        let CallError::NotDone(not_done) = error else { panic!("{error:?}") };
        assert_eq!((not_done.cause, not_done.attempts), (NotDoneCause::OurLimit, 0));
        assert!(not_done.why.contains("STRIPE_RATE_LIMIT"));
    }
    assert!(stripe.requests().len() < 3);
}
