//! What can go wrong with the private Postgres, said so that whoever started Packline knows what to do next.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why the private cluster could not be joined, kept or left.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The machine has no Postgres to run.
    #[error(
        "no Postgres found: Packline needs `initdb` and `postgres`, and looked on PATH, asked pg_config, and looked in \
         the usual install folders.\n\
         Either install Postgres:\n  \
         Debian, Ubuntu   apt-get install postgresql\n  \
         Fedora           dnf install postgresql-server\n  \
         macOS            brew install postgresql@17\n\
         or use one that already runs: set DATABASE_URL=postgres://user:password@host/database"
    )]
    NoPrograms,

    /// The machine's Postgres is of another major version than the one that made the data.
    #[error(
        "the data in {} was made by Postgres {made_by}, but this machine only has Postgres {found}: install Postgres \
         {made_by} beside it (Debian, Ubuntu: apt-get install postgresql-{made_by}; macOS: brew install \
         postgresql@{made_by}), or move that folder away to start empty, or set DATABASE_URL",
        .data.display()
    )]
    OtherVersion {
        /// The data folder.
        data: PathBuf,
        /// The major version that made it.
        made_by: u32,
        /// The major versions on this machine, as a list for people.
        found: String,
    },

    /// Packline runs as root, Postgres may not, and there is nobody to run it as.
    #[error(
        "Postgres refuses to run as root and this machine has neither a user `postgres` nor `nobody`: create one \
         (useradd --system postgres), run Packline as another user, or set DATABASE_URL"
    )]
    NoUser,

    /// There is data, but its owner may not enter a folder above it.
    #[error(
        "Postgres has to run as the user `{user}`, who may not enter the folders above {}: open them (chmod o+x), or \
         move the data folder to a place that everybody can reach, or set DATABASE_URL",
        .data.display()
    )]
    Unreachable {
        /// The data folder.
        data: PathBuf,
        /// Who cannot reach it.
        user: String,
    },

    /// The path cannot be written into Postgres's files.
    #[error(
        "the path {0:?} holds a line break, which Postgres cannot store: choose another PACKLINE_DATA_DIR"
    )]
    LineBreak(PathBuf),

    /// A file or folder did not do what was asked of it.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// A verb phrase, such as `open the lock file`.
        what: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// `initdb`, or the first run of `postgres` on its result, failed.
    #[error(
        "{} failed while creating the private database ({status}); nothing is left behind, so the next start tries \
         again. It said:\n{output}",
        .program.display()
    )]
    Program {
        /// The program's path.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        output: String,
    },

    /// Postgres ended, or did not take queries in time.
    #[error(
        "the private Postgres {how}. The end of its log, {}:\n{tail}\n\
         When the log names no remedy: move {} away to start empty, or set DATABASE_URL to use another Postgres",
        .log.display(),
        .data.display()
    )]
    DidNotStart {
        /// What happened, as the rest of a sentence.
        how: String,
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
        /// The data folder.
        data: PathBuf,
    },

    /// Postgres ignored both a fast and an immediate shutdown.
    #[error(
        "the private Postgres (pid {pid}) does not stop: look at what it does, then end it with kill -QUIT {pid}"
    )]
    DidNotStop {
        /// The server's process.
        pid: i32,
    },

    /// The keeper did not come up.
    #[error(
        "the process that stops the private Postgres after a crash did not start: `{} keep-cluster {}` has to run until \
         the last user is gone; run it by hand to see what is wrong",
        .program.display(),
        .folder.display()
    )]
    NoKeeper {
        /// The program that was to keep the cluster.
        program: PathBuf,
        /// The cluster's folder.
        folder: PathBuf,
    },

    /// Another process starts, stops or leaves the cluster and does not come to an end.
    #[error(
        "waited too long for another Packline process that is starting or stopping the private Postgres: find it with \
         `fuser {}` and end it",
        .lock.display()
    )]
    Busy {
        /// The lock that it holds.
        lock: PathBuf,
    },
}

impl ClusterError {
    /// Turns what the operating system said into an error that names the act and the place.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// How much of a log or of a program's output an error quotes.
const TAIL_LINES: usize = 15;

/// The end of what was logged or printed.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
