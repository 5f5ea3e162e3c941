//! Asking Postgres whether it takes queries, in the few bytes of its protocol that this needs.
//!
//! A connection alone says nothing: the socket accepts long before the database is ready, and while it recovers.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::ROLE;

/// A server that takes longer to say a word is asked again.
const LIMIT: Duration = Duration::from_secs(2);
/// Protocol 3.0.
const PROTOCOL: i32 = 3 << 16;
/// `cannot_connect_now`: Postgres is starting up, recovering or shutting down.
const NOT_NOW: &[u8] = b"C57P03\0";

/// Whether a client would be let in right now.
pub(super) fn takes_queries(socket: &Path) -> bool {
    greet(socket).unwrap_or(false)
}

fn greet(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(&startup_message())?;

    loop {
        let (kind, body) = read_message(&mut stream)?;
        match kind {
            // Ready for queries: say good-bye (`X`), so that the server does not log a lost client.
            b'Z' => {
                stream.write_all(&[b'X', 0, 0, 0, 4])?;
                return Ok(true);
            }
            // Any other refusal, such as too many clients, comes from a server that is up.
            b'E' => return Ok(!body.windows(NOT_NOW.len()).any(|part| part == NOT_NOW)),
            // A request for a password: somebody changed pg_hba.conf, and the server is up.
            b'R' if body != [0; 4] => return Ok(true),
            _ => {}
        }
    }
}

fn startup_message() -> Vec<u8> {
    let body = format!("user\0{ROLE}\0database\0postgres\0application_name\0packline start\0\0");
    let length = i32::try_from(body.len() + 8).unwrap_or(i32::MAX);
    [&length.to_be_bytes(), &PROTOCOL.to_be_bytes(), body.as_bytes()].concat()
}

fn read_message(stream: &mut UnixStream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0).saturating_sub(4);
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body)?;
    Ok((kind, body))
}
