//! Connected accounts, through the front door and against the local Stripe.

mod events;
mod leaving;
mod oauth;
mod onboarding;
mod platform;
mod returning;
