//! The ways in which Stripe's events and answers reach a shop.

use std::collections::HashSet;

use packline::fake_stripe::delivery::Mode;
use serde_json::Value;

use super::stage::Stage;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Each event as it happens, after the answer to the call that made it happen. What the others are compared with.
    AsItHappens,
    /// Events are there, and done with, before the answer that they belong to.
    BeforeTheAnswer,
    /// Events come when the flow cannot go on without them.
    Late,
    /// Late, each three times, in an order drawn by lot.
    ThriceShuffled,
    /// Events never come by themselves; they are sent again by hand, the newest first.
    LostThenResent,
    /// Events of a decade ago.
    OldShape,
    /// The worst of both.
    OldShapeThriceShuffled,
    /// No answer to a call comes, only its events; whoever asked asks again.
    AnswersLost,
}

impl Variant {
    pub const ALL: [Self; 8] = [
        Self::AsItHappens,
        Self::BeforeTheAnswer,
        Self::Late,
        Self::ThriceShuffled,
        Self::LostThenResent,
        Self::OldShape,
        Self::OldShapeThriceShuffled,
        Self::AnswersLost,
    ];

    fn mode(self) -> Mode {
        let shuffled = Mode { hold: true, duplicate: 3, shuffle: true, ..Mode::default() };
        let old = Some("2020-08-27".to_owned());
        match self {
            Self::AsItHappens | Self::BeforeTheAnswer | Self::AnswersLost => Mode::default(),
            Self::Late => Mode { hold: true, ..Mode::default() },
            Self::ThriceShuffled => shuffled,
            Self::LostThenResent => Mode { lose: true, ..Mode::default() },
            Self::OldShape => Mode { shape: old, ..Mode::default() },
            Self::OldShapeThriceShuffled => Mode { shape: old, ..shuffled },
        }
    }

    /// Whether events wait until they are heard of on purpose.
    fn waits(self) -> bool {
        self.mode().hold || self.mode().lose
    }
}

impl Stage {
    pub fn arrange(&self, variant: Variant) {
        self.shop.stripe.deliveries().set_mode(variant.mode()).unwrap();
        self.gate.keep_answers(variant == Variant::BeforeTheAnswer);
    }

    /// After each step: what came by itself is done with.
    pub async fn listen(&self, variant: Variant) {
        if !variant.waits() {
            self.hear().await;
        }
    }

    /// Where a flow cannot go on otherwise: all that happened is heard of.
    pub async fn catch_up(&self, variant: Variant) {
        let deliveries = self.shop.stripe.deliveries();
        if variant.mode().hold {
            deliveries.deliver_now(&[]);
        }
        if variant.mode().lose {
            let mut seen = HashSet::new();
            let told = deliveries.deliveries(None);
            let all = told["deliveries"].as_array().unwrap().iter();
            let is_lost =
                |event: &Value| all.clone().all(|told| told["event"] != *event || told["stage"] == "lost");
            let mut lost: Vec<&Value> =
                all.clone().map(|told| &told["event"]).filter(|event| is_lost(event)).collect();
            lost.retain(|event| seen.insert(event.as_str()));
            for event in lost.iter().rev() {
                deliveries.resend(event.as_str().unwrap(), None, false).unwrap();
            }
        }
        self.hear().await;
    }

    /// What was delivered is done with.
    async fn hear(&self) {
        self.shop.stripe.deliveries().settled().await;
        match &self.at_stripe {
            Some(at_stripe) => at_stripe.work(&self.shop.app).await,
            None => self.shop.app.apply_events().await,
        }
        self.shop.look_at_accounts().await;
    }
}
