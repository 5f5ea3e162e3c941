//! Random stories of a few orders: the merchant, customers and the Dashboard act, Stripe fails, events are late, lost or
//! doubled, processes die, time passes. At the end, when Stripe is well and all events have arrived, Packline's rows are
//! what Stripe's objects say, nobody paid twice, and nothing was sent that should not have been.
//!
//! A story is a function of its seed. Only how far a call got when its process died is left to chance.

mod acts;
mod dispatch;
mod story;
mod truth;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use story::Story;

/// Stories of a normal run.
const CASES: u64 = 10;
const STEPS: usize = 40;

#[expect(clippy::disallowed_methods, reason = "the tests' own settings; the service's are not read here")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `PACKLINE_RANDOM_CASES` stories from the seed `PACKLINE_RANDOM_SEED` on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_the_end_is_what_stripe_says() {
    let first = setting("PACKLINE_RANDOM_SEED").unwrap_or(1);
    let cases = setting("PACKLINE_RANDOM_CASES").unwrap_or(CASES);
    let mut failed = Vec::new();
    for seed in first..first + cases {
        let mut story = Story::begin(seed).await;
        let told = AssertUnwindSafe(async {
            for _ in 0..STEPS {
                story.step().await;
            }
            story.end().await;
        });
        if told.catch_unwind().await.is_err() {
            println!("PACKLINE_RANDOM_SEED={seed} PACKLINE_RANDOM_CASES=1\n  {}", story.log.join("\n  "));
            failed.push(seed);
        }
        story.close().await;
    }
    assert!(failed.is_empty(), "stories that ended badly, told above: {failed:?}");
}
