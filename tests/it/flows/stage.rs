//! Where flows are played: one shop and one local Stripe for all variants of a flow.

use std::time::Duration;

use packline::config::StripeConfig;

use super::end::end;
use super::gate::Gate;
use super::step::{Play, Step};
use super::variant::Variant;
use crate::payments::Shop;
use crate::support::at_stripe::AtStripe;
use crate::support::{CONNECT_SECRET, SECRET};
use packline::fake_stripe::delivery::Endpoint;

pub struct Stage {
    pub shop: Shop,
    pub gate: Gate,
    /// Who asks Stripe for what events do not say, where somebody does.
    pub at_stripe: Option<AtStripe>,
}

impl Stage {
    async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// One that calls Stripe in a way of its own.
    async fn open_with(configure: impl FnOnce(&mut StripeConfig)) -> Self {
        let mut gate = None;
        let shop = Shop::open_with(Vec::new(), |config| {
            let (started, base) = Gate::start(config.api_base.clone());
            gate = Some(started);
            config.api_base = base;
            configure(config);
        })
        .await;
        let stage = Self { shop, gate: gate.unwrap(), at_stripe: None };
        for (path, secret, connect) in
            [("/webhooks/stripe", SECRET, false), ("/webhooks/stripe/connect", CONNECT_SECRET, true)]
        {
            let url = format!("{}{path}", stage.shop.app.base);
            let endpoint = Endpoint { connect, secret: secret.to_owned(), ..Endpoint::to(url) };
            stage.shop.stripe.deliveries().add_endpoint(endpoint).unwrap();
        }
        let (deliveries, applier) = (stage.shop.stripe.deliveries().clone(), stage.shop.app.applier());
        let applier = std::sync::Arc::new(applier);
        stage.gate.hear_by(Box::new(move || {
            let (deliveries, applier) = (deliveries.clone(), applier.clone());
            Box::pin(async move {
                deliveries.settled().await;
                while applier.run_once().await.unwrap() > 0 {}
            })
        }));
        stage
    }

    /// One where somebody asks Stripe for what events do not say.
    pub async fn open_billing() -> Self {
        Self::open().await.asking()
    }

    /// The same, which does not wait for a slow Stripe.
    pub async fn open_impatient() -> Self {
        let hurry = |config: &mut StripeConfig| {
            config.timeout = Duration::from_millis(400);
            config.retry_base = Duration::from_millis(5);
        };
        Self::open_with(hurry).await.asking()
    }

    fn asking(mut self) -> Self {
        self.at_stripe = Some(AtStripe::of(&mut self.shop.app, &self.shop.config));
        self
    }

    pub async fn play(&self, variant: Variant, steps: &[Step]) -> String {
        self.play_failing(variant, None, steps).await
    }

    /// The same where the first tries of every call fail so.
    pub async fn play_failing(
        &self,
        variant: Variant,
        fault: Option<&'static str>,
        steps: &[Step],
    ) -> String {
        self.arrange(variant);
        let began = self.shop.app.clock.now();
        let mut play = Play::new(self, variant);
        play.fault = fault;
        for step in steps {
            play.step(step).await;
            self.listen(variant).await;
        }
        self.catch_up(variant).await;
        // What nobody asked about again is found out.
        self.shop.app.clock.advance(Duration::from_secs(300));
        self.shop.resume().await;
        self.catch_up(variant).await;
        end(&self.shop, &play.said, began).await
    }
}

/// Plays a flow in every variant: each must come to this end.
pub async fn prove(steps: &[Step], expected: &str) {
    prove_on(Stage::open().await, steps, expected).await;
}

/// The same for a shop that bills, and asks Stripe for what events do not say.
pub async fn prove_billing(steps: &[Step], expected: &str) {
    prove_on(Stage::open_billing().await, steps, expected).await;
}

async fn prove_on(stage: Stage, steps: &[Step], expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut wrong = String::new();
    for variant in Variant::ALL {
        let end = stage.play(variant, steps).await;
        let lines: Vec<&str> = end.lines().collect();
        if lines != expected {
            wrong += &format!("\n--- {variant:?}\n{end}");
        }
    }
    assert!(wrong.is_empty(), "expected\n{}\n{wrong}", expected.join("\n"));
}
