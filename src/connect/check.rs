//! What platforms ask for, and what is right: all faults at once.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::account::DefaultCommission;
use super::events::ACCOUNT_ID;
use crate::api::FieldError;
use crate::money::{Commission, Currency};
use crate::stripe::params::BusinessType;

/// Stripe takes at most twelve digits in any currency.
const MOST_MONEY: i64 = 999_999_999_999;
/// Stripe takes 50; one is ours.
const MOST_METADATA: usize = 49;
const BUSINESS_TYPES: [(&str, BusinessType); 4] = [
    ("individual", BusinessType::Individual),
    ("company", BusinessType::Company),
    ("non_profit", BusinessType::NonProfit),
    ("government_entity", BusinessType::GovernmentEntity),
];

/// The body of `POST /v1/connect/accounts`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    /// The platform's own name for whoever will own the account; one account in use for each.
    #[schema(min_length = 1, max_length = 100)]
    pub reference: String,
    /// Two-letter ISO code in capitals; it cannot be changed later.
    #[schema(pattern = "^[A-Z]{2}$", example = "DE")]
    pub country: String,
    /// The owner's.
    #[serde(default)]
    pub email: Option<String>,
    /// `individual`, `company`, `non_profit` or `government_entity`.
    #[serde(default)]
    #[schema(pattern = "^(individual|company|non_profit|government_entity)$")]
    pub business_type: Option<String>,
    /// Ask for the capability `card_payments` beside `transfers`: for accounts that are to stand on the card statement
    /// (`on_behalf_of`).
    #[serde(default)]
    pub card_payments: bool,
    /// What the platform keeps where an order names no commission.
    #[serde(default)]
    pub commission: NewCommission,
    /// The platform's own notes, texts; Stripe keeps them too.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>)]
    pub metadata: Map<String, Value>,
}

/// The body of `POST /v1/connect/oauth`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartOauth {
    /// The platform's own name for whoever owns the account; one account in use for each.
    #[schema(min_length = 1, max_length = 100)]
    pub reference: String,
    /// Filled in for the owner.
    #[serde(default)]
    pub email: Option<String>,
    /// What the platform keeps where an order names no commission.
    #[serde(default)]
    pub commission: NewCommission,
}

/// A commission with the currency of its fixed part.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewCommission {
    /// Minor units of `currency`.
    #[schema(minimum = 0)]
    pub fixed: i64,
    /// Of the fixed part, three-letter ISO code.
    #[schema(pattern = "^[A-Za-z]{3}$")]
    pub currency: Option<String>,
    /// Hundredths of a per cent.
    #[schema(maximum = 10_000)]
    pub basis_points: u16,
}

/// A request that passed.
pub(super) struct Checked {
    pub commission: DefaultCommission,
}

impl CreateAccount {
    pub(super) fn check(&self) -> Result<Checked, Vec<FieldError>> {
        let mut faults = Faults::default();
        faults.reference(&self.reference);
        let is_code = self.country.len() == 2 && self.country.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_code {
            faults.add("country", "give a two-letter ISO 3166-1 code in capitals, such as DE");
        }
        faults.email(self.email.as_deref());
        if self.business_type.as_deref().is_some_and(|kind| business_type(kind).is_none()) {
            let known = BUSINESS_TYPES.map(|(known, _)| known).join(", ");
            faults.add("business_type", &format!("give one of {known}"));
        }
        faults.metadata(&self.metadata);
        let commission = faults.commission(&self.commission);
        faults.finish(commission)
    }
}

impl StartOauth {
    pub(super) fn check(&self) -> Result<Checked, Vec<FieldError>> {
        let mut faults = Faults::default();
        faults.reference(&self.reference);
        faults.email(self.email.as_deref());
        let commission = faults.commission(&self.commission);
        faults.finish(commission)
    }
}

/// What an owner is, in Stripe's words.
pub(super) fn business_type(text: &str) -> Option<BusinessType> {
    BUSINESS_TYPES.iter().find(|(known, _)| *known == text).map(|(_, kind)| *kind)
}

#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    fn add(&mut self, field: &str, message: &str) {
        self.0.push(FieldError::new(field, message));
    }

    fn finish(self, commission: Option<DefaultCommission>) -> Result<Checked, Vec<FieldError>> {
        match commission {
            Some(commission) if self.0.is_empty() => Ok(Checked { commission }),
            _ => Err(self.0),
        }
    }

    fn reference(&mut self, reference: &str) {
        let is_good = !reference.trim().is_empty()
            && reference.chars().count() <= 100
            && !reference.chars().any(char::is_control);
        if !is_good {
            self.add("reference", "give 1 to 100 characters, without control characters");
        }
    }

    fn email(&mut self, email: Option<&str>) {
        let is_good = |email: &str| {
            let is_plain = !email.chars().any(|letter| letter.is_control() || letter.is_whitespace());
            email.contains('@') && email.chars().count() <= 320 && is_plain
        };
        if email.is_some_and(|email| !is_good(email)) {
            self.add("email", "give an e-mail address");
        }
    }

    fn metadata(&mut self, metadata: &Map<String, Value>) {
        if metadata.len() > MOST_METADATA {
            self.add("metadata", &format!("give at most {MOST_METADATA} entries"));
        }
        for (key, value) in metadata {
            let field = format!("metadata.{key}");
            let is_good = |text: &str| text.chars().count() <= 500 && !text.contains('\0');
            let is_key = (1..=40).contains(&key.chars().count()) && !key.contains(['\0', '[', ']']);
            if key == ACCOUNT_ID {
                self.add(&field, "this key is Packline's own; take another");
            } else if !is_key || !value.as_str().is_some_and(is_good) {
                self.add(
                    &field,
                    "give texts of at most 500 characters under keys of 1 to 40, without brackets",
                );
            }
        }
    }

    fn commission(&mut self, asked: &NewCommission) -> Option<DefaultCommission> {
        let before = self.0.len();
        if !(0..=MOST_MONEY).contains(&asked.fixed) {
            self.add("commission.fixed", &format!("give minor units from 0 to {MOST_MONEY}"));
        }
        if asked.basis_points > Commission::MOST_BASIS_POINTS {
            let most = Commission::MOST_BASIS_POINTS;
            self.add("commission.basis_points", &format!("give hundredths of a per cent from 0 to {most}"));
        }
        let currency = asked.currency.as_deref().map(Currency::parse).transpose();
        let currency = currency.map_err(|error| self.add("commission.currency", &error.to_string())).ok()?;
        if asked.fixed != 0 && currency.is_none() {
            self.add("commission.currency", "give the currency of the fixed part");
        }
        let NewCommission { fixed, basis_points, .. } = *asked;
        (self.0.len() == before).then_some(DefaultCommission { fixed, currency, basis_points })
    }
}
