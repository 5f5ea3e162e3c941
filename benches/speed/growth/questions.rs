//! What merchants and ops ask: lists of orders by every documented filter, and the views as the README asks them.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use packline::orders::{FulfilmentStatus, Order, PaymentStatus};
use reqwest::Url;
use serde_json::Value;
use sqlx::Connection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::events::Request;
use super::super::load::closed_loop;
use super::super::table::median;
use super::{Shop, packline};

/// A page, unless more are asked for.
const PAGE: i64 = 20;

/// What is asked, and how.
pub struct Question {
    pub name: String,
    pub how: How,
}

pub enum How {
    /// `GET /v1/orders` with this query; the answer has the orders for which this condition holds.
    List { query: Vec<(String, String)>, condition: String },
    /// `GET` this path.
    Show(String),
    /// By `psql`, as the README has it.
    Sql(String),
    /// `packline` with these arguments.
    Command(Vec<String>),
}

/// All questions to a shop.
pub async fn all(shop: &Shop) -> anyhow::Result<Vec<Question>> {
    let (middle, id, email, number): (OffsetDateTime, Uuid, String, String) = sqlx::query_as(
        "select created_at, id, customer_email, number from orders
         where created_at < now() - interval '180 days' and status = 'fulfilled' order by created_at desc, id desc limit 1",
    )
    .fetch_one(&shop.pool)
    .await?;
    let micros = middle.unix_timestamp_nanos() / 1_000;
    let cursor = URL_SAFE_NO_PAD.encode(format!("{micros}.{id}"));
    let deep = format!("(created_at, id) < ('{middle}'::timestamptz, '{id}'::uuid)");
    let day = |days: i64| (middle + time::Duration::days(days)).unix_timestamp();
    let stamp = |days: i64| -> anyhow::Result<String> {
        let at = OffsetDateTime::from_unix_timestamp(day(days))?;
        Ok(at.format(&time::format_description::well_known::Rfc3339)?)
    };
    let (from, before) = (stamp(-20)?, stamp(-10)?);
    let range = format!("created_at >= '{from}' and created_at < '{before}'");

    let mut all = Vec::new();
    let mut list = |query: &[(&str, &str)], condition: &str| {
        let told: Vec<String> = query
            .iter()
            .map(|(name, value)| match *name {
                "cursor" => "deep".to_owned(),
                "created_from" | "created_before" | "email" => (*name).to_owned(),
                _ => format!("{name}={value}"),
            })
            .collect();
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.push(Question {
            name: format!("GET /v1/orders {}", told.join(" ")).trim_end().to_owned(),
            how: How::List { query, condition: condition.to_owned() },
        });
    };
    list(&[], "true");
    list(&[("cursor", &cursor)], &deep);
    let axes = [
        ("status", Order::STATUSES.to_vec()),
        ("payment_status", PaymentStatus::ALL.iter().map(|status| status.as_str()).collect()),
        ("fulfilment_status", FulfilmentStatus::ALL.iter().map(|status| status.as_str()).collect()),
    ];
    for (axis, values) in axes {
        for value in values {
            let condition = format!("{axis} = '{value}'");
            list(&[(axis, value)], &condition);
            if ["fulfilled", "paid", "refunded", "partially_refunded"].contains(&value) {
                list(&[(axis, value), ("cursor", &cursor)], &format!("{condition} and {deep}"));
            }
        }
    }
    list(&[("email", &email)], &format!("lower(customer_email) = '{email}'"));
    list(&[("created_from", &from), ("created_before", &before)], &range);
    list(&[("created_before", &before)], &format!("created_at < '{before}'"));
    for (status, also) in
        [("fulfilled", "partially_refunded"), ("pending", "authorised"), ("fulfilling", "paid")]
    {
        let condition = format!("status = '{status}' and payment_status = '{also}'");
        list(&[("status", status), ("payment_status", also)], &condition);
    }
    let refunds = format!("payment_status = 'refunded' and {range}");
    list(&[("payment_status", "refunded"), ("created_from", &from), ("created_before", &before)], &refunds);

    all.push(Question {
        name: "GET /v1/orders/{number}".into(),
        how: How::Show(format!("/v1/orders/{number}")),
    });
    for command in [
        "orders list --limit 20",
        "orders list --limit 20 --status on_hold",
        "orders list --limit 20 --status fulfilled",
        "fulfilments list --limit 20 --state cancelled",
        "fulfilments stuck",
        "events list --limit 20 --state failed",
    ] {
        let arguments = command.split(' ').map(str::to_owned).collect();
        all.push(Question { name: format!("packline {command}"), how: How::Command(arguments) });
    }
    all.extend(of_the_readme(&number));
    Ok(all)
}

/// The README's queries for ops, with an order that there is.
fn of_the_readme(number: &str) -> Vec<Question> {
    let readme = include_str!("../../../README.md");
    let part = readme.split("## SQL for ops").nth(1).unwrap_or_default();
    let block = part.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    let statements = block.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    statements
        .map(|statement| {
            let comment = statement.lines().next().unwrap_or_default().trim_start_matches("-- ");
            Question {
                name: format!("SQL: {comment}"),
                how: How::Sql(statement.replace("'4711'", &format!("'{number}'"))),
            }
        })
        .collect()
}

/// Asks everything, so often: milliseconds for an answer. With `check` the rows of lists are counted.
pub async fn ask(
    shop: &Shop,
    questions: &[Question],
    times: usize,
    check: bool,
) -> anyhow::Result<Vec<(String, f64)>> {
    let service = packline(shop, &["serve", "--no-worker"], &[]).await?;
    let base = format!("http://{}", service.address);
    let mut conn = sqlx::PgConnection::connect(&shop.url).await?;
    let mut answered = Vec::new();
    for question in questions {
        let millis = match &question.how {
            How::List { query, condition } => {
                let url = Url::parse_with_params(&format!("{base}/v1/orders"), query)?;
                if check {
                    count(shop, &url, condition).await.with_context(|| question.name.clone())?;
                }
                get(shop, &service.address, &url, times).await?
            }
            How::Show(path) => {
                get(shop, &service.address, &Url::parse(&format!("{base}{path}"))?, times).await?
            }
            How::Sql(statement) => {
                let mut waits = Vec::new();
                for _ in 0..times {
                    let began = Instant::now();
                    let statement = sqlx::AssertSqlSafe(statement.clone());
                    sqlx::raw_sql(statement).fetch_all(&mut conn).await.context(question.name.clone())?;
                    waits.push(began.elapsed().as_secs_f64() * 1e3);
                }
                median(&waits).0
            }
            How::Command(arguments) => {
                let mut waits = Vec::new();
                for _ in 0..times.div_ceil(3) {
                    let began = Instant::now();
                    let mut command = Command::new(env!("CARGO_BIN_EXE_packline"));
                    command.args(arguments).env("DATABASE_URL", &shop.url).stdout(Stdio::null());
                    ensure!(command.status()?.success(), "{command:?} failed");
                    waits.push(began.elapsed().as_secs_f64() * 1e3);
                }
                median(&waits).0
            }
        };
        answered.push((format!("{}, ms", question.name), millis));
    }
    conn.close().await?;
    Ok(answered)
}

async fn get(shop: &Shop, address: &str, url: &Url, times: usize) -> anyhow::Result<f64> {
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}{query}", url.path());
    let bytes =
        format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n", shop.api_key);
    let request = Request { bytes: bytes.into_bytes().into() };
    // The first few make connections and plans.
    let requests = Arc::new(vec![request; times + 3]);
    let answered = closed_loop(address, &requests, 1, Duration::from_secs(60), 200).await?;
    Ok(answered.quantile(0.5))
}

/// The page has as many orders as there are, up to its size.
async fn count(shop: &Shop, url: &Url, condition: &str) -> anyhow::Result<()> {
    let client = packline::http_client::builder().build()?;
    let answer: Value = client.get(url.clone()).bearer_auth(&shop.api_key).send().await?.json().await?;
    let listed = answer["data"].as_array().context("no list")?.len();
    let query = format!("select count(*) from (select from orders where {condition} limit {PAGE}) as found");
    let there: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&shop.pool).await?;
    ensure!(i64::try_from(listed)? == there, "{listed} orders are listed, not {there}");
    Ok(())
}
