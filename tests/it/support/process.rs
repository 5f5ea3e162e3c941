//! The real program as a process.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::SECRET;

/// Longer than a start or a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of a test's own, deleted with it.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("packline-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `packline`; killed with the test.
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `packline` with these settings and no others.
    pub fn spawn(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let base = [
            ("PACKLINE_LISTEN", "127.0.0.1:0"),
            ("STRIPE_WEBHOOK_SECRET", SECRET),
            ("FULFILMENT_PROVIDER", "log"),
            ("PACKLINE_ADOPTION_GRACE", "50ms"),
            ("PACKLINE_SHUTDOWN_GRACE", "10s"),
        ];
        let settings: HashMap<&str, &str> = base.into_iter().chain(settings.iter().copied()).collect();
        let mut child =
            command(arguments).envs(settings).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        keep_lines(child.stdout.take().unwrap(), &log);
        keep_lines(child.stderr.take().unwrap(), &log);
        Self { child, log }
    }

    /// All that it said, to people and to the log.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// What follows `sign` in the log, up to the next blank; waits until it is there.
    pub async fn logged(&mut self, sign: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if let Some((_, rest)) = log.split_once(sign) {
                return rest.split_whitespace().next().unwrap_or_default().to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no {sign:?} ({ended:?}): {log}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Where it serves, once it does.
    pub async fn base(&mut self) -> String {
        format!("http://{}", self.logged("serving http://").await)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, which it must answer with exit code 0; how long it took to end.
    pub async fn terminate(mut self) -> Duration {
        let started = Instant::now();
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}: {}", self.log());
                return started.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not stop: {}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Reads to the end, so that the program never waits for a reader.
fn keep_lines(stream: impl Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let (lines, kept) = (BufReader::new(stream).lines(), Arc::clone(log));
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line)));
}

/// The program with an environment in which nothing is set, and no `.env`.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_packline"));
    command.args(arguments).env_clear().current_dir("/").stdin(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "where the programs of Postgres are")]
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}
