//! The loop that sends what is due.

use std::sync::Arc;
use std::time::Duration;

use super::endpoint::Receiver;
use super::ledger::Stage;
use super::{Deliveries, signature};

/// How often the clock is looked at while something waits for a time: a clock that is moved by hand rings no bell.
const LOOK: Duration = Duration::from_millis(50);

/// The headers of a delivery, but for the signature, as Stripe sends them.
pub(super) const HEADERS: [(&str, &str); 5] = [
    ("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
    ("Accept", "*/*; q=0.5, application/xml"),
    ("Cache-Control", "no-cache"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("Accept-Encoding", "gzip"),
];

/// One try to reach an endpoint.
struct Post {
    delivery: String,
    url: String,
    secret: String,
    body: Arc<str>,
}

/// Sends until it is told to stop.
pub(super) async fn run(deliveries: Deliveries) {
    let stop = deliveries.0.stop.clone();
    loop {
        for post in deliveries.take_due() {
            tokio::spawn(attempt(deliveries.clone(), post));
        }
        let waits = deliveries.state().ledger.all().iter().any(|delivery| delivery.stage == Stage::Waiting);
        let look_again = async {
            if waits {
                tokio::time::sleep(LOOK).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = deliveries.0.wake.notified() => {}
            () = look_again => {}
        }
    }
}

async fn attempt(deliveries: Deliveries, post: Post) {
    let timestamp = deliveries.signing_time();
    let mut request = deliveries.0.client.post(&post.url);
    for (name, value) in HEADERS {
        request = request.header(name, value);
    }
    let request = request
        .header("Stripe-Signature", signature::header(&post.secret, timestamp, &post.body))
        .body(post.body.to_string());
    let sent = tokio::select! {
        () = deliveries.0.stop.cancelled() => return,
        sent = request.send() => sent,
    };
    let answer = sent.map(|answer| answer.status().as_u16()).map_err(|error| why(&error));
    deliveries.record(&post.delivery, answer);
}

/// Why nothing was answered, with all causes.
fn why(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}

impl Deliveries {
    /// Waits until nothing that is due is still under way. What waits for a later time, is held or is with a CLI that is
    /// not connected is not waited for.
    pub async fn settled(&self) {
        let mut changed = self.0.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let now = self.now();
            let is_under_way = {
                let state = self.state();
                let is_connected = |receiver: &Receiver| match receiver {
                    Receiver::Endpoint(_) => true,
                    Receiver::Socket(id) => {
                        state.sessions.iter().any(|session| &session.id == id && session.is_connected())
                    }
                };
                state.ledger.all().iter().any(|delivery| match delivery.stage {
                    Stage::Sending => is_connected(&delivery.receiver),
                    Stage::Waiting => delivery.due <= now && is_connected(&delivery.receiver),
                    _ => false,
                })
            };
            if !is_under_way || changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes what is due: posts are given back, frames go to their sockets.
    fn take_due(&self) -> Vec<Post> {
        let now = self.now();
        let mut state = self.state();
        let state = &mut *state;
        state.forget_dead_sessions(now);
        let mut posts = Vec::new();
        for index in state.ledger.next(now) {
            let delivery = &state.ledger.all()[index];
            let stage = match &delivery.receiver {
                Receiver::Endpoint(id) => match state.endpoints.iter().find(|endpoint| &endpoint.id == id) {
                    Some(endpoint) if !endpoint.is_disabled => {
                        posts.push(Post {
                            delivery: delivery.id.clone(),
                            url: endpoint.url.clone(),
                            secret: endpoint.secret.clone(),
                            body: Arc::clone(&delivery.body),
                        });
                        Stage::Sending
                    }
                    _ => Stage::Failed,
                },
                Receiver::Socket(id) => match state.sessions.iter().find(|session| &session.id == id) {
                    Some(session) => {
                        let latest = state.events.iter().find(|event| event.happening.id == delivery.event);
                        let is_sent = session.send(delivery, latest, self.signing_time());
                        if is_sent { Stage::Sending } else { Stage::Waiting }
                    }
                    None => Stage::Failed,
                },
            };
            state.ledger.all_mut()[index].stage = stage;
        }
        posts
    }

    /// Records how a try ended.
    pub(super) fn record(&self, delivery: &str, answer: Result<u16, String>) {
        let now = self.now();
        let mut state = self.state();
        if let Some(delivery) = state.ledger.get_mut(delivery) {
            let (status, error) = (answer.as_ref().ok(), answer.as_ref().err());
            tracing::info!(
                stripe.event.id = delivery.event, stripe.event.type = delivery.event_type, to = delivery.receiver.id(),
                status, error, "delivered"
            );
            delivery.tried(now, answer, &self.0.retries);
        }
        drop(state);
        self.0.changed.send_replace(());
        self.wake();
    }
}
