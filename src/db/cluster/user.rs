//! Whom Postgres runs as: the user of this process, or an unprivileged one when that is root, which Postgres refuses.
//!
//! Programs that run as another user get an empty environment, so that neither Packline's secrets nor settings such as
//! `PGPORT` reach Postgres.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User, geteuid};

use super::error::ClusterError;

/// What programs still need to know about the machine.
const KEPT_VARIABLES: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"];

/// The user that owns the data and runs the server.
#[derive(Clone, Debug)]
pub(super) struct ServerUser {
    pub(super) name: String,
    uid: u32,
    gid: u32,
    /// Whether programs and files have to be handed over, which only root can and has to do.
    switch: bool,
}

impl ServerUser {
    /// The user for a cluster that does not exist yet.
    pub(super) fn for_new_data() -> Result<Self, ClusterError> {
        let own = geteuid();
        if !own.is_root() {
            let name = named(own).map_or_else(|| own.to_string(), |user| user.name);
            // Programs are started without a switch, so the group is never used.
            return Ok(Self { name, uid: own.as_raw(), gid: 0, switch: false });
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::switched(user.name, user.uid.as_raw(), user.gid.as_raw()))
            .ok_or(ClusterError::NoUser)
    }

    /// The user for a cluster that may exist: whoever owns it, so that a user `postgres` who appears later changes
    /// nothing. Data that root owns was copied by root and is handed over when the server starts.
    pub(super) fn for_data(data: &Path) -> Result<Self, ClusterError> {
        let fresh = Self::for_new_data()?;
        match fs::symlink_metadata(data) {
            Ok(found) if fresh.switch && found.uid() != 0 => {
                let name = named(Uid::from_raw(found.uid()))
                    .map_or_else(|| found.uid().to_string(), |user| user.name);
                Ok(Self::switched(name, found.uid(), found.gid()))
            }
            _ => Ok(fresh),
        }
    }

    fn switched(name: String, uid: u32, gid: u32) -> Self {
        Self { name, uid, gid, switch: true }
    }

    /// Whether this user may enter `folder` and all folders above it, by their mode bits.
    pub(super) fn can_enter(&self, folder: &Path) -> bool {
        !self.switch
            || folder.ancestors().all(|part| {
                fs::metadata(part).is_ok_and(|found| {
                    let bit = match found {
                        _ if found.uid() == self.uid => 0o100,
                        _ if found.gid() == self.gid => 0o010,
                        _ => 0o001,
                    };
                    found.mode() & bit != 0
                })
            })
    }

    /// Whether `folder` is a real folder of this user that nobody else may enter.
    pub(super) fn owns_privately(&self, folder: &Path) -> bool {
        fs::symlink_metadata(folder)
            .is_ok_and(|found| found.is_dir() && found.uid() == self.uid && found.mode() & 0o077 == 0)
    }

    /// Makes a 0700 folder that belongs to this user; one that is already there is made so.
    pub(super) fn make_private(&self, folder: &Path) -> Result<(), ClusterError> {
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(ClusterError::io("create the folder", folder)(error))
            }
            _ => {
                self.own(folder)?;
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
                    .map_err(ClusterError::io("close to others the folder", folder))
            }
        }
    }

    /// Hands a file or folder to this user.
    pub(super) fn own(&self, path: &Path) -> Result<(), ClusterError> {
        if !self.switch {
            return Ok(());
        }
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
            .map_err(ClusterError::io("hand to Postgres's user", path))
    }

    /// Hands over a folder with all that is in it, if it is still root's: somebody copied it.
    pub(super) fn own_all(&self, folder: &Path) -> Result<(), ClusterError> {
        let read = || ClusterError::io("read the folder", folder);
        let found = fs::symlink_metadata(folder).map_err(read())?;
        if !self.switch || found.uid() == self.uid {
            return Ok(());
        }
        for entry in fs::read_dir(folder).map_err(read())? {
            let entry = entry.map_err(read())?;
            match entry.file_type().map_err(read())?.is_dir() {
                true => self.own_all(&entry.path())?,
                false => self.own(&entry.path())?,
            }
        }
        // Last, so that a run that was killed half-way is repeated.
        self.own(folder)
    }

    /// A command that runs as this user, in a process group of its own so that Ctrl-C at the terminal passes it by.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = detached(program);
        if self.switch {
            // With a new uid the standard library drops root's further groups by itself.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }
}

/// A command with an empty environment and no terminal, in a process group of its own.
pub(super) fn detached(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", "/").env("LC_ALL", "C").current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for name in KEPT_VARIABLES {
        #[expect(clippy::disallowed_methods, reason = "handed on unread: these are no settings of Packline")]
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn named(uid: Uid) -> Option<User> {
    User::from_uid(uid).ok().flatten()
}
