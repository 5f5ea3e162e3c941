//! The client of Stripe's API, against servers that answer by script.

mod answers;
mod files;
mod limits;
mod lists;
mod objects;
mod requests;
mod retries;
mod server;
mod shapes;

pub use server::{Scripted, Step};
