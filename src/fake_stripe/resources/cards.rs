//! Test cards and test bank accounts: which number behaves how, and by which names they are called.

/// How a payment with a card ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is paid.
    Pays,
    /// It is declined.
    Declines(&'static Decline),
    /// It is paid, then disputed with this reason.
    Disputed(&'static str),
    /// It is paid, then the bank asks before it disputes.
    Inquiry,
    /// It is paid, then the bank warns of fraud.
    FraudWarning,
    /// It is paid; refunds stay pending for a while.
    RefundPends,
    /// It is paid; refunds seem to succeed, then fail.
    RefundFails,
}

/// When a card wants its owner to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// Never.
    Nothing,
    /// Each time.
    Always,
    /// Each time that the owner is there, and otherwise unless it was set up for later.
    UnlessSetUp,
    /// Each time that the owner is there; it was set up for later already.
    OnSession,
}

/// Why a bank says no.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decline {
    /// Stripe's code.
    pub(super) code: &'static str,
    /// The bank's reason.
    pub(super) decline_code: Option<&'static str>,
    /// For the customer.
    pub(super) message: &'static str,
}

/// A test card.
#[derive(Debug)]
pub(super) struct Card {
    /// The name after `pm_card_` and `tok_`.
    pub(super) name: &'static str,
    /// All digits.
    pub(super) number: &'static str,
    /// Such as `visa`.
    pub(super) brand: &'static str,
    /// `credit`, `debit` or `prepaid`.
    pub(super) funding: &'static str,
    /// How a payment ends.
    pub(super) ending: Ending,
    /// When it wants authentication.
    pub(super) wants: Wants,
}

const fn declined(decline_code: &'static str, message: &'static str) -> Decline {
    Decline { code: "card_declined", decline_code: Some(decline_code), message }
}

const NO: &str = "Your card was declined.";
const GENERIC: Decline = declined("generic_decline", NO);
const FUNDS: Decline = declined("insufficient_funds", "Your card has insufficient funds.");
const LOST: Decline = declined("lost_card", NO);
const STOLEN: Decline = declined("stolen_card", NO);
const FRAUD: Decline = declined("fraudulent", NO);
const OFTEN: Decline = declined(
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
);
const EXPIRED: Decline =
    Decline { code: "expired_card", decline_code: Some("expired_card"), message: "Your card has expired." };
const CVC: Decline = Decline {
    code: "incorrect_cvc",
    decline_code: Some("incorrect_cvc"),
    message: "Your card's security code is incorrect.",
};
const PROCESSING: Decline = Decline {
    code: "processing_error",
    decline_code: Some("processing_error"),
    message: "An error occurred while processing your card. Try again in a little bit.",
};

const fn pays(name: &'static str, number: &'static str, brand: &'static str, funding: &'static str) -> Card {
    Card { name, number, brand, funding, ending: Ending::Pays, wants: Wants::Nothing }
}

const fn ends(name: &'static str, number: &'static str, ending: Ending) -> Card {
    Card { name, number, brand: "visa", funding: "credit", ending, wants: Wants::Nothing }
}

const fn declines(name: &'static str, number: &'static str, decline: &'static Decline) -> Card {
    ends(name, number, Ending::Declines(decline))
}

const fn wants(name: &'static str, number: &'static str, wants: Wants, ending: Ending) -> Card {
    Card { name, number, brand: "visa", funding: "credit", ending, wants }
}

/// All test cards.
pub(super) const CARDS: &[Card] = &[
    pays("visa", "4242424242424242", "visa", "credit"),
    pays("us", "4242424242424242", "visa", "credit"),
    pays("visa_debit", "4000056655665556", "visa", "debit"),
    pays("mastercard", "5555555555554444", "mastercard", "credit"),
    pays("mastercard_debit", "5200828282828210", "mastercard", "debit"),
    pays("mastercard_prepaid", "5105105105105100", "mastercard", "prepaid"),
    pays("amex", "378282246310005", "amex", "credit"),
    pays("discover", "6011111111111117", "discover", "credit"),
    pays("diners", "3056930009020004", "diners", "credit"),
    pays("jcb", "3566002020360505", "jcb", "credit"),
    pays("unionpay", "6200000000000005", "unionpay", "credit"),
    pays("bypassPending", "4000000000000077", "visa", "credit"),
    pays("threeDSecureOptional", "4000000000003055", "visa", "credit"),
    declines("chargeDeclined", "4000000000000002", &GENERIC),
    declines("chargeDeclinedInsufficientFunds", "4000000000009995", &FUNDS),
    declines("chargeDeclinedLostCard", "4000000000009987", &LOST),
    declines("chargeDeclinedStolenCard", "4000000000009979", &STOLEN),
    declines("chargeDeclinedFraudulent", "4100000000000019", &FRAUD),
    declines("radarBlock", "4100000000000019", &FRAUD),
    declines("chargeDeclinedExpiredCard", "4000000000000069", &EXPIRED),
    declines("chargeDeclinedIncorrectCvc", "4000000000000127", &CVC),
    declines("chargeDeclinedProcessingError", "4000000000000119", &PROCESSING),
    declines("chargeDeclinedVelocityLimitExceeded", "4000000000006975", &OFTEN),
    declines("chargeCustomerFail", "4000000000000341", &GENERIC),
    ends("createDispute", "4000000000000259", Ending::Disputed("fraudulent")),
    ends("createDisputeProductNotReceived", "4000000000002685", Ending::Disputed("product_not_received")),
    ends("createDisputeInquiry", "4000000000001976", Ending::Inquiry),
    ends("createIssuerFraudRecord", "4000000000005423", Ending::FraudWarning),
    ends("pendingRefund", "4000000000007726", Ending::RefundPends),
    ends("refundFail", "4000000000005126", Ending::RefundFails),
    wants("authenticationRequired", "4000002760003184", Wants::Always, Ending::Pays),
    wants("threeDSecure2Required", "4000000000003220", Wants::Always, Ending::Pays),
    wants("threeDSecureRequired", "4000000000003063", Wants::Always, Ending::Pays),
    wants("authenticationRequiredOnSetup", "4000002500003155", Wants::UnlessSetUp, Ending::Pays),
    wants("authenticationRequiredSetupForOffSession", "4000003800000446", Wants::OnSession, Ending::Pays),
    wants(
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        Wants::Always,
        Ending::Declines(&FUNDS),
    ),
    wants(
        "threeDSecureRequiredChargeDeclined",
        "4000008400001629",
        Wants::Always,
        Ending::Declines(&GENERIC),
    ),
];

/// The card of a name such as `visa` or `visa_chargeDeclined`.
pub(super) fn named(name: &str) -> Option<&'static Card> {
    let find = |name: &str| CARDS.iter().find(|card| card.name == name);
    find(name).or_else(|| find(name.strip_prefix("visa_")?))
}

/// The card of a number; spaces do not count.
pub(super) fn numbered(number: &str) -> Option<&'static Card> {
    let digits: String = number.chars().filter(|letter| !letter.is_whitespace()).collect();
    CARDS.iter().find(|card| card.number == digits)
}

/// How a debit of a bank account ends, some time after it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Debit {
    /// The names after `pm_`.
    pub(super) names: &'static [&'static str],
    /// `sepa_debit` or `us_bank_account`.
    pub(super) kind: &'static str,
    /// The IBAN or the account number.
    pub(super) number: &'static str,
    /// Why it fails, if it does.
    pub(super) failure: Option<&'static str>,
    /// Seconds until it is settled.
    pub(super) after: i64,
}

const fn debit(
    names: &'static [&'static str],
    kind: &'static str,
    number: &'static str,
    failure: Option<&'static str>,
    after: i64,
) -> Debit {
    Debit { names, kind, number, failure, after }
}

/// "Immediately", as Stripe's documents have it.
const SOON: i64 = 2;
/// "After at least three minutes."
const LATER: i64 = 180;
const SEPA: &str = "sepa_debit";
const ACH: &str = "us_bank_account";
const CLOSED: Option<&str> = Some("bank_account_restricted");
const NO_FUNDS: Option<&str> = Some("insufficient_funds");

/// All test bank accounts.
const DEBITS: &[Debit] = &[
    debit(&["sepaDebit", "success_de", "success_at"], SEPA, "AT611904300234573201", None, SOON),
    debit(&[], SEPA, "DE89370400440532013000", None, SOON),
    debit(&["successDelayed_at"], SEPA, "AT321904300235473204", None, LATER),
    debit(&["sepaDebit_fails", "failed_at"], SEPA, "AT861904300235473202", NO_FUNDS, SOON),
    debit(&[], SEPA, "DE62370400440532013001", NO_FUNDS, SOON),
    debit(&["failedDelayed_at"], SEPA, "AT051904300235473205", NO_FUNDS, LATER),
    debit(&["usBankAccount", "usBankAccount_success"], ACH, "000123456789", None, SOON),
    debit(&["usBankAccount_processing"], ACH, "000000000009", None, LATER),
    debit(&["usBankAccount_accountClosed"], ACH, "000111111113", CLOSED, SOON),
    debit(&["usBankAccount_insufficientFunds"], ACH, "000222222227", NO_FUNDS, SOON),
    debit(&["usBankAccount_debitNotAuthorized"], ACH, "000333333335", Some("debit_not_authorized"), SOON),
];

/// The bank account of a name after `pm_`.
pub(super) fn debit_named(name: &str) -> Option<&'static Debit> {
    DEBITS.iter().find(|debit| debit.names.contains(&name))
}

/// The bank account of an IBAN or number.
pub(super) fn debit_numbered(number: &str) -> Option<&'static Debit> {
    let plain: String = number.chars().filter(|letter| !letter.is_whitespace()).collect();
    DEBITS.iter().find(|debit| debit.number == plain)
}
