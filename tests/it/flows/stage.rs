//! Where flows are played: one shop and one local Stripe for all variants of a flow.

use packline::fake_stripe::delivery::Endpoint;
use serde_json::Value;

use super::end::end;
use super::gate::Gate;
use super::step::{Play, Step};
use super::variant::Variant;
use crate::payments::Shop;
use crate::support::{CONNECT_SECRET, SECRET};

pub struct Stage {
    pub shop: Shop,
    pub gate: Gate,
}

impl Stage {
    async fn open() -> Self {
        let mut gate = None;
        let shop = Shop::open_with(Vec::new(), |config| {
            let (started, base) = Gate::start(config.api_base.clone());
            gate = Some(started);
            config.api_base = base;
        })
        .await;
        let stage = Self { shop, gate: gate.unwrap() };
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

    async fn play(&self, variant: Variant, steps: &[Step]) -> String {
        self.arrange(variant);
        let mut play = Play::new(self, variant);
        for step in steps {
            play.step(step).await;
            self.listen(variant).await;
        }
        self.catch_up(variant).await;
        // What nobody asked about again is found out.
        self.shop.app.clock.advance(std::time::Duration::from_secs(300));
        self.shop.resume().await;
        self.catch_up(variant).await;
        let orders: Vec<&Value> = play.orders.iter().collect();
        end(&self.shop, &play.said, &orders).await
    }
}

/// Plays a flow in every variant: each must come to this end.
pub async fn prove(steps: &[Step], expected: &str) {
    let stage = Stage::open().await;
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
