//! Postgres's settings: written anew at each start, so that nothing depends on what an earlier version wrote.
//!
//! `initdb`'s own `postgresql.conf` stays and includes ours. `alter system` still wins over both, for experiments.
//!
//! The port is kept from one start to the next while it is free, so that the URLs of processes that are still running
//! stay good when Postgres is started again under them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::ClusterError;
use super::folder::Folder;
use super::user::ServerUser;

/// The settings file, in the data folder.
const FILE: &str = "packline.conf";

/// The line that makes `postgresql.conf` read the settings file.
pub(super) const INCLUDE: &str = "\n# Written by Packline at each start; change settings with `alter system`.\n\
                                  include_if_exists = 'packline.conf'\n";

/// What is the same for every cluster. Errors that clients get are not logged: they quote rows and statements, and a
/// log that only tells of the server itself stays small.
const FIXED: &str = "\
listen_addresses = '127.0.0.1'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = '128MB'
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
logging_collector = off
log_destination = 'stderr'
log_min_messages = log
log_min_error_statement = panic
log_checkpoints = off
";

const NOT_DURABLE: &str = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n";

/// Writes the settings for one start.
pub(super) fn write(
    folder: &Folder,
    user: &ServerUser,
    socket_folder: &str,
    port: u16,
    durable: bool,
) -> Result<(), ClusterError> {
    let mut text =
        format!("port = {port}\nunix_socket_directories = {}\n{FIXED}", quote_folder(socket_folder));
    if !durable {
        text.push_str(NOT_DURABLE);
    }

    // Beside and renamed: a start that is killed here leaves the old settings or the new ones.
    let path = folder.data().join(FILE);
    let unfinished = folder.data().join("packline.conf.new");
    let _ = fs::remove_file(&unfinished);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(ClusterError::io("write", &unfinished))?;
    user.own(&unfinished)?;
    fs::rename(&unfinished, &path).map_err(ClusterError::io("replace", &path))
}

/// The port of the last start if nobody took it meanwhile, else one that is free now. Another program may still be
/// faster; Postgres then ends at once, and `start.rs` asks again.
pub(super) fn free_port(data: &Path) -> Result<u16, ClusterError> {
    let bind =
        |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    last_port(data)
        .and_then(|port| bind(port).ok())
        .map_or_else(|| bind(0), Ok)
        .map(|address| address.port())
        .map_err(ClusterError::io("get a free port for", data))
}

fn last_port(data: &Path) -> Option<u16> {
    let text = fs::read_to_string(data.join(FILE)).ok()?;
    text.lines().find_map(|line| line.strip_prefix("port = "))?.parse().ok()
}

/// Quoted twice: the setting is a list of names in double quotes, and its value a string in single ones.
fn quote_folder(folder: &str) -> String {
    let name = format!("\"{}\"", folder.replace('"', "\"\""));
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_quotes_spaces_and_backslashes_survives_both_readings() {
        assert_eq!(quote_folder("/plain"), r#"'"/plain"'"#);
        assert_eq!(quote_folder(r#"/it's "a" \ b"#), r#"'"/it''s ""a"" \\ b"'"#);
    }

    #[test]
    fn a_port_that_was_taken_meanwhile_is_not_used_again() {
        let data = std::env::temp_dir().join(format!("packline-conf-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        fs::write(data.join(FILE), format!("port = {port}\njit = off\n")).unwrap();

        assert_ne!(free_port(&data).unwrap(), port);
        drop(taken);
        assert_eq!(free_port(&data).unwrap(), port);

        fs::remove_dir_all(&data).unwrap();
    }
}
