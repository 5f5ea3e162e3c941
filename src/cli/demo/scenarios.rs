//! The stories that the demo tells, and how each must end.

use serde_json::Value;
use uuid::Uuid;

use super::merchant::Merchant;
use super::stripe::{self, Delivery, Shape};

/// One order's life.
pub(super) struct Scenario {
    pub deliveries: Vec<Delivery>,
    pub expected: Expected,
}

/// Where an order must end.
pub(super) struct Expected {
    pub story: &'static str,
    /// The Stripe object to find it by.
    pub stands_for: String,
    /// Its one-word status.
    pub status: &'static str,
    /// All the Stripe objects that must stand for it, charges aside: two that meet in one order prove that one
    /// purchase did not become two.
    refs: Vec<String>,
}

impl Expected {
    pub(super) fn is_met_by(&self, order: Option<&Value>) -> bool {
        let Some(order) = order else { return false };
        let stands_for = |id: &String| {
            order["refs"]
                .as_array()
                .is_some_and(|refs| refs.iter().any(|reference| reference["stripe_id"] == **id))
        };
        order["status"] == self.status && self.refs.iter().all(stands_for)
    }
}

impl Scenario {
    /// All stories, with names of their own, so that a demo can be run again on the same data. Orders are placed now.
    pub(super) async fn all(merchant: &Merchant) -> anyhow::Result<Vec<Self>> {
        Ok(vec![
            Self::delivered_three_times(merchant).await?,
            Self::in_the_wrong_order(merchant).await?,
            Self::fails_then_succeeds(merchant).await?,
            Self::fails_for_good(merchant).await?,
            Self::pays_too_little(merchant).await?,
            Self::refund_overtakes_payment(merchant).await?,
            Self::disputed_before_sent(merchant).await?,
            Self::forged(merchant).await?,
            Self::invoice(Shape::Old),
            Self::invoice(Shape::New),
            Self::unknown_payment(),
        ])
    }

    fn new(story: &'static str, intent: String, status: &'static str, deliveries: Vec<Delivery>) -> Self {
        let expected = Expected { story, refs: vec![intent.clone()], stands_for: intent, status };
        Self { deliveries, expected }
    }

    async fn delivered_three_times(merchant: &Merchant) -> anyhow::Result<Self> {
        let intent = placed(merchant).await?;
        let success = Delivery::of(stripe::succeeded(&intent));
        Ok(Self::new("one success, delivered three times", intent, "fulfilled", vec![success; 3]))
    }

    async fn in_the_wrong_order(merchant: &Merchant) -> anyhow::Result<Self> {
        let intent = placed(merchant).await?;
        let deliveries = vec![
            Delivery::of(stripe::succeeded(&intent)),
            Delivery::of(stripe::intent("processing", &intent, "processing", 0, None)),
            Delivery::of(stripe::intent("requires_action", &intent, "requires_action", 0, None)),
            Delivery::of(stripe::intent("created", &intent, "requires_payment_method", 0, None)),
        ];
        Ok(Self::new("the success comes first, the rest late", intent, "fulfilled", deliveries))
    }

    async fn fails_then_succeeds(merchant: &Merchant) -> anyhow::Result<Self> {
        let intent = placed(merchant).await?;
        let deliveries = vec![
            Delivery::of(stripe::intent("payment_failed", &intent, "requires_payment_method", 0, None)),
            Delivery::of(stripe::succeeded(&intent)),
        ];
        Ok(Self::new("the card is declined, the next one works", intent, "fulfilled", deliveries))
    }

    async fn fails_for_good(merchant: &Merchant) -> anyhow::Result<Self> {
        let intent = placed(merchant).await?;
        let failure = stripe::intent("payment_failed", &intent, "requires_payment_method", 0, None);
        Ok(Self::new("the card is declined", intent, "payment_failed", vec![Delivery::of(failure)]))
    }

    async fn pays_too_little(merchant: &Merchant) -> anyhow::Result<Self> {
        let intent = placed(merchant).await?;
        let short = stripe::intent("succeeded", &intent, "succeeded", 1500, None);
        Ok(Self::new("15.00 arrives, 20.00 were asked", intent, "on_hold", vec![Delivery::of(short)]))
    }

    async fn refund_overtakes_payment(merchant: &Merchant) -> anyhow::Result<Self> {
        let intent = placed(merchant).await?;
        let deliveries =
            vec![Delivery::of(stripe::refunded(&intent)), Delivery::of(stripe::succeeded(&intent))];
        Ok(Self::new("a refund overtakes its payment", intent, "refunded", deliveries))
    }

    async fn disputed_before_sent(merchant: &Merchant) -> anyhow::Result<Self> {
        let intent = placed(merchant).await?;
        let deliveries =
            vec![Delivery::of(stripe::disputed(&intent)), Delivery::of(stripe::succeeded(&intent))];
        Ok(Self::new("disputed before it was sent", intent, "on_hold", deliveries))
    }

    async fn forged(merchant: &Merchant) -> anyhow::Result<Self> {
        let intent = placed(merchant).await?;
        let forged = Delivery::forged(stripe::succeeded(&intent));
        Ok(Self::new("a forged success is refused", intent, "pending", vec![forged]))
    }

    /// Nobody placed this order: the invoice makes it, and its PaymentIntent's own success must not make another.
    fn invoice(shape: Shape) -> Self {
        let (invoice, intent) = (name("in"), name("pi"));
        // In the new shape the PaymentIntent does not say that it pays an invoice.
        let named = if shape == Shape::Old { invoice.as_str() } else { "" };
        let mut deliveries = vec![
            Delivery::of(stripe::intent("succeeded", &intent, "succeeded", 2000, Some(named))),
            Delivery::of(stripe::invoice_paid(shape, &invoice, &intent)),
        ];
        let story = match shape {
            Shape::Old => "an invoice of before 2025-03-31",
            Shape::New => {
                deliveries.push(Delivery::of(stripe::invoice_payment_paid(&invoice, &intent)));
                "an invoice of today's shape"
            }
        };
        let expected =
            Expected { story, stands_for: invoice.clone(), status: "fulfilled", refs: vec![invoice, intent] };
        Self { deliveries, expected }
    }

    fn unknown_payment() -> Self {
        let intent = name("pi");
        let success = Delivery::of(stripe::succeeded(&intent));
        Self::new("a payment that no order was placed for", intent, "fulfilled", vec![success])
    }
}

/// Places an order; returns its PaymentIntent.
async fn placed(merchant: &Merchant) -> anyhow::Result<String> {
    let intent = name("pi");
    merchant.place(&intent).await?;
    Ok(intent)
}

fn name(prefix: &str) -> String {
    format!("{prefix}_demo{}", Uuid::new_v4().simple())
}
