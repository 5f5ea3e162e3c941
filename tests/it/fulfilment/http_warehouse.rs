//! A warehouse behind HTTP, as somebody else would build one: `POST /orders` takes an order, `GET /orders/{key}` says
//! whether it has one, `DELETE /orders/{key}` takes it back. It heeds the `Idempotency-Key`, and keeps every request for the test to look at.

use std::any::Any;
use std::collections::VecDeque;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use packline::clock::Clock;
use packline::config::{ProviderChoice, Secret};
use packline::fulfilment::{Provider, provider};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::OrderLock;

/// What it does with one `POST`.
pub enum Does {
    /// Ships nothing, and answers status, `Retry-After` and body.
    Say(u16, Option<&'static str>, &'static str),
    /// Ships, and hangs up without an answer.
    ShipAndHangUp,
    /// Hangs up before it looked at the order.
    HangUp,
    /// Ships, locks the order's row in the database at this URL, and answers: whoever records it waits for the test.
    ShipAndLock(String),
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// The one value of a header.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(header, _)| header == name);
        let value = values.next().unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        assert!(values.next().is_none(), "{name} twice");
        &value.1
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(header, _)| header == name)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Default)]
struct State {
    script: Mutex<VecDeque<Does>>,
    seen: Mutex<Vec<Seen>>,
    shipped: Mutex<Vec<String>>,
    look_ups: Mutex<VecDeque<(u16, &'static str)>>,
    recalls: Mutex<VecDeque<(u16, &'static str)>>,
    lock: tokio::sync::Mutex<Option<OrderLock>>,
}

pub struct HttpWarehouse {
    base: String,
    state: Arc<State>,
    server: ServerHandle,
}

impl HttpWarehouse {
    /// Follows a script, and ships once it is over.
    pub fn does(script: impl IntoIterator<Item = Does>) -> Self {
        let state = Arc::new(State { script: Mutex::new(script.into_iter().collect()), ..State::default() });
        let shared = Arc::clone(&state);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&shared)))
                .service(web::resource("/orders").post(take_order))
                .service(web::resource("/orders/{key}").get(look_up).delete(take_back))
        })
        .workers(1)
        .keep_alive(Duration::from_secs(75))
        .disable_signals()
        .on_connect(keep_connection)
        .bind("127.0.0.1:0")
        .unwrap();
        let base = format!("http://{}/orders", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { base, state, server: handle }
    }

    /// The provider that the settings would make for it.
    pub fn provider(&self, secret: Option<&str>, clock: &Clock) -> Arc<dyn Provider> {
        let choice = ProviderChoice::Http {
            url: self.base.parse().unwrap(),
            secret: secret.map(Secret::new),
            timeout: Duration::from_secs(10),
        };
        provider(&choice, clock.clone()).unwrap()
    }

    /// What look-ups answer, in turn: status and body; then the truth.
    pub fn answer_look_ups(&self, answers: impl IntoIterator<Item = (u16, &'static str)>) {
        self.state.look_ups.lock().unwrap().extend(answers);
    }

    /// What recalls answer, in turn: status and body; then that nothing is taken back.
    pub fn answer_recalls(&self, answers: impl IntoIterator<Item = (u16, &'static str)>) {
        self.state.recalls.lock().unwrap().extend(answers);
    }

    pub fn seen(&self, method: &str) -> Vec<Seen> {
        self.state.seen.lock().unwrap().iter().filter(|seen| seen.method == method).cloned().collect()
    }

    /// The keys that it shipped, each as often as it did.
    pub fn shipped(&self) -> Vec<String> {
        self.state.shipped.lock().unwrap().clone()
    }

    /// Lets go of the row that it locked.
    pub async fn unlock(&self) {
        self.state.lock.lock().await.take().unwrap().release().await;
    }
}

impl Drop for HttpWarehouse {
    fn drop(&mut self) {
        // The command is sent at once; nobody needs to see it done.
        drop(self.server.stop(false));
    }
}

/// The socket, for a handler that wants to hang up.
fn keep_connection(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>().unwrap();
    data.insert(TcpStream::from(stream.as_fd().try_clone_to_owned().unwrap()));
}

async fn take_order(request: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let seen = keep(&request, &body, &state);
    let key = seen.header("idempotency-key").to_owned();
    if state.shipped.lock().unwrap().contains(&key) {
        return HttpResponse::Conflict().json(json!({ "reference": "W-1" }));
    }
    let does = state.script.lock().unwrap().pop_front();
    match does {
        None => ship(&state, key),
        Some(Does::Say(status, retry_after, body)) => {
            let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
            if let Some(retry_after) = retry_after {
                response.insert_header(("retry-after", retry_after));
            }
            response.body(body)
        }
        Some(Does::ShipAndHangUp) => {
            let answer = ship(&state, key);
            hang_up(&request);
            answer
        }
        Some(Does::HangUp) => {
            hang_up(&request);
            HttpResponse::Ok().finish()
        }
        Some(Does::ShipAndLock(url)) => {
            let order: Uuid = seen.json()["order"]["id"].as_str().unwrap().parse().unwrap();
            *state.lock.lock().await = Some(OrderLock::take(&url, order).await);
            ship(&state, key)
        }
    }
}

async fn look_up(
    request: HttpRequest,
    body: web::Bytes,
    key: web::Path<String>,
    state: web::Data<State>,
) -> HttpResponse {
    keep(&request, &body, &state);
    if let Some((status, body)) = state.look_ups.lock().unwrap().pop_front() {
        return HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(body);
    }
    if state.shipped.lock().unwrap().contains(&key) {
        HttpResponse::Ok().json(json!({ "reference": "W-1", "idempotency_key": *key }))
    } else {
        HttpResponse::NotFound().finish()
    }
}

async fn take_back(request: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    keep(&request, &body, &state);
    match state.recalls.lock().unwrap().pop_front() {
        Some((status, body)) => HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(body),
        None => HttpResponse::MethodNotAllowed().finish(),
    }
}

fn keep(request: &HttpRequest, body: &[u8], state: &State) -> Seen {
    let seen = Seen {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        headers: texts(request.headers()),
        body: body.to_vec(),
    };
    state.seen.lock().unwrap().push(seen.clone());
    seen
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn ship(state: &State, key: String) -> HttpResponse {
    state.shipped.lock().unwrap().push(key);
    HttpResponse::Created().json(json!({ "reference": "W-1" }))
}

fn hang_up(request: &HttpRequest) {
    request.conn_data::<TcpStream>().unwrap().shutdown(Shutdown::Both).unwrap();
}
