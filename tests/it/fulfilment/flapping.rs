//! A warehouse behind HTTP that flaps: it takes orders, and takes its time, answers rubbish, hangs up, refuses, or tells
//! later. It heeds the `Idempotency-Key`, answers look-ups truly, and keeps the ledger.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use rand::RngExt;
use serde_json::{Value, json};

/// What it has under a key.
#[derive(Clone, Debug)]
pub struct Parcel {
    pub order: String,
    pub fulfilment: String,
    /// Whether it is done; else it is told by call-back.
    pub is_done: bool,
}

#[derive(Default)]
struct State {
    parcels: Mutex<BTreeMap<String, Parcel>>,
    is_well: AtomicBool,
}

pub struct Flapping {
    pub url: String,
    state: Arc<State>,
    server: ServerHandle,
}

impl Flapping {
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&shared)))
                .service(web::resource("/orders").post(take))
                .service(web::resource("/orders/{key}").get(look_up))
        })
        .workers(1)
        .keep_alive(Duration::from_secs(75))
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
        let url = format!("http://{}/orders", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { url, state, server: handle }
    }

    /// From now on every answer is prompt and good.
    pub fn get_well(&self) {
        self.state.is_well.store(true, Ordering::SeqCst);
    }

    pub fn parcels(&self) -> BTreeMap<String, Parcel> {
        self.state.parcels.lock().unwrap().clone()
    }

    /// What is done by now and was promised to be told.
    pub fn finish(&self) -> Vec<(String, Value)> {
        let mut parcels = self.state.parcels.lock().unwrap();
        let open = parcels.iter_mut().filter(|(_, parcel)| !parcel.is_done);
        open.map(|(key, parcel)| {
            parcel.is_done = true;
            let event = json!({ "id": format!("shipped_{key}"), "type": "shipped", "idempotency_key": key });
            (parcel.fulfilment.clone(), event)
        })
        .collect()
    }
}

impl Drop for Flapping {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn take(request: HttpRequest, body: web::Json<Value>, state: web::Data<State>) -> HttpResponse {
    let key = request.headers().get("idempotency-key").unwrap().to_str().unwrap().to_owned();
    let mood = if state.is_well.load(Ordering::SeqCst) { 0 } else { rand::rng().random_range(0..12) };
    match mood {
        7 => return HttpResponse::ServiceUnavailable().insert_header(("retry-after", "1")).finish(),
        8 => return HttpResponse::InternalServerError().body("<html>rubbish</html>"),
        9 => tokio::time::sleep(Duration::from_millis(700)).await,
        _ => {}
    }
    let is_done = mood != 6;
    let known = {
        let mut parcels = state.parcels.lock().unwrap();
        let known = parcels.get(&key).cloned();
        if known.is_none() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (order, fulfilment) = (text(&body["order"]["id"]), text(&body["fulfilment_id"]));
            parcels.insert(key.clone(), Parcel { order, fulfilment, is_done });
        }
        known
    };
    let status = |is_done| if is_done { "done" } else { "accepted" };
    match (known, mood) {
        (Some(parcel), _) => {
            HttpResponse::Conflict().json(json!({ "status": status(parcel.is_done), "reference": key }))
        }
        (None, 10) => HttpResponse::InternalServerError().body("it was done, but who can tell"),
        // The answer is too late.
        (None, 11) => {
            tokio::time::sleep(Duration::from_secs(2)).await;
            HttpResponse::Ok().finish()
        }
        (None, 6) => HttpResponse::Accepted().json(json!({ "reference": key })),
        (None, _) => HttpResponse::Created().json(json!({ "reference": key })),
    }
}

async fn look_up(key: web::Path<String>, state: web::Data<State>) -> HttpResponse {
    if !state.is_well.load(Ordering::SeqCst) && rand::rng().random_range(0..5) == 0 {
        return HttpResponse::BadGateway().finish();
    }
    match state.parcels.lock().unwrap().get(key.as_str()) {
        None => HttpResponse::NotFound().finish(),
        Some(parcel) => {
            let status = if parcel.is_done { "done" } else { "accepted" };
            HttpResponse::Ok().json(json!({ "status": status, "reference": *key, "idempotency_key": *key }))
        }
    }
}
