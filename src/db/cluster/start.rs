//! Starting Postgres, or finding that it runs already. The caller holds `start.lock`.
//!
//! A start is repeated when its port was taken in the last moment, and when children of a killed Postgres have not all
//! ended yet; everything else that Postgres refuses is told with the end of its log.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::process::Child;
use std::thread;
use std::time::Duration;

use super::conf;
use super::error::{ClusterError, last_lines};
use super::folder::{Folder, LOG};
use super::initialise::initialise;
use super::patience::wait_for;
use super::programs::Places;
use super::server::{Address, Server, noted_pid};
use super::socket;
use super::user::ServerUser;

/// Long enough for the recovery after a crash with much to recover.
const LIMIT: Duration = Duration::from_secs(150);
/// What a start may fail with that the next one cures.
const PASSING: [&str; 4] = [
    "could not create any TCP/IP sockets",
    "could not bind",
    "is still in use",
    "lock file \"postmaster.pid\"",
];
const TRIES: u32 = 40;
const TRY_PAUSE: Duration = Duration::from_millis(100);
/// A log that is longer is put aside at the next start; one older log is kept.
const LOG_LIMIT: u64 = 1024 * 1024;

/// The address of a server that takes queries.
pub(super) fn ensure_running(
    folder: &Folder,
    user: &ServerUser,
    durable: bool,
) -> Result<Address, ClusterError> {
    for _ in 1..TRIES {
        if let Some(address) = find_ready(folder)? {
            return Ok(address);
        }
        match start(folder, user, durable) {
            Err(ClusterError::DidNotStart { tail, .. }) if PASSING.iter().any(|sign| tail.contains(sign)) => {
                thread::sleep(TRY_PAUSE);
            }
            outcome => return outcome,
        }
    }
    start(folder, user, durable)
}

/// Waits for a server that is starting or recovering. `None` when none runs, or when it ends instead.
///
/// A server that has lost its socket is stopped even though others use it: they could not connect again either.
fn find_ready(folder: &Folder) -> Result<Option<Address>, ClusterError> {
    let found = wait_for(LIMIT, || {
        Ok(match Server::find(folder) {
            None => Some(None),
            Some(server) if server.is_cut_off() => {
                server.stop(folder)?;
                Some(None)
            }
            Some(server) => server.ready().map(Some),
        })
    })?;
    match found {
        Some(outcome) => Ok(outcome),
        None => {
            let pid = Server::find(folder).map_or(0, |server| server.pid());
            Err(did_not_start(folder, format!("(pid {pid}) runs but takes no queries"), None))
        }
    }
}

fn start(folder: &Folder, user: &ServerUser, durable: bool) -> Result<Address, ClusterError> {
    let programs = Places::of_this_machine().find(&folder.data(), user)?;
    initialise(folder, &programs, user, durable)?;
    user.own_all(&folder.data())?;
    user.make_private(&folder.data())?;
    let socket_folder = socket::prepare(folder, user)?;
    let port = conf::free_port(&folder.data())?;
    conf::write(folder, user, &socket_folder, port, durable)?;

    let log = open_log(folder)?;
    let log_start = log.metadata().map_or(0, |found| found.len());
    let mut command = user.command(&programs.postgres());
    command.arg("-D").arg(folder.data()).stderr(log);
    if let Some(stale) = noted_pid(folder) {
        // No server runs here, so this pid is somebody else's. Postgres would take it for a living server; it leaves
        // out what it is told to be its grandparent, and still looks for children of a killed server by their memory.
        command.env("PG_GRANDPARENT_PID", stale.unsigned_abs().to_string());
    }
    File::create(folder.starting()).map_err(ClusterError::io("create", &folder.starting()))?;
    let server = command.spawn().map_err(ClusterError::io("start", &programs.postgres()))?;

    let outcome = wait_until_ready(folder, server, log_start);
    // If this process is killed before, the keeper looks for the server a little longer, and does no harm by it.
    let _ = fs::remove_file(folder.starting());
    let address = outcome?;
    tracing::info!(db.folder = %folder.path().display(), user = user.name, "started the private Postgres");
    Ok(address)
}

fn wait_until_ready(folder: &Folder, mut server: Child, log_start: u64) -> Result<Address, ClusterError> {
    let outcome = wait_for(LIMIT, || {
        if let Some(address) = Server::find(folder).and_then(|server| server.ready()) {
            return Ok(Some(address));
        }
        match server.try_wait() {
            Ok(Some(status)) => {
                let how = format!("ended at its start ({status})");
                Err(did_not_start(folder, how, Some(log_start)))
            }
            _ => Ok(None),
        }
    });
    reap(server);
    outcome?.ok_or_else(|| did_not_start(folder, "is not ready after a long time".into(), Some(log_start)))
}

/// Waits for a child somewhere in the background, else it would stay in the process table after its end.
pub(super) fn reap(mut child: Child) {
    let waiting = thread::Builder::new().name("packline-reaper".into()).spawn(move || child.wait());
    if let Err(error) = waiting {
        tracing::debug!(%error, "no thread to wait for a child: it stays in the process table until this process ends");
    }
}

fn open_log(folder: &Folder) -> Result<File, ClusterError> {
    if fs::metadata(folder.log()).is_ok_and(|log| log.len() > LOG_LIMIT) {
        let _ = fs::rename(folder.log(), folder.path().join("postgres.log.1"));
    }
    folder.open(LOG)
}

fn did_not_start(folder: &Folder, how: String, log_start: Option<u64>) -> ClusterError {
    let tail = log_tail(folder, log_start.unwrap_or(0)).unwrap_or_default();
    ClusterError::DidNotStart { how, log: folder.log(), tail, data: folder.data() }
}

/// The last lines that were logged since a start.
fn log_tail(folder: &Folder, log_start: u64) -> Option<String> {
    let mut log = File::open(folder.log()).ok()?;
    let near_end = log.metadata().ok()?.len().saturating_sub(16 * 1024);
    log.seek(SeekFrom::Start(near_end.max(log_start))).ok()?;
    let mut text = Vec::new();
    log.read_to_end(&mut text).ok()?;
    Some(last_lines(&String::from_utf8_lossy(&text)))
}
