//! The `packline` program. Everything it does is in the library; see [`packline::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    packline::cli::run()
}
