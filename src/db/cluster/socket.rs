//! The folder of Postgres's socket: 0700, which is why the socket itself asks for no password.
//!
//! It is `<folder>/socket`, unless that path cannot be one: a socket's path is limited to about 100 bytes, `psql` takes
//! a comma for the end of a host name, and URLs carry UTF-8. It then is a short folder in the temporary folder, named
//! after a hash of the path. Others may have made that name theirs before; such a folder is not used.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::ClusterError;
use super::folder::{Folder, short_hash};
use super::user::ServerUser;

/// macOS allows 104 bytes with the closing zero, Linux 108.
const LONGEST: usize = 103;
/// What Postgres appends to the folder at most.
const LONGEST_NAME: usize = "/.s.PGSQL.65535".len();

/// Makes the socket's folder and clears it of sockets that nobody serves; only called while no server runs.
pub(super) fn prepare(folder: &Folder, user: &ServerUser) -> Result<String, ClusterError> {
    let in_place = folder.socket();
    if let Some(path) = usable(&in_place) {
        user.make_private(&in_place)?;
        remove_dead_sockets(&in_place);
        return Ok(path);
    }
    let name = format!("packline-{}", short_hash(folder.path()));
    for base in [std::env::temp_dir(), PathBuf::from("/tmp")] {
        // The temporary folder may be reached through a link, as on macOS.
        let Ok(base) = fs::canonicalize(base) else {
            continue;
        };
        let short = base.join(&name);
        let Some(path) = usable(&short) else { continue };
        if !user.can_enter(&base) {
            continue;
        }
        if !user.owns_privately(&short)
            && (fs::symlink_metadata(&short).is_ok() || user.make_private(&short).is_err())
        {
            continue;
        }
        remove_dead_sockets(&short);
        return Ok(path);
    }
    let refused =
        format!("its path does not fit a socket, and {name} in the temporary folder is somebody else's");
    let refused = std::io::Error::other(refused);
    Err(ClusterError::io("make a socket folder for", folder.path())(refused))
}

/// Removes a socket folder outside of the cluster's own folder, once its server has ended.
pub(super) fn remove(folder: &Folder, socket_folder: &str) {
    if Path::new(socket_folder) != folder.socket() {
        remove_dead_sockets(Path::new(socket_folder));
        let _ = fs::remove_dir(socket_folder);
    }
}

/// The folder as text, if Postgres, psql and sqlx all take it.
fn usable(folder: &Path) -> Option<String> {
    let path = folder.to_str()?;
    let fits = path.len() + LONGEST_NAME <= LONGEST;
    let plain = !path.chars().any(|character| character == ',' || character.is_control());
    (fits && plain).then(|| path.to_owned())
}

fn remove_dead_sockets(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(".s.PGSQL.") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_paths_hold_a_socket() {
        assert!(usable(Path::new("/home/zoë/it's here/.packline/postgres/socket")).is_some());
        assert!(usable(Path::new("/home/a,b/socket")).is_none());
        assert!(usable(Path::new("/home/a\nb/socket")).is_none());
        assert!(usable(Path::new(&format!("/{}", "x".repeat(LONGEST - LONGEST_NAME - 1)))).is_some());
        assert!(usable(Path::new(&format!("/{}", "x".repeat(LONGEST - LONGEST_NAME)))).is_none());
    }
}
