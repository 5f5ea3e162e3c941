//! Where the cluster lies, and the names in its folder.
//!
//! It lies in `<data dir>/postgres`. When this process is root, Postgres runs as somebody else who may not be able to
//! go there (`/root` is closed to others); it then lies in `/var/lib/packline/<hash of that path>`. The same data
//! folder always leads to the same place, also when the permissions above it change later: data that exists decides.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use super::error::ClusterError;
use super::user::ServerUser;

pub(super) const USERS_LOCK: &str = "users.lock";
pub(super) const START_LOCK: &str = "start.lock";
pub(super) const KEEPER_LOCK: &str = "keeper.lock";
pub(super) const LOG: &str = "postgres.log";

const FALLBACK: &str = "/var/lib/packline";

/// The cluster's folder: absolute and without symbolic links.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Finds the place that belongs to `data_dir`, and makes the folder.
    pub(super) fn place(data_dir: &Path) -> Result<Self, ClusterError> {
        make(data_dir, 0o755)?;
        let data_dir = fs::canonicalize(data_dir).map_err(ClusterError::io("find the folder", data_dir))?;
        if data_dir.as_os_str().as_bytes().contains(&b'\n') {
            return Err(ClusterError::LineBreak(data_dir));
        }
        let in_place = Self(data_dir.join("postgres"));
        let fallback = Self(Path::new(FALLBACK).join(short_hash(&in_place.0)));

        let user = ServerUser::for_data(&in_place.data())?;
        let reachable = user.can_enter(&data_dir);
        if in_place.data().exists() && !reachable {
            return Err(ClusterError::Unreachable { data: in_place.data(), user: user.name });
        }
        let lies_elsewhere = !in_place.data().exists() && (!reachable || fallback.data().exists());
        let chosen = match geteuid().is_root() && lies_elsewhere {
            false => in_place,
            true => {
                tracing::info!(
                    db.folder = %fallback.0.display(),
                    data_dir = %data_dir.display(),
                    user = user.name,
                    "the private Postgres lies elsewhere: its user may not enter the data folder"
                );
                make(Path::new(FALLBACK), 0o755)?;
                fallback
            }
        };
        chosen.prepare()?;
        Ok(chosen)
    }

    /// A folder that [`Folder::place`] found before, perhaps in another process.
    pub(super) fn known(path: &Path) -> Result<Self, ClusterError> {
        fs::canonicalize(path).map(Self).map_err(ClusterError::io("find the folder", path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// Exists from before Postgres is started until it is ready, or has failed.
    pub(super) fn starting(&self) -> PathBuf {
        self.0.join("starting")
    }

    pub(super) fn password(&self) -> PathBuf {
        self.0.join("password")
    }

    /// Opens a file for appending, private to the owner of the folder, whom root may not be.
    pub(super) fn open(&self, name: &'static str) -> Result<File, ClusterError> {
        let path = self.0.join(name);
        let opened = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .mode(0o600)
            // Root must not be led away by a link that the folder's owner made.
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .and_then(|file| {
                let owner = fs::metadata(&self.0)?;
                if geteuid().is_root() {
                    fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
                }
                Ok(file)
            });
        opened.map_err(ClusterError::io("open", &path))
    }

    /// Others may at most pass through the folder, and only when root has to let Postgres's user into the data.
    fn prepare(&self) -> Result<(), ClusterError> {
        make(&self.0, 0o700)?;
        let owner = fs::metadata(&self.0).map_err(ClusterError::io("read", &self.0))?.uid();
        let mode = if owner == 0 { 0o711 } else { 0o700 };
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode))
            .map_err(ClusterError::io("set the permissions of", &self.0))
    }
}

/// A short name for a path that is the same in every run and every release (FNV-1a, 64 bits).
pub(super) fn short_hash(path: &Path) -> String {
    let hash = path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn make(folder: &Path, mode: u32) -> Result<(), ClusterError> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(folder);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(ClusterError::io("create the folder", folder)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_path_never_changes() {
        // The published test vector: another value would lose the data of every fallback folder.
        assert_eq!(short_hash(Path::new("foobar")), "85944171f73967e8");
    }
}
