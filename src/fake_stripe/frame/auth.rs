//! Who calls: a secret key of test mode may do everything, a publishable key what Stripe.js does with a client secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::failure::Failure;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fake_stripe) enum Key {
    /// `sk_test_…` or `rk_test_…`: everything.
    Secret,
    /// `pk_test_…`: what a browser may do.
    Publishable,
}

/// Reads the key from `Authorization`, or from the `key` parameter that Stripe.js sends.
///
/// # Errors
/// 401, in Stripe's words.
pub(in crate::fake_stripe) fn key(
    authorization: Option<&str>,
    parameter: Option<&str>,
) -> Result<Key, Failure> {
    let given = authorization.and_then(from_header).or_else(|| parameter.map(str::to_owned));
    let Some(key) = given.filter(|key| !key.is_empty()) else {
        return Err(Failure::unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using \
             Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication \
             for details, or we can help at https://support.stripe.com/.",
        ));
    };
    let rest = |prefix: &str| key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
    if rest("sk_test_") || rest("rk_test_") {
        Ok(Key::Secret)
    } else if rest("pk_test_") {
        Ok(Key::Publishable)
    } else if ["sk_live_", "rk_live_", "pk_live_"].iter().any(|prefix| key.starts_with(prefix)) {
        Err(Failure::unauthorized(
            "The local Stripe takes no live keys: it is for development. Use any key that begins with sk_test_, and \
             check why a live key was sent here.",
        ))
    } else {
        let shown: String = key.chars().take(3).collect();
        Err(Failure::unauthorized(format!(
            "Invalid API Key provided: {shown}***. The local Stripe takes any key that begins with sk_test_."
        )))
    }
}

fn from_header(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    Some(decoded.split_once(':').map_or(decoded.clone(), |(user, _)| user.to_owned()))
}

/// Refuses what only a secret key may call.
///
/// # Errors
/// 403 with `secret_key_required`.
pub(in crate::fake_stripe) fn secret_only(key: Key) -> Result<(), Failure> {
    match key {
        Key::Secret => Ok(()),
        Key::Publishable => Err(Failure::forbidden(
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list \
             of your API keys at https://dashboard.stripe.com/account/apikeys.",
        )
        .code("secret_key_required")),
    }
}
