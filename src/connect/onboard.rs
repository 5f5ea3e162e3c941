//! Onboarding: an account is made at Stripe, and its owner is sent there to fill it in.
//!
//! The row is written before Stripe is asked, with the key under which it is asked; the answer is recorded after, each
//! in a transaction of its own and none open in between. Whoever finds a row without an answer, a repeated request or
//! the worker, asks again under the same key: Stripe makes one account, however often it is asked. Once the key is too old
//! for that, the account is looked for, and none is made in its place.

use actix_web::http::StatusCode;
use futures_util::StreamExt;
use serde::Serialize;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::account::{Account, AccountState, Facts};
use super::check::{Checked, CreateAccount, business_type};
use super::events::{ACCOUNT_ID, account_key};
use super::platform::{LEASE, Platform, call_failed, next_try};
use super::store::{self, NewAccountRow, NewToken, Purpose};
use super::token::Token;
use crate::api::{Answer, ApiError, ApiKey, Claim, IdempotencyKey};
use crate::db;
use crate::stripe::params::{
    AccountLinkType, AccountType, CapabilityRequest, CreatedAfter, ListAccounts, NewAccount, NewAccountLink,
    NewCapabilities, NewMetadata,
};
use crate::stripe::{self, Call, CallError, Client};

/// How long the addresses that an account link carries are good for: the link itself expires within minutes, and its
/// owner may come back to it tomorrow.
const TOKEN_LIFE: Duration = Duration::days(7);
/// Stripe knows an idempotency key for a day; after that the same question would make a second account, so that the first
/// is looked for.
const KEY_LIFE: Duration = Duration::hours(23);
/// How far an account's making may lie outside of the time in which it was asked for.
const AROUND: Duration = Duration::hours(1);
/// Why an account was not made, for people.
const NEVER_MADE: &str = "Stripe did not answer for a day and made no such account; ask for it again, with another \
                          Idempotency-Key";
const KEY_TOO_OLD: &str = "its key is too old to ask again; it is looked for once no try can be under way";

/// What `POST /v1/connect/accounts` answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewConnectedAccount {
    /// The account.
    pub account: Account,
    /// Where to send its owner.
    pub onboarding: OnboardingLink,
}

/// Where to send an account's owner, once: for the next time make another.
#[derive(Debug, Serialize, ToSchema)]
pub struct OnboardingLink {
    /// Stripe's page.
    pub url: String,
    /// Within minutes; a later visit is sent on to a fresh link.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

impl Platform {
    /// Makes an account and a link to its onboarding. Returns the answer, and whether it was given before.
    ///
    /// # Errors
    /// 409 where the reference is in use, 422 where Stripe refuses, 503 where Stripe gave no answer: then a repetition
    /// with the same idempotency key goes on where this one ended.
    pub(super) async fn create(
        &self,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &CreateAccount,
    ) -> Result<(Answer, bool), ApiError> {
        let checked = asked.check().map_err(ApiError::invalid)?;
        self.stripe()?;
        let id = match self.begin(key, idempotency, asked, &checked).await? {
            Begun::Answered(answer) => return Ok((answer, true)),
            Begun::Row(id) => id,
        };
        self.ask_for(id, 0).await??;
        let onboarding = self.link(id).await?;

        let mut tx = self.pool.begin().await?;
        let answer = self.answer(&mut tx, idempotency, id, onboarding).await;
        db::end(tx, answer).await
    }

    async fn answer(
        &self,
        conn: &mut PgConnection,
        idempotency: Option<&IdempotencyKey>,
        id: Uuid,
        onboarding: OnboardingLink,
    ) -> Result<(Answer, bool), ApiError> {
        let account = load(conn, id).await?;
        let body = serde_json::to_string(&NewConnectedAccount { account, onboarding })
            .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        let answer = Answer { status: StatusCode::CREATED, body };
        if let Some(idempotency) = idempotency {
            if let Some(answer) = idempotency.claim(conn).await? {
                return Ok((answer, true));
            }
            idempotency.keep(conn, &answer, self.clock.now()).await?;
        }
        Ok((answer, false))
    }

    /// Writes the row, or finds the one that the same request wrote before.
    async fn begin(
        &self,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &CreateAccount,
        checked: &Checked,
    ) -> Result<Begun, ApiError> {
        let mut tx = self.pool.begin().await?;
        let begun = self.begin_in(&mut tx, key, idempotency, asked, checked).await;
        db::end(tx, begun).await
    }

    async fn begin_in(
        &self,
        conn: &mut PgConnection,
        key: ApiKey,
        idempotency: Option<&IdempotencyKey>,
        asked: &CreateAccount,
        checked: &Checked,
    ) -> Result<Begun, ApiError> {
        let now = self.clock.now();
        if let Some(idempotency) = idempotency {
            match idempotency.look_up(conn).await? {
                Claim::New => {}
                Claim::Begun(id) => return Ok(Begun::Row(id)),
                Claim::Answered(answer, _) => return Ok(Begun::Answered(answer)),
            }
        }
        let id = Uuid::now_v7();
        let row = NewAccountRow {
            id,
            reference: &asked.reference,
            livemode: self.livemode,
            country: &asked.country,
            email: asked.email.as_deref(),
            business_type: asked.business_type.as_deref(),
            card_payments: asked.card_payments,
            metadata: &asked.metadata,
            commission: checked.commission,
            create_key: &create_key(id),
            api_key_id: key.id,
        };
        store::insert_account(conn, &row, now + LEASE, now)
            .await
            .map_err(|error| reference_taken(&error, &asked.reference).unwrap_or_else(|| error.into()))?;
        if let Some(idempotency) = idempotency {
            idempotency.begin(conn, id, now).await?;
        }
        tracing::info!(account.id = %id, "connected account asked for");
        Ok(Begun::Row(id))
    }

    /// Asks Stripe for an account that is not made yet, and records the answer. The inner error is Stripe's refusal.
    pub(super) async fn ask_for(&self, id: Uuid, failures: i32) -> Result<Result<(), ApiError>, ApiError> {
        let account = load(&mut *self.pool.acquire().await?, id).await?;
        match account.state {
            AccountState::Creating => {}
            AccountState::Refused => {
                let reason = account.reason.unwrap_or_default();
                return Ok(Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "stripe_refused", reason)));
            }
            AccountState::Disconnected | AccountState::Disconnecting => {
                let message = "the account that this request made was disconnected since";
                return Ok(Err(ApiError::conflict("account_disconnected", message)));
            }
            AccountState::Connected => return Ok(Ok(())),
        }
        let client = self.stripe()?;
        let age = self.clock.now() - account.created_at;
        let answer = if age > KEY_LIFE {
            find_made(client, &account).await
        } else {
            let (new, key) = (new_account(&account), create_key(id));
            client.create_account(&new, Call { idempotency_key: &key, account: None }).await.map(Some)
        };

        let now = self.clock.now();
        let mut tx = self.pool.begin().await?;
        let outcome = match answer {
            Ok(Some(made)) => {
                store::connect(&mut tx, id, &made.id, &Facts::of(&made), now).await?;
                (self.wake)(&mut tx, vec![account_key(&made.id)], now).await?;
                tracing::info!(account.id = %id, stripe.account = made.id, "connected account made");
                Ok(Ok(()))
            }
            // No try of it can be under way any more: what is not there never will be.
            Ok(None) if age > KEY_LIFE + LEASE => {
                store::refuse(&mut tx, id, NEVER_MADE, now).await?;
                tracing::warn!(account.id = %id, "connected account never made");
                Ok(Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "stripe_refused", NEVER_MADE)))
            }
            Ok(None) => {
                store::put_off(&mut tx, id, KEY_TOO_OLD, Some(now + LEASE), now).await?;
                Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stripe_outcome_unknown", KEY_TOO_OLD))
            }
            Err(error @ CallError::Refused(_)) if age <= KEY_LIFE => {
                store::refuse(&mut tx, id, &error.to_string(), now).await?;
                tracing::warn!(account.id = %id, error = %error, "connected account refused");
                Ok(Err(call_failed(&error)))
            }
            Err(error) => {
                store::put_off(&mut tx, id, &error.to_string(), Some(next_try(failures, now)), now).await?;
                tracing::warn!(account.id = %id, error = %error, "no answer to the making of a connected account");
                Err(call_failed(&error))
            }
        };
        tx.commit().await?;
        outcome
    }

    /// Makes a link for the owner of an account.
    ///
    /// # Errors
    /// 409 where the account is not connected; else as [`Platform::create`].
    pub(super) async fn link(&self, id: Uuid) -> Result<OnboardingLink, ApiError> {
        let client = self.stripe()?;
        let now = self.clock.now();
        let (refresh, back) = (Token::random(), Token::random());
        let mut tx = self.pool.begin().await?;
        let account = load(&mut tx, id).await?;
        let (Some(stripe_id), AccountState::Connected) = (&account.stripe_id, account.state) else {
            let message = format!(
                "the account is {}: only a connected one has an onboarding; POST /v1/connect/accounts makes another \
                 under the same reference, POST /v1/connect/oauth lets its owner connect it again",
                account.state
            );
            return Err(ApiError::conflict("account_not_connected", message));
        };
        let number = store::next_link(&mut tx, id).await?;
        for (token, purpose) in [(&refresh, Purpose::Refresh), (&back, Purpose::Return)] {
            let row = NewToken {
                hash: &token.hash(),
                purpose,
                account_id: Some(id),
                grant_id: None,
                browser: None,
                expires_at: now + TOKEN_LIFE,
            };
            store::insert_token(&mut tx, &row, now).await?;
        }
        tx.commit().await?;

        let new = NewAccountLink {
            account: stripe_id.clone(),
            link_type: AccountLinkType::AccountOnboarding,
            refresh_url: self.address("connect/refresh", &refresh.0),
            return_url: self.address("connect/return", &back.0),
        };
        let key = format!("packline-account-{id}-link-{number}");
        let made = client.create_account_link(&new, Call { idempotency_key: &key, account: None }).await;
        let made = made.map_err(|error| {
            tracing::warn!(account.id = %id, error = %error, "no account link");
            call_failed(&error)
        })?;
        let expires_at = OffsetDateTime::from_unix_timestamp(made.expires_at).unwrap_or(now);
        Ok(OnboardingLink { url: made.url, expires_at })
    }
}

enum Begun {
    Answered(Answer),
    Row(Uuid),
}

pub(super) async fn load(conn: &mut PgConnection, id: Uuid) -> sqlx::Result<Account> {
    store::load_accounts(conn, &[id]).await?.pop().ok_or(sqlx::Error::RowNotFound)
}

fn create_key(id: Uuid) -> String {
    format!("packline-account-{id}")
}

/// The parameters must be the same in every try: they come from the row, never from the request.
fn new_account(account: &Account) -> NewAccount {
    let mut metadata: NewMetadata = account
        .metadata
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    metadata.insert(ACCOUNT_ID.to_owned(), account.id.to_string());
    let requested = || Some(CapabilityRequest { requested: true });
    NewAccount {
        account_type: Some(AccountType::Express),
        country: account.country.clone(),
        email: account.email.clone(),
        business_type: account.business_type.as_deref().and_then(business_type),
        capabilities: Some(NewCapabilities {
            card_payments: requested().filter(|_| account.card_payments),
            transfers: requested(),
        }),
        metadata,
        ..NewAccount::default()
    }
}

/// Looks for the account that was asked for without an answer, among those that were made while it was asked for.
/// Stripe's clock may be a little off ours.
async fn find_made(client: &Client, account: &Account) -> Result<Option<stripe::Account>, CallError> {
    let made = CreatedAfter {
        gte: Some((account.created_at - AROUND).unix_timestamp()),
        lt: Some((account.created_at + KEY_LIFE + AROUND).unix_timestamp()),
    };
    let mut accounts = client.list_accounts(ListAccounts { created: Some(made) });
    let id = account.id.to_string();
    while let Some(made) = accounts.next().await {
        let made = made?;
        if made.metadata.get(ACCOUNT_ID) == Some(&id) {
            return Ok(Some(made));
        }
    }
    Ok(None)
}

pub(super) fn reference_taken(error: &sqlx::Error, reference: &str) -> Option<ApiError> {
    let constraint = error.as_database_error()?.constraint()?;
    (constraint == "connected_accounts_reference_in_use").then(|| {
        let message = format!(
            "reference: an account is in use for {reference:?} already; GET /v1/connect/accounts?reference=… finds it, \
             POST /v1/connect/accounts/{{id}}/link makes a fresh link"
        );
        ApiError::conflict("reference_taken", message)
    })
}
