//! What stands between the service and Stripe: it passes calls on, and can keep an answer back until all that the call
//! made happen has been heard of.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::future::BoxFuture;
use reqwest::Url;
use tokio::runtime::Handle;

type Hear = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    target: Url,
    client: reqwest::Client,
    keeps_answers: AtomicBool,
    hear: OnceLock<Hear>,
    /// What was looked at: the paths of all GETs.
    seen: Mutex<Vec<String>>,
    /// The test's own, on which its database is spoken to.
    runtime: Handle,
}

impl Gate {
    /// Starts one before a Stripe; returns it, and where it is reached.
    pub fn start(target: Url) -> (Self, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let gate = Self(Arc::new(Inner {
            target,
            client: packline::http_client::builder().build().unwrap(),
            keeps_answers: AtomicBool::new(false),
            hear: OnceLock::new(),
            seen: Mutex::default(),
            runtime: Handle::current(),
        }));
        let state = gate.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(Data::new(state.clone())).default_service(web::to(pass))
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
        (gate, base)
    }

    /// How often what lies at a path, or below it, was looked at.
    pub fn looks_at(&self, path: &str) -> usize {
        self.0.seen.lock().unwrap().iter().filter(|seen| seen.starts_with(path)).count()
    }

    /// Says how what happened is heard of.
    pub fn hear_by(&self, hear: Hear) {
        assert!(self.0.hear.set(hear).is_ok(), "it is said once");
    }

    /// Whether events come before answers from now on.
    pub fn keep_answers(&self, keeps: bool) {
        self.0.keeps_answers.store(keeps, Ordering::Relaxed);
    }
}

async fn pass(request: HttpRequest, body: Bytes, gate: Data<Gate>) -> HttpResponse {
    let inner = &gate.0;
    let mut url = inner.target.clone();
    url.set_path(request.path());
    url.set_query(Some(request.query_string()).filter(|query| !query.is_empty()));
    if request.method() == Method::GET {
        inner.seen.lock().unwrap().push(request.path().to_owned());
    }
    let mut call = inner.client.request(request.method().as_str().parse().unwrap(), url).body(body);
    for (name, value) in request.headers() {
        if name != "host" && name != "content-length" {
            call = call.header(name.as_str(), value.as_bytes());
        }
    }
    let Ok(answer) = call.send().await else { return HttpResponse::BadGateway().finish() };
    if request.method() == Method::POST
        && inner.keeps_answers.load(Ordering::Relaxed)
        && let Some(hear) = inner.hear.get()
    {
        inner.runtime.spawn(hear()).await.unwrap();
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status().as_u16()).unwrap());
    for (name, value) in answer.headers() {
        if name != "content-length" && name != "transfer-encoding" {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    match answer.bytes().await {
        Ok(body) => response.body(body),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}
