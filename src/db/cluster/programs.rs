//! Finding the machine's Postgres: one folder that holds both `initdb` and `postgres`, and works for the server's user.
//!
//! Looked at in this order: PATH (links are followed, so that both programs come from one installation), the folder
//! that `pg_config` names, the usual install folders with the newest version first. A cluster that exists already
//! decides the major version: no other one can read it.
//!
//! `pg_ctl` is not needed: the server is started and stopped directly, see `start.rs` and `server.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::ClusterError;
use super::user::ServerUser;

/// Where distributions install Postgres; the star stands for the version.
const USUAL_FOLDERS: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Library/PostgreSQL/*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// One installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    folder: PathBuf,
    major: u32,
}

impl Programs {
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// The installation in `folder`, if it is complete and this user can run it.
    fn inspect(folder: PathBuf, user: &ServerUser) -> Option<Self> {
        let postgres = folder.join("postgres");
        if !folder.join("initdb").is_file() || !postgres.is_file() {
            return None;
        }
        let said = user.command(&postgres).arg("--version").stdout(Stdio::piped()).output().ok()?;
        let major = major_of(&String::from_utf8_lossy(&said.stdout))?;
        Some(Self { folder, major })
    }
}

/// Where to look; tests look in places of their own.
#[derive(Clone, Debug)]
pub(super) struct Places {
    path: Vec<PathBuf>,
    usual: Vec<String>,
}

impl Places {
    pub(super) fn of_this_machine() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "PATH is where programs are, not a setting of Packline"
        )]
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            path: std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect(),
            usual: USUAL_FOLDERS.map(str::to_owned).to_vec(),
        }
    }

    /// The first installation that fits the data, or the first of all when there is no data yet.
    pub(super) fn find(&self, data: &Path, user: &ServerUser) -> Result<Programs, ClusterError> {
        let made_by = major_of_data(data);
        let mut found = Vec::new();
        for programs in self.candidates().filter_map(|folder| Programs::inspect(folder, user)) {
            if made_by.is_none_or(|major| major == programs.major) {
                return Ok(programs);
            }
            if !found.contains(&programs.major) {
                found.push(programs.major);
            }
        }
        match made_by {
            Some(made_by) if !found.is_empty() => {
                let found = found.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
                Err(ClusterError::OtherVersion { data: data.to_owned(), made_by, found })
            }
            _ => Err(ClusterError::NoPrograms),
        }
    }

    /// Folders to look at, lazily: `pg_config` is only asked when PATH has nothing.
    fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let on_path = self.path.iter().flat_map(|folder| {
            let linked = fs::canonicalize(folder.join("postgres")).ok();
            let linked = linked.and_then(|program| program.parent().map(Path::to_owned));
            linked.into_iter().chain([folder.clone()])
        });
        let named = std::iter::once_with(|| self.folder_named_by_pg_config()).flatten();
        let usual = std::iter::once_with(|| self.usual_folders()).flatten();
        on_path.chain(named).chain(usual)
    }

    fn folder_named_by_pg_config(&self) -> Option<PathBuf> {
        let program =
            self.path.iter().map(|folder| folder.join("pg_config")).find(|program| program.is_file())?;
        let said = Command::new(program).arg("--bindir").stdin(Stdio::null()).output().ok()?;
        let folder = String::from_utf8(said.stdout).ok()?;
        Some(PathBuf::from(folder.trim_end()))
    }

    fn usual_folders(&self) -> Vec<PathBuf> {
        let mut found: Vec<_> = self.usual.iter().flat_map(|pattern| matches_of(pattern)).collect();
        found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
        found.into_iter().map(|(_, folder)| folder).collect()
    }
}

/// The major version that made a cluster.
fn major_of_data(data: &Path) -> Option<u32> {
    leading_number(&fs::read_to_string(data.join("PG_VERSION")).ok()?)
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_of(said: &str) -> Option<u32> {
    leading_number(said.split_once("(PostgreSQL) ")?.1)
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// The folders that a pattern with one star stands for, with the version in place of the star.
fn matches_of(pattern: &str) -> Vec<(Option<u32>, PathBuf)> {
    let Some((before, after)) = pattern.split_once('*') else {
        return Vec::new();
    };
    let Some((parent, prefix)) = before.rsplit_once('/') else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.strip_prefix(prefix)?;
            Some((leading_number(version), path.join(after.trim_start_matches('/'))))
        })
        .collect()
}

#[cfg(test)]
mod tests;
