//! The workers that call Stripe for what is no order's payment, run when the test says so.

use packline::app::{FOR_LOOKUPS, FOR_QUOTES, FOR_SUBSCRIPTIONS, RECEIVERS};
use packline::config::StripeConfig;
use packline::invoices::Invoices;
use packline::lookups::Lookups;
use packline::outbox::Outbox;
use packline::quotes::Quotes;
use packline::stripe::Client;
use packline::subscriptions::Subscriptions;

use super::TestApp;

pub struct AtStripe {
    pub outbox: Outbox,
    pub invoices: Invoices,
    pub quotes: Quotes,
    pub subscriptions: Subscriptions,
    pub lookups: Lookups,
}

impl AtStripe {
    /// Those of a service. From now on its events wait for what Stripe is asked.
    pub fn of(app: &mut TestApp, config: &StripeConfig) -> Self {
        app.patience.can_ask = true;
        Self::beside(app, config)
    }

    /// More of them, which call Stripe in a way of their own.
    pub fn beside(app: &TestApp, config: &StripeConfig) -> Self {
        let client = Client::new(config).unwrap();
        let (pool, clock) = (app.pool.clone(), app.clock.clone());
        let outbox = Outbox::new(pool.clone(), clock.clone(), Some(client.clone()), RECEIVERS);
        Self {
            invoices: Invoices::new(pool.clone(), clock.clone(), outbox.clone()).waking(FOR_LOOKUPS.wake),
            quotes: Quotes::new(pool.clone(), clock.clone(), outbox.clone(), FOR_QUOTES),
            subscriptions: Subscriptions::new(pool.clone(), clock.clone(), outbox.clone(), FOR_SUBSCRIPTIONS),
            lookups: Lookups::new(pool, clock, client, app.patience.grace, FOR_LOOKUPS),
            outbox,
        }
    }

    /// Does all that is due, and what follows from it.
    pub async fn work(&self, app: &TestApp) {
        loop {
            app.apply_events().await;
            let mut done = 0;
            done += self.outbox.run_once().await.unwrap();
            done += self.lookups.run_once().await.unwrap();
            done += self.invoices.run_once().await.unwrap();
            done += self.quotes.run_once().await.unwrap();
            done += self.subscriptions.run_once().await.unwrap();
            if done == 0 {
                break;
            }
        }
    }
}
