//! The private Postgres: what Packline runs on when nobody gave it a `DATABASE_URL`.
//!
//! [`Cluster::join`] finds the machine's Postgres programs, creates a cluster on its first run, starts it or joins the
//! one that another Packline process started, and hands out a URL. The last process to leave stops it.
//!
//! ```text
//! <data dir>/postgres/          or /var/lib/packline/<hash>/ where the unprivileged user cannot reach that (folder.rs)
//!   data/                       the cluster itself, complete or absent: it is made beside and renamed (initialise.rs)
//!   socket/                     0700, moves to the temporary folder when the path does not fit a socket (socket.rs)
//!   postgres.log, password      0600; the password is for TCP, the socket needs none
//!   users.lock                  shared: a process uses the cluster; exclusive: somebody is stopping it
//!   start.lock                  exclusive: somebody is starting or leaving
//!   keeper.lock                 exclusive: a keeper is awake
//!   starting                    Postgres was started and may not have noted its pid yet
//! ```
//!
//! Who is who:
//! - a *user* is a process that holds a [`Cluster`]: a shared lock that the kernel takes away however the process ends;
//! - the *keeper* is a small process (the hidden command `keep-cluster`) that outlives its users, waits until it
//!   can have `users.lock` for itself, and stops Postgres then. It is only needed when the last user was killed;
//! - the *server* is Postgres, in a process group of its own, so that Ctrl-C reaches Packline alone.
//!
//! Guaranteed:
//! - data survives every run, and `kill -9` of anybody at any moment never prevents the next start;
//! - any number of processes may join at the same moment: one initialises and starts, the others use it;
//! - after the last [`Cluster::leave`] no Postgres runs; after the last user was killed, none runs within a second;
//! - nobody else gets in: the socket lies in a 0700 folder, TCP is on 127.0.0.1 and asks for a random password.
//!
//! Not done: backups, major upgrades, and more than one machine. A keeper and all users killed at once leave Postgres
//! running until the next join and leave. Everything here blocks: call it from `spawn_blocking`.

mod conf;
mod error;
mod folder;
mod handshake;
mod initialise;
mod keeper;
mod locks;
mod patience;
mod programs;
mod server;
mod socket;
mod start;
mod user;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::error::ClusterError;
pub use self::keeper::{COMMAND as KEEP_COMMAND, keep};

use self::folder::Folder;
use self::locks::LockFile;
use self::server::{Address, Server};
use self::user::ServerUser;

/// The superuser of the private cluster, and the database that exists from the start.
pub const ROLE: &str = "packline";

/// How long a process waits for others that start or stop the cluster: longer than either may take.
const LOCK_LIMIT: Duration = Duration::from_secs(180);

/// How long leaving waits for others that start or leave; after that it is the keeper's work.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);

/// Where the private cluster lives and how it is run.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// `PACKLINE_DATA_DIR`; may be relative to the current folder. The cluster takes a folder `postgres` in it.
    pub data_dir: PathBuf,
    /// The program that understands `keep-cluster <folder>`: `std::env::current_exe()`, in tests the built binary.
    pub keeper: PathBuf,
    /// False only in tests: Postgres then leaves it to the operating system when it writes to disk.
    pub durable: bool,
}

/// This process's share in the running cluster. Dropping it leaves, like [`Cluster::leave`].
#[derive(Debug)]
pub struct Cluster {
    share: Share,
    address: Address,
}

impl Cluster {
    /// Joins the cluster, after creating and starting it where need be; returns once Postgres takes queries.
    pub fn join(settings: &ClusterSettings) -> Result<Self, ClusterError> {
        let folder = Folder::place(&settings.data_dir)?;
        let user = ServerUser::for_data(&folder.data())?;
        let share = Share::take(folder)?;

        let address = {
            let _starting = share.start.exclusive(LOCK_LIMIT)?;
            // The keeper comes first: whatever is started while it is awake cannot be forgotten.
            keeper::ensure(&share.folder, &settings.keeper)?;
            start::ensure_running(&share.folder, &user, settings.durable)?
        };

        Ok(Self { share, address })
    }

    /// A URL of a database in the cluster, for sqlx and for `psql` alike. It stays good when Postgres is restarted.
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// Where the cluster lies; not always under the data folder (see the module's essay).
    pub fn folder(&self) -> &Path {
        self.share.folder.path()
    }

    /// Leaves; the last one out stops Postgres and waits for its end, about ten seconds at most.
    pub fn leave(self) {}
}

/// The shared lock that makes a process a user, from before the start until after the stop.
#[derive(Debug)]
struct Share {
    folder: Folder,
    users: LockFile,
    start: LockFile,
}

impl Share {
    /// Waits while somebody is stopping the cluster.
    fn take(folder: Folder) -> Result<Self, ClusterError> {
        let users = LockFile::open(&folder, folder::USERS_LOCK)?;
        let start = LockFile::open(&folder, folder::START_LOCK)?;
        users.share(LOCK_LIMIT)?;
        Ok(Self { folder, users, start })
    }

    /// Leaving is done one at a time, else two last users could each take the other for one who stays.
    fn give_up(&self) -> Result<(), ClusterError> {
        let _leaving = self.start.exclusive(LEAVE_LIMIT)?;
        self.users.unlock()?;

        let Some(_last) = self.users.try_exclusive()? else {
            return Ok(());
        };
        // Somebody deleted the folder and made a new one meanwhile: its server is not ours to stop.
        if !self.users.is_in_place() {
            return Ok(());
        }
        match Server::find(&self.folder) {
            Some(server) => server.stop(&self.folder),
            None => Ok(()),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Err(error) = self.give_up() {
            tracing::warn!(%error, db.folder = %self.folder.path().display(), "left the private Postgres to its keeper");
        }
    }
}
