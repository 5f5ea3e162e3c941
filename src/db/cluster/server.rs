//! The running Postgres: recognising it, its address, stopping it.
//!
//! Postgres notes its process and its address in `data/postmaster.pid`. That file survives `kill -9`, reboots and copies
//! of the folder, and the pid in it may since belong to anybody. So a pid only counts when that process is a Postgres
//! that was started with exactly this data folder; nothing else is ever signalled.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ROLE;
use super::error::ClusterError;
use super::folder::Folder;
use super::handshake;
use super::patience::wait_for;
use super::socket;

/// How long Postgres gets to end its clients and write everything out, and then to just end. The second is safe as
/// well: the next start recovers from the write-ahead log.
const SHUTDOWNS: [(Signal, Duration); 2] =
    [(Signal::SIGINT, Duration::from_secs(6)), (Signal::SIGQUIT, Duration::from_secs(6))];

/// A Postgres that runs on a folder.
#[derive(Debug)]
pub(super) struct Server {
    pid: i32,
    data: PathBuf,
    /// `None` while it starts, recovers or stops.
    address: Option<Address>,
}

/// Where clients reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    socket_folder: String,
    port: u16,
}

impl Server {
    /// The server of this folder, if one runs.
    pub(super) fn find(folder: &Folder) -> Option<Self> {
        let data = folder.data();
        let (pid, address) = parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)?;
        let server = Self { pid, data, address };
        server.is_running().then_some(server)
    }

    /// Its address, once it takes queries.
    pub(super) fn ready(&self) -> Option<Address> {
        self.address.clone().filter(|address| handshake::takes_queries(&address.socket()))
    }

    /// Whether its socket was deleted, by a cleaner of temporary files for one: it runs, but nobody can reach it.
    pub(super) fn is_cut_off(&self) -> bool {
        self.address.as_ref().is_some_and(|address| !address.socket().exists())
    }

    /// Stops it and waits for its end. The caller holds `start.lock`, so nobody starts another one meanwhile.
    pub(super) fn stop(&self, folder: &Folder) -> Result<(), ClusterError> {
        for (signal, limit) in SHUTDOWNS {
            // A failure means that it has just ended.
            let _ = kill(Pid::from_raw(self.pid), signal);
            if wait_for(limit, || Ok((!self.is_running()).then_some(())))?.is_some() {
                if let Some(address) = &self.address {
                    socket::remove(folder, &address.socket_folder);
                }
                tracing::info!(db.pid = self.pid, "stopped the private Postgres");
                return Ok(());
            }
        }
        Err(ClusterError::DidNotStop { pid: self.pid })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    fn is_running(&self) -> bool {
        command_line_names(self.pid, &self.data)
    }
}

impl Address {
    pub(super) fn url(&self, database: &str) -> String {
        let Self { socket_folder, port } = self;
        let (database, host) = (percent_encode(database), percent_encode(socket_folder));
        format!("postgres://{ROLE}@localhost/{database}?host={host}&port={port}")
    }

    fn socket(&self) -> PathBuf {
        Path::new(&self.socket_folder).join(format!(".s.PGSQL.{}", self.port))
    }
}

/// The process that a `postmaster.pid` was left by, which may have ended long ago.
pub(super) fn noted_pid(folder: &Folder) -> Option<i32> {
    let text = fs::read_to_string(folder.data().join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

/// Pid, data folder, start time, port, socket folder, TCP address, shared memory, status: one a line, added as they
/// become known. The status may be stale, so [`Server::ready`] still asks; it saves asking too early.
fn parse(text: &str) -> Option<(i32, Option<Address>)> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
    let rest: Vec<_> = lines.skip(2).collect();
    let address = match rest[..] {
        [port, socket_folder, _, _, status, ..] if status.trim() == "ready" => {
            let socket_folder = socket_folder.to_owned();
            port.trim().parse().ok().map(|port| Address { socket_folder, port })
        }
        _ => None,
    };
    Some((pid, address))
}

/// Whether a process was started with `data` as one of its arguments. One that has ended but was not yet waited for
/// has no arguments any more.
#[cfg(target_os = "linux")]
fn command_line_names(pid: i32, data: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;

    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
        line.split(|byte| *byte == 0).any(|argument| argument == data.as_os_str().as_bytes())
    })
}

#[cfg(not(target_os = "linux"))]
fn command_line_names(pid: i32, data: &Path) -> bool {
    std::process::Command::new("ps")
        .args(["-ww", "-o", "command=", "-p", &pid.to_string()])
        .output()
        .is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(&*data.to_string_lossy()))
}

/// Everything but letters, digits and what never needs it: psql and sqlx disagree about `+` and spaces otherwise.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_an_address_once_it_is_ready() {
        let first_moments = "4711\n/d/data\n1700000000\n5433\n";
        let recovering = "4711\n/d/data\n1700000000\n5433\n/d/socket\n127.0.0.1\n  1 2\nstarting\n";
        let complete = "4711\n/d/data\n1700000000\n5433\n/d/it's \"so\"cket\n127.0.0.1\n  1 2\nready   \n";

        assert_eq!(parse(first_moments), Some((4711, None)));
        assert_eq!(parse(recovering), Some((4711, None)));
        let address = Address { socket_folder: "/d/it's \"so\"cket".into(), port: 5433 };
        assert_eq!(parse(complete), Some((4711, Some(address))));
    }

    #[test]
    fn a_pid_that_must_never_be_signalled_is_not_a_server() {
        for text in ["", "\n", "-4711\n", "0\n", "1\n", "no number\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_living_process_without_the_data_folder_in_its_arguments_is_not_the_server() {
        let own = i32::try_from(std::process::id()).unwrap();

        assert!(!command_line_names(own, Path::new("/srv/packline/postgres/data")));
    }

    #[test]
    fn urls_are_read_alike_by_psql_and_sqlx() {
        let address = Address { socket_folder: "/d/é + it's".into(), port: 5433 };

        assert_eq!(
            address.url("a b"),
            "postgres://packline@localhost/a%20b?host=/d/%C3%A9%20%2B%20it%27s&port=5433"
        );
    }
}
