//! Creating the cluster, on the first run only.
//!
//! It is made in a folder beside and renamed when it is complete, so `data/` is whole or not there. What a killed run
//! leaves is removed by the next one; its `initdb` may still be running, which is why every try has a name of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ROLE;
use super::conf;
use super::error::ClusterError;
use super::error::last_lines;
use super::folder::Folder;
use super::programs::Programs;
use super::user::ServerUser;

const UNFINISHED: &str = "unfinished-";

/// Makes the data folder if there is none: a superuser and a database of the name [`ROLE`], in UTF-8.
pub(super) fn initialise(
    folder: &Folder,
    programs: &Programs,
    user: &ServerUser,
    durable: bool,
) -> Result<(), ClusterError> {
    remove_leftovers(folder);
    if folder.data().exists() {
        return Ok(());
    }
    tracing::info!(db.folder = %folder.path().display(), "creating the private Postgres");

    let unfinished = folder.path().join(format!("{UNFINISHED}{}", random_hex(8)?));
    let made = fill(&unfinished, folder, programs, user, durable);
    if made.is_err() {
        let _ = fs::remove_dir_all(&unfinished);
    }
    made?;

    let data = folder.data();
    fs::rename(&unfinished, &data).map_err(ClusterError::io("give its name to", &data))?;
    // What could not be removed before, because the orphan of a killed run was still writing to it.
    remove_leftovers(folder);
    // The rename itself has to survive a power cut.
    File::open(folder.path())
        .and_then(|parent| parent.sync_all())
        .map_err(ClusterError::io("sync", folder.path()))
}

fn fill(
    unfinished: &Path,
    folder: &Folder,
    programs: &Programs,
    user: &ServerUser,
    durable: bool,
) -> Result<(), ClusterError> {
    user.make_private(unfinished)?;

    let mut initdb = user.command(&programs.initdb());
    initdb.args(["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth-local=trust"]);
    initdb.arg("--auth-host=scram-sha-256").arg(format!("--username={ROLE}"));
    initdb.args((!durable).then_some("--no-sync")).arg("-D").arg(unfinished);
    run(initdb, "")?;

    // A server without a socket: it reads one statement a line and ends with its input.
    let password = password(folder)?;
    let mut single = user.command(&programs.postgres());
    single.args(["--single", "-c", "exit_on_error=true", "-c", "log_checkpoints=off"]);
    single.args((!durable).then_some("-F")).arg("-D").arg(unfinished).arg("postgres");
    run(single, &format!("create database {ROLE}\nalter role {ROLE} password '{password}'\n"))?;

    let file = unfinished.join("postgresql.conf");
    OpenOptions::new()
        .append(true)
        .open(&file)
        .and_then(|mut conf| conf.write_all(conf::INCLUDE.as_bytes()).and_then(|()| conf.sync_all()))
        .map_err(ClusterError::io("write", &file))
}

/// Runs a program to its end; what it prints is only told when it fails.
fn run(mut command: Command, input: &str) -> Result<(), ClusterError> {
    let program = Path::new(command.get_program()).to_owned();
    let output = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            if let Some(mut stdin) = child.stdin.take() {
                // A program that ended before it read its input says why in its output.
                let _ = stdin.write_all(input.as_bytes());
            }
            child.wait_with_output()
        })
        .map_err(ClusterError::io("run", &program))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(ClusterError::Program {
        program,
        status: output.status,
        output: last_lines(&String::from_utf8_lossy(&said)),
    })
}

/// A new password for TCP, in place of one that a killed run may have left.
fn password(folder: &Folder) -> Result<String, ClusterError> {
    let path = folder.password();
    let _ = fs::remove_file(&path);
    let password = random_hex(32)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{password}").and_then(|()| file.sync_all()))
        .map_err(ClusterError::io("write", &path))?;
    Ok(password)
}

/// Best effort: a leftover takes space, and does no other harm.
fn remove_leftovers(folder: &Folder) {
    for entry in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn random_hex(bytes: usize) -> Result<String, ClusterError> {
    let source = Path::new("/dev/urandom");
    let mut random = vec![0; bytes];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(ClusterError::io("read random bytes from", source))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
