//! The lock files: who uses, starts, stops and keeps the cluster.
//!
//! The kernel gives a lock back when its holder ends, in whatever way, which no file with a pid in it can promise.
//! The files themselves are never deleted: two processes could then hold "the" lock on two files of one name. Children
//! do not inherit the locks, because Rust opens files close-on-exec.
//!
//! Locks are only ever tried, never waited for in the kernel, so that every wait has a limit.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::ClusterError;
use super::folder::Folder;
use super::patience::wait_for;

/// An open lock file. Dropping it gives up whatever it holds.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
    path: PathBuf,
}

/// An exclusive lock, until it is dropped.
#[derive(Debug)]
pub(super) struct Exclusive<'a>(&'a LockFile);

impl LockFile {
    pub(super) fn open(folder: &Folder, name: &'static str) -> Result<Self, ClusterError> {
        let file = folder.open(name)?;
        Ok(Self { file, path: folder.path().join(name) })
    }

    /// Takes the lock together with others who share it, until [`LockFile::unlock`] or the end of the process.
    pub(super) fn share(&self, limit: Duration) -> Result<(), ClusterError> {
        wait_for(limit, || self.granted(self.file.try_lock_shared()))?.ok_or_else(|| self.busy())
    }

    /// Takes the lock for this process alone.
    pub(super) fn exclusive(&self, limit: Duration) -> Result<Exclusive<'_>, ClusterError> {
        wait_for(limit, || self.try_exclusive())?.ok_or_else(|| self.busy())
    }

    /// `None` when somebody else holds it, in either way.
    pub(super) fn try_exclusive(&self) -> Result<Option<Exclusive<'_>>, ClusterError> {
        Ok(self.granted(self.file.try_lock())?.map(|()| Exclusive(self)))
    }

    pub(super) fn unlock(&self) -> Result<(), ClusterError> {
        self.file.unlock().map_err(ClusterError::io("give up the lock", &self.path))
    }

    /// False once the file was deleted or replaced: the lock then says nothing about those who came later.
    pub(super) fn is_in_place(&self) -> bool {
        match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(ours), Ok(current)) => (ours.dev(), ours.ino()) == (current.dev(), current.ino()),
            _ => false,
        }
    }

    fn granted(&self, outcome: Result<(), TryLockError>) -> Result<Option<()>, ClusterError> {
        match outcome {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(ClusterError::io("lock", &self.path)(source)),
        }
    }

    fn busy(&self) -> ClusterError {
        ClusterError::Busy { lock: self.path.clone() }
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        // Closing the file gives the lock up as well, so a failure here only delays others.
        let _ = self.0.unlock();
    }
}
