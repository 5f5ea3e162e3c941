//! Who carries some of the orders out: a warehouse that takes its time and tells by call-back, and digital goods.

use std::net::Ipv4Addr;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::merchant::answer;
use crate::api;
use crate::fulfilment::{
    ByHandError, Decision, DigitalGood, Limits, NewKind, ProviderChange, Rule, add_provider, add_rule,
    list_rules, put_good, set_provider,
};

/// What the warehouse has on its shelves.
pub(super) const TEAPOT: &str = "DEMO-TEAPOT";
/// What is downloaded.
pub(super) const BOOK: &str = "DEMO-BOOK";

const WAREHOUSE: &str = "demo-warehouse";
const DOWNLOADS: &str = "demo-downloads";

/// A warehouse behind a URL.
pub(super) struct Warehouse(ServerHandle);

/// With what it calls back.
#[derive(Clone)]
struct CallBacks {
    client: Client,
    base: String,
    key: String,
}

impl Warehouse {
    /// Opens it, and has what it sells sent by it, and books downloaded. Of the demo before it is used what is still there.
    pub(super) async fn open(
        conn: &mut PgConnection,
        client: Client,
        base: &str,
        now: OffsetDateTime,
    ) -> anyhow::Result<Self> {
        let by = Decision { by: "demo".to_owned(), why: "the stories of the demo".to_owned() };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url: reqwest::Url = format!("http://{}/parcels", listener.local_addr()?).parse()?;
        match add_provider(conn, WAREHOUSE, &NewKind::Http(url.clone()), Limits::default(), &by, now).await {
            Err(ByHandError::Refused(_)) => {
                let moved = ProviderChange { url: Some(url), ..ProviderChange::default() };
                set_provider(conn, WAREHOUSE, &moved, &by, now).await?;
            }
            added => drop(added?),
        }
        match add_provider(conn, DOWNLOADS, &NewKind::Digital, Limits::default(), &by, now).await {
            Err(ByHandError::Refused(_)) => {}
            added => drop(added?),
        }
        let book = DigitalGood {
            sku: BOOK.to_owned(),
            kind: "link".to_owned(),
            url: Some("https://example.com/tea.pdf".to_owned()),
            valid_seconds: Some(30 * 24 * 60 * 60),
        };
        put_good(conn, &book, &by, now).await?;
        let rules = list_rules(conn).await?;
        for (sku, provider) in [(TEAPOT, WAREHOUSE), (BOOK, DOWNLOADS)] {
            if !rules.iter().any(|rule| rule.sku.as_deref() == Some(sku)) {
                let (sku, provider) = (Some(sku.to_owned()), provider.to_owned());
                add_rule(conn, &Rule { sku, provider, priority: 1, ..Rule::default() }, &by, now).await?;
            }
        }

        let key = api::create_provider_key(conn, WAREHOUSE, WAREHOUSE, now).await?;
        let key = key.context("the warehouse was added")?.text;
        let shared = CallBacks { client, base: base.to_owned(), key };
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(shared.clone())).route("/parcels", web::post().to(accept))
        });
        let server = server.workers(1).disable_signals().listen(listener)?.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self(handle))
    }

    pub(super) async fn close(self) {
        self.0.stop(false).await;
    }
}

/// Has it, and packs it meanwhile.
async fn accept(tell: web::Data<CallBacks>, parcel: web::Json<Value>) -> HttpResponse {
    let reference = format!("W-{}", parcel["order"]["number"].as_str().unwrap_or_default());
    actix_web::rt::spawn(async move {
        if let Err(error) = tell.two_parcels(&parcel).await {
            tracing::error!(error = &*error as &dyn std::error::Error, "the warehouse could not call back");
        }
    });
    HttpResponse::Accepted().json(json!({ "reference": reference }))
}

impl CallBacks {
    /// One piece leaves, and then the rest.
    async fn two_parcels(&self, parcel: &Value) -> anyhow::Result<()> {
        let id = parcel["fulfilment_id"].as_str().context("a hand-over has a fulfilment_id")?;
        let path = format!("/v1/fulfilments/{id}/events");
        let one = json!([{ "position": 1, "quantity": 1 }]);
        for (shipment, lines) in [("parcel-1", one), ("parcel-2", Value::Null)] {
            let tracking = json!({ "carrier": "DHL", "number": format!("0034-{shipment}") });
            let shipped =
                json!({ "type": "shipped", "shipment": shipment, "tracking": tracking, "lines": lines });
            let request =
                self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.key).json(&shipped);
            answer(&path, request).await?;
        }
        Ok(())
    }
}
