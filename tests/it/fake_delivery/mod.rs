//! What the local Stripe tells, and to whom: through HTTP and websockets, as endpoints and the Stripe CLI see it.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use packline::webhooks::EndpointSecret;
use serde_json::{Value, json};

use crate::fake_stripe::Local;

mod api;
mod command;
mod deliveries;
mod sockets;

/// What reached the receiver.
#[derive(Clone, Debug)]
struct Received {
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// When it was signed, if it was signed with this secret.
    fn signed_at(&self, secret: &str) -> i64 {
        let header = self.header("stripe-signature");
        let t = header.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
        let expected = EndpointSecret::new("", secret).sign(t, self.body.as_bytes());
        assert!(header.starts_with(&format!("{expected},v0=")), "{header} is not {expected}");
        t
    }
}

/// An endpoint that remembers what it gets, and answers 200 unless told otherwise.
#[derive(Clone)]
struct Receiver {
    base: String,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { base, received: Arc::default(), answers: Arc::default() };
        let state = receiver.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(Data::new(state.clone())).default_service(web::to(receive))
        });
        tokio::spawn(
            server
                .workers(1)
                .keep_alive(std::time::Duration::from_secs(75))
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run(),
        );
        receiver
    }

    /// The next statuses; 200 after them.
    fn answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    /// The names of the customers whose making was told, in the order of telling.
    fn names(&self) -> Vec<String> {
        let name =
            |received: &Received| received.event()["data"]["object"]["name"].as_str().unwrap().to_owned();
        self.take().iter().map(name).collect()
    }
}

async fn receive(request: HttpRequest, body: Bytes, receiver: Data<Receiver>) -> HttpResponse {
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let received = Received {
        path: request.path().to_owned(),
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    receiver.received.lock().unwrap().push(received);
    let status = receiver.answers.lock().unwrap().pop_front().unwrap_or(200);
    let mut response = HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap());
    response.insert_header(("Location", "/elsewhere")).finish()
}

impl Local {
    /// Registers an endpoint and gives its id and secret.
    async fn endpoint(&self, url: &str, more: &str) -> (String, String) {
        let form = format!("url={url}&enabled_events[]=*&{more}");
        let made = self.make("/v1/webhook_endpoints", &form).await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    async fn customer(&self, name: &str) {
        self.make("/v1/customers", &format!("name={name}")).await;
    }

    async fn settled(&self) {
        self.stripe.deliveries().settled().await;
    }

    async fn mode(&self, mode: Value) {
        assert_eq!(self.control("deliveries", mode).await.status, 200);
    }

    async fn deliver(&self) {
        self.control("deliveries/deliver", json!({})).await;
        self.settled().await;
    }
}
