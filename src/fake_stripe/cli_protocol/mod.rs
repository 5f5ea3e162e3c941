//! The protocol between the Stripe CLI and Stripe: `stripe listen` opens a session, connects a websocket, gets the events
//! as frames, posts them to its endpoint and says what that answered.
//!
//! A session outlives its connections: the CLI connects again every minute, and what happened meanwhile waits for it.

mod frame;

use actix_web::web::{Data, Payload, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason, MessageStream, Session};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use self::frame::ClientFrame;
use super::delivery::{Deliveries, NEWEST};
use super::frame::call::Call;
use super::resources::{Answer, verb};
use super::world::World;

/// The subprotocol that the CLI asks for.
const SUBPROTOCOL: &str = "stripecli-devproxy-v1";
/// After how many seconds the CLI connects again.
const RECONNECT_SECONDS: u32 = 60;
/// What the CLI tells of an answer is larger than most frames.
const MOST_BYTES: usize = 4 << 20;

/// Registers the websocket.
pub(super) fn configure(routes: &mut ServiceConfig) {
    routes.route("/_fake/stripecli/subscribe", web::get().to(subscribe));
}

/// Answers the calls that the CLI makes to open a session.
pub(super) fn route(world: &mut World, call: &Call, segments: &[&str]) -> Option<Answer> {
    match (verb(call), segments) {
        ("post", ["stripecli", "sessions"]) => Some(open(world, call)),
        _ => None,
    }
}

fn open(world: &World, call: &Call) -> Answer {
    let device = call.given.get("device_name").and_then(|name| name.as_str()).unwrap_or_default();
    let session = world.deliveries.open_session(device);
    let at = world.base.replacen("http", "ws", 1);
    Ok(json!({
        "websocket_url": format!("{at}/_fake/stripecli/subscribe"), "websocket_id": session.id,
        "websocket_authorized_feature": "webhooks", "secret": session.secret, "reconnect_delay": RECONNECT_SECONDS,
        "default_version": world.deliveries.version().as_str(), "latest_version": NEWEST, "device_token": "",
        "display_connect_filter_warning": false
    }))
}

#[derive(Deserialize)]
struct Subscription {
    #[serde(default)]
    websocket_feature: String,
}

async fn subscribe(
    request: HttpRequest,
    payload: Payload,
    query: Query<Subscription>,
    deliveries: Data<Deliveries>,
) -> actix_web::Result<HttpResponse> {
    let id =
        request.headers().get("Websocket-Id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let (sender, frames) = unbounded_channel();
    let Some(number) = deliveries.connect_session(&id, sender) else {
        // In these words: the CLI opens a new session then.
        return Ok(
            HttpResponse::BadRequest().json(json!({ "error": { "message": "Unknown WebSocket ID." } }))
        );
    };
    let upgraded = actix_ws::handle_with_protocols(&request, payload, &[SUBPROTOCOL]);
    let (response, session, messages) = match upgraded {
        Ok(upgraded) => upgraded,
        Err(error) => {
            deliveries.disconnect_session(&id, number);
            return Err(error);
        }
    };
    tracing::debug!(session = id, number, feature = query.websocket_feature, "the CLI is connected");
    actix_web::rt::spawn(async move {
        talk(&deliveries, session, messages.max_frame_size(MOST_BYTES), frames).await;
        deliveries.disconnect_session(&id, number);
    });
    Ok(response)
}

/// Sends frames and reads the CLI's until either side hangs up.
async fn talk(
    deliveries: &Deliveries,
    mut session: Session,
    messages: MessageStream,
    mut frames: UnboundedReceiver<String>,
) {
    let mut messages = messages.aggregate_continuations().max_continuation_size(MOST_BYTES);
    loop {
        let went_well = tokio::select! {
            () = deliveries.stopped() => break,
            frame = frames.recv() => match frame {
                Some(frame) => session.text(frame).await.is_ok(),
                // A newer connection has taken its place.
                None => break,
            },
            message = messages.recv() => match message {
                Some(Ok(AggregatedMessage::Ping(bytes))) => session.pong(&bytes).await.is_ok(),
                Some(Ok(AggregatedMessage::Text(text))) => {
                    heed(deliveries, &text);
                    true
                }
                Some(Ok(AggregatedMessage::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => true,
            },
        };
        if !went_well {
            return;
        }
    }
    let _ = session.close(Some(CloseReason::from(CloseCode::Normal))).await;
}

fn heed(deliveries: &Deliveries, text: &str) {
    match serde_json::from_str(text) {
        Ok(ClientFrame::EventAck { webhook_id }) => deliveries.acknowledge(&webhook_id),
        Ok(ClientFrame::WebhookResponse { webhook_id, status }) => deliveries.forwarded(&webhook_id, status),
        Ok(ClientFrame::Other) => {}
        Err(error) => tracing::warn!(%error, "the CLI said something that cannot be read"),
    }
}
