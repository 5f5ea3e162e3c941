//! The words for a connected account: its state, what it may do, and what stands between it and a payment.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::Placed;
use crate::money::{Commission, Currency};
use crate::stripe;

/// Where an account is on its way in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Stripe is being asked to make it, or its answer was lost and is asked for again.
    Creating,
    /// Ours to send money to, as far as Stripe allows.
    Connected,
    /// We are leaving it; Stripe's answer is not known yet.
    Disconnecting,
    /// No longer ours.
    Disconnected,
    /// Stripe did not make it.
    Refused,
}

impl AccountState {
    /// All states.
    pub const ALL: &[Self] =
        &[Self::Creating, Self::Connected, Self::Disconnecting, Self::Disconnected, Self::Refused];

    /// The state as tables and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Connected => "connected",
            Self::Disconnecting => "disconnecting",
            Self::Disconnected => "disconnected",
            Self::Refused => "refused",
        }
    }
}

impl FromStr for AccountState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let known = Self::ALL.iter().find(|state| state.as_str() == text);
        known.copied().ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A state in a table that this version of Packline does not know.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no state of an account that this version knows; was the database written by a newer one?")]
pub struct UnknownState(String);

/// What Stripe says an account may do, and what it wants to know of its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Facts {
    /// Whether it may take charges of its own.
    pub charges_enabled: bool,
    /// Whether Stripe pays out what it holds.
    pub payouts_enabled: bool,
    /// Whether its owner has finished the onboarding form.
    pub details_submitted: bool,
    /// The capability that payments with a destination need: `active`, `inactive`, `pending`; none where it was not
    /// asked for.
    pub transfers: Option<String>,
    /// The capability `card_payments`, which payments on behalf of the account need: as `transfers`.
    pub card_payments_status: Option<String>,
    /// What is missing.
    pub requirements: Requirements,
}

/// What Stripe wants to know of an account's owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Requirements {
    /// By `current_deadline`, such as `individual.verification.document`.
    pub currently_due: Vec<String>,
    /// What it did not learn in time.
    pub past_due: Vec<String>,
    /// Why charges or payouts are held back.
    pub disabled_reason: Option<String>,
    /// When charges or payouts will be held back.
    #[serde(with = "time::serde::rfc3339::option")]
    pub current_deadline: Option<OffsetDateTime>,
}

impl Facts {
    /// What a snapshot of the account says.
    pub fn of(account: &stripe::Account) -> Self {
        let requirements = &account.requirements;
        let deadline = requirements.current_deadline;
        Self {
            charges_enabled: account.charges_enabled,
            payouts_enabled: account.payouts_enabled,
            details_submitted: account.details_submitted,
            transfers: account.capabilities.get("transfers").cloned(),
            card_payments_status: account.capabilities.get("card_payments").cloned(),
            requirements: Requirements {
                currently_due: requirements.currently_due.clone(),
                past_due: requirements.past_due.clone(),
                disabled_reason: requirements.disabled_reason.clone(),
                current_deadline: deadline.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
            },
        }
    }

    /// How much it may do.
    pub(super) fn abilities(&self) -> usize {
        let transfers = self.transfers.as_deref() == Some("active");
        [self.charges_enabled, self.payouts_enabled, self.details_submitted, transfers]
            .into_iter()
            .filter(|is_able| *is_able)
            .count()
    }
}

/// The commission where an order names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DefaultCommission {
    /// Minor units of `currency`.
    pub fixed: i64,
    /// The currency of the fixed part; there where that is not 0.
    pub currency: Option<Currency>,
    /// Hundredths of a per cent.
    pub basis_points: u16,
}

impl DefaultCommission {
    /// Without the currency.
    pub fn commission(self) -> Commission {
        Commission { fixed: self.fixed, basis_points: self.basis_points }
    }
}

/// A connected account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ConnectedAccount)]
pub struct Account {
    /// Ours.
    pub id: Uuid,
    /// `acct_…`; none until Stripe's answer to its creation is known.
    pub stripe_id: Option<String>,
    /// The platform's own name for whoever owns it.
    pub reference: String,
    /// Its mode of Stripe.
    pub livemode: bool,
    /// `onboarding` or `oauth`.
    pub joined_by: String,
    /// Where it is on its way.
    pub state: AccountState,
    /// Why it is there.
    pub reason: Option<String>,
    /// Whether a payment can go to it now.
    pub can_receive: bool,
    /// What stands between it and a payment.
    pub obstacle: Option<String>,
    /// Two-letter ISO code.
    pub country: Option<String>,
    /// The owner's.
    pub email: Option<String>,
    /// `individual`, `company`, `non_profit` or `government_entity`.
    pub business_type: Option<String>,
    /// Whether `card_payments` was asked for beside `transfers`.
    pub card_payments: bool,
    /// The platform's own notes.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
    /// What the owner granted by OAuth.
    pub scope: Option<String>,
    /// Where an order names none.
    pub commission: DefaultCommission,
    /// Stripe's word.
    #[serde(flatten)]
    pub facts: Facts,
    /// As of when.
    #[serde(with = "time::serde::rfc3339::option")]
    pub told_at: Option<OffsetDateTime>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When anything of it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When it became ours.
    #[serde(with = "time::serde::rfc3339::option")]
    pub connected_at: Option<OffsetDateTime>,
    /// When it ceased to be.
    #[serde(with = "time::serde::rfc3339::option")]
    pub disconnected_at: Option<OffsetDateTime>,
}

impl Placed for Account {
    fn place(&self) -> (OffsetDateTime, Uuid) {
        (self.created_at, self.id)
    }
}

/// Why no payment can go to an account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Nobody knows it.
    #[error("no connected account has the id {0:?}; `GET /v1/connect/accounts` lists them")]
    Unknown(String),
    /// It lives in the other mode.
    #[error(
        "the account {account} is connected in {} mode, but this service is for {} mode: connect it in this mode",
        mode(!.ours), mode(*.ours)
    )]
    OtherMode {
        /// Which.
        account: String,
        /// Our mode.
        ours: bool,
    },
    /// It is not ours, not yet or no longer.
    #[error("the account {account} is {state}{}: only a connected account can receive payments", because(.reason))]
    NotConnected {
        /// Which.
        account: String,
        /// Its state.
        state: AccountState,
        /// Why it is so.
        reason: Option<String>,
    },
    /// Stripe does not let it.
    #[error(
        "Stripe does not let the account {account} receive transfers yet (transfers: {status}){}: its owner must finish \
         onboarding, by a link from POST /v1/connect/accounts/{{id}}/link",
        because(.missing)
    )]
    NoTransfers {
        /// Which.
        account: String,
        /// The capability's.
        status: String,
        /// What is missing.
        missing: Option<String>,
    },
    /// It may get transfers, but not stand on the customer's card statement.
    #[error(
        "Stripe does not let the account {account} take card payments (card_payments: {status}){}, so it cannot be the \
         business that the customer sees: leave `on_behalf_of` out, or have its owner finish onboarding of an account \
         that was made with `card_payments`",
        because(.missing)
    )]
    NoCardPayments {
        /// Which.
        account: String,
        /// The capability's.
        status: String,
        /// What is missing.
        missing: Option<String>,
    },
    /// Its commission has a fixed part in another currency than the payment.
    #[error(
        "the account {account} has a fixed commission in {theirs}, but the payment is in {asked}: give the commission \
         with the order"
    )]
    FeeCurrency {
        /// Which.
        account: String,
        /// The commission's.
        theirs: Currency,
        /// The payment's.
        asked: Currency,
    },
}

impl Account {
    /// What stands between the account and a payment, if anything.
    pub fn obstacle(&self, livemode: bool) -> Option<Obstacle> {
        let account = self.stripe_id.clone().unwrap_or_else(|| self.id.to_string());
        if self.livemode != livemode {
            return Some(Obstacle::OtherMode { account, ours: livemode });
        }
        if self.state != AccountState::Connected {
            return Some(Obstacle::NotConnected { account, state: self.state, reason: self.reason.clone() });
        }
        let status = self.facts.transfers.clone().unwrap_or_else(|| "not asked for".to_owned());
        (status != "active").then(|| Obstacle::NoTransfers { account, status, missing: self.missing() })
    }

    /// What stands between the account and a payment on its behalf, beside that.
    pub fn obstacle_to_standing_in(&self) -> Option<Obstacle> {
        let account = self.stripe_id.clone().unwrap_or_else(|| self.id.to_string());
        let status = self.facts.card_payments_status.clone().unwrap_or_else(|| "not asked for".to_owned());
        (status != "active").then(|| Obstacle::NoCardPayments { account, status, missing: self.missing() })
    }

    /// What Stripe wants to know, in words.
    pub fn missing(&self) -> Option<String> {
        let wanted = &self.facts.requirements;
        let due: Vec<&str> =
            wanted.past_due.iter().chain(&wanted.currently_due).map(String::as_str).collect();
        let due = (!due.is_empty()).then(|| format!("missing: {}", due.join(", ")));
        due.or_else(|| wanted.disabled_reason.clone())
    }
}

fn mode(is_live: bool) -> &'static str {
    if is_live { "live" } else { "test" }
}

fn because(reason: &Option<String>) -> String {
    reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
}
