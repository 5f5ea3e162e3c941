//! Random scripts: a provider that answers each thing that a provider can answer, late, never, twice, or after having done
//! the work; customers who dispute and are refunded; workers that die at any step; time that passes. At the end each
//! order was carried out exactly once by the provider's own ledger, or is in a state that says why not.
//!
//! A story is a function of its seed. Only how far a worker got before it died is left to chance.

mod chance;
mod crash;
mod ledger;
mod story;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use story::Story;

/// Stories of a normal run, each with a script for each of its orders.
const CASES: u64 = 12;
const ORDERS: usize = 25;
const STEPS: usize = 40;

#[expect(clippy::disallowed_methods, reason = "the tests' own settings; the service's are not read here")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `PACKLINE_RANDOM_CASES` stories from the seed `PACKLINE_RANDOM_SEED` on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_provider_does_each_order_is_carried_out_once_or_says_why_not() {
    let first = setting("PACKLINE_RANDOM_SEED").unwrap_or(1);
    let cases = setting("PACKLINE_RANDOM_CASES").unwrap_or(CASES);
    let mut failed = Vec::new();
    for seed in first..first + cases {
        let mut story = Story::begin(seed, ORDERS).await;
        let told = AssertUnwindSafe(async {
            for _ in 0..STEPS {
                story.step().await;
            }
            story.end().await
        });
        match told.catch_unwind().await {
            Ok(wrong) if wrong.is_empty() => {}
            ended => {
                let wrong = ended.unwrap_or_default().join("\n  ");
                println!("PACKLINE_RANDOM_SEED={seed} PACKLINE_RANDOM_CASES=1\n  {wrong}");
                failed.push(seed);
            }
        }
        story.close().await;
    }
    assert!(failed.is_empty(), "stories that ended badly, told above: {failed:?}");
}
