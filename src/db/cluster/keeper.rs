//! The keeper: the process that stops Postgres when its last user was killed and could not.
//!
//! One keeper is awake while a cluster is used. It asks five times a second whether it can have `users.lock` for itself,
//! which the kernel only grants once every user is gone. It then stops Postgres while it holds that lock, so whoever
//! joins meanwhile waits, and starts a new server afterwards.
//!
//! A keeper that is killed is replaced at the next join. Until then a graceful end of the last user still stops Postgres.

use std::path::{self, Path};
use std::thread;
use std::time::Duration;

use super::error::ClusterError;
use super::folder::{Folder, KEEPER_LOCK, LOG, START_LOCK, USERS_LOCK};
use super::locks::LockFile;
use super::patience::wait_for;
use super::server::Server;
use super::start::reap;
use super::user::detached;

/// The hidden command, followed by the cluster's folder.
pub const COMMAND: &str = "keep-cluster";

const POLL: Duration = Duration::from_millis(200);
/// How often the keeper looks for a server whose starter was killed before the server had noted its pid.
const POLLS_FOR_A_START: u32 = 50;
/// Those who look whether a keeper is awake hold its lock for a moment.
const LOCK_LIMIT: Duration = Duration::from_secs(1);
/// A big binary on a busy machine takes a while to load.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The body of the hidden command: returns when the cluster has no users any more and Postgres has ended, or at once when
/// another keeper is awake.
pub fn keep(folder: &Path) -> Result<(), ClusterError> {
    let folder = Folder::known(folder)?;
    let keeper = LockFile::open(&folder, KEEPER_LOCK)?;
    let users = LockFile::open(&folder, USERS_LOCK)?;
    let start = LockFile::open(&folder, START_LOCK)?;
    let Ok(awake) = keeper.exclusive(LOCK_LIMIT) else {
        return Ok(());
    };

    let mut server = None;
    let mut polls_alone = 0;
    loop {
        thread::sleep(POLL);
        let nobody_starts = start.try_exclusive()?;
        let nobody_uses = users.try_exclusive()?;
        // Looked up on every round, because the folder may be moved or deleted before its users are gone.
        if users.is_in_place() {
            server = Server::find(&folder);
        }
        if nobody_starts.is_none() || nobody_uses.is_none() {
            continue;
        }
        if let Some(server) = &server {
            server.stop(&folder)?;
        }
        polls_alone += 1;
        if server.is_some() || !folder.starting().exists() || polls_alone == POLLS_FOR_A_START {
            // This lock goes before the two others: who joins next must not take this keeper for one that stays.
            drop(awake);
            return Ok(());
        }
    }
}

/// Makes sure that a keeper is awake. The caller shares `users.lock` and holds `start.lock`, so it stays awake.
pub(super) fn ensure(folder: &Folder, program: &Path) -> Result<(), ClusterError> {
    let lock = LockFile::open(folder, KEEPER_LOCK)?;
    if lock.try_exclusive()?.is_none() {
        return Ok(());
    }

    let program = path::absolute(program).map_err(ClusterError::io("find", program))?;
    let missing = || ClusterError::NoKeeper { program: program.clone(), folder: folder.path().to_owned() };
    let mut keeper = detached(&program)
        .arg(COMMAND)
        .arg(folder.path())
        .stderr(folder.open(LOG)?)
        .spawn()
        .map_err(ClusterError::io("start", &program))?;

    let awake = wait_for(START_LIMIT, || {
        let ended = keeper.try_wait().is_ok_and(|status| status.is_some());
        match lock.try_exclusive()? {
            None => Ok(Some(())),
            Some(_) if ended => Err(missing()),
            Some(_) => Ok(None),
        }
    });
    reap(keeper);
    awake?.ok_or_else(missing)
}
