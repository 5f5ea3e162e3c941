//! A TCP proxy in front of the tests' Postgres that can be stalled, cut and mended: the database gone, slow or moved. It
//! can also do what poolers do, keep notifications back and keep sessions, and counts what goes through. It runs on a
//! thread of its own, so that a test's runtime and its clock have no part in it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    way: Way,
    /// Connections that are older hang for ever, as after a machine that vanished.
    generation: u32,
    keeps_notifications: bool,
    keeps_sessions: bool,
}

impl State {
    const OPEN: Self =
        Self { way: Way::Open, generation: 0, keeps_notifications: false, keeps_sessions: false };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    Stalled,
    Cut,
}

pub struct Proxy {
    /// The database's URL through the proxy.
    pub url: String,
    state: watch::Sender<State>,
    counts: Arc<Counts>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    passed: AtomicUsize,
    kept: AtomicUsize,
    statements: AtomicUsize,
}

impl Proxy {
    /// A proxy for the database of a URL.
    pub fn before(database_url: &str) -> Self {
        let options: PgConnectOptions = database_url.parse().unwrap();
        let (state, watched) = watch::channel(State::OPEN);
        let counts: Arc<Counts> = Arc::default();
        let (told, address) = std::sync::mpsc::channel();
        let counter = Arc::clone(&counts);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(options, watched, counter, told));
        });
        let address: SocketAddr = address.recv().unwrap();
        Self { url: through(database_url, address), state, counts, thread: Some(thread) }
    }

    /// How many connections came so far.
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// How many notifications went through so far, and how many were kept back.
    pub fn notifications(&self) -> (usize, usize) {
        (self.counts.passed.load(Ordering::SeqCst), self.counts.kept.load(Ordering::SeqCst))
    }

    /// How many statements Postgres carried out so far, `begin` and `commit` among them.
    pub fn statements(&self) -> usize {
        self.counts.statements.load(Ordering::SeqCst)
    }

    /// Lets no notification through any more; everything else goes on as before, and nobody is told.
    pub fn keep_notifications(&self) {
        self.state.send_modify(|state| state.keeps_notifications = true);
    }

    /// What a client leaves without a farewell stays with Postgres as it is, locks and all.
    pub fn keep_sessions(&self) {
        self.state.send_modify(|state| state.keeps_sessions = true);
    }

    /// Nothing goes through any more; connections stay.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.way = Way::Stalled);
    }

    /// All connections end, and new ones are refused.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.way = Way::Cut);
    }

    /// Everything goes through again.
    pub fn mend(&self) {
        self.state.send_modify(|state| state.way = Way::Open);
    }

    /// New connections go through; those that were there hang for ever.
    pub fn move_away(&self) {
        self.state.send_modify(|state| {
            *state = State { way: Way::Open, generation: state.generation + 1, ..*state };
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let (closed, _) = watch::channel(State::OPEN);
        // The thread ends when the sender is gone.
        drop(std::mem::replace(&mut self.state, closed));
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn through(database_url: &str, address: SocketAddr) -> String {
    let mut url = reqwest::Url::parse(database_url).unwrap();
    url.set_host(Some(&address.ip().to_string())).unwrap();
    url.set_port(Some(address.port())).unwrap();
    url.set_query(Some("sslmode=disable"));
    url.to_string()
}

async fn serve(
    options: PgConnectOptions,
    mut state: watch::Receiver<State>,
    counts: Arc<Counts>,
    told: std::sync::mpsc::Sender<SocketAddr>,
) {
    let mut listener = Some(listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
    let address = listener.as_ref().unwrap().local_addr().unwrap();
    told.send(address).unwrap();
    loop {
        let is_cut = state.borrow_and_update().way == Way::Cut;
        match (is_cut, &listener) {
            (true, Some(_)) => listener = None,
            (false, None) => listener = Some(listen(address)),
            _ => {}
        }
        let incoming = async {
            match &listener {
                Some(listener) => listener.accept().await.unwrap().0,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            client = incoming => {
                counts.accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(client, options.clone(), state.clone(), Arc::clone(&counts)));
            }
            changed = state.changed() => if changed.is_err() { return },
        }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(256).unwrap()
}

async fn pass(
    client: TcpStream,
    options: PgConnectOptions,
    state: watch::Receiver<State>,
    counts: Arc<Counts>,
) {
    let generation = state.borrow().generation;
    _ = client.set_nodelay(true);
    match options.get_socket() {
        Some(folder) => {
            let socket = folder.join(format!(".s.PGSQL.{}", options.get_port()));
            join(client, UnixStream::connect(socket).await.unwrap(), state, generation, &counts).await;
        }
        None => {
            let server = TcpStream::connect((options.get_host(), options.get_port())).await.unwrap();
            join(client, server, state, generation, &counts).await;
        }
    }
}

async fn join<S>(
    client: TcpStream,
    server: S,
    state: watch::Receiver<State>,
    generation: u32,
    counts: &Counts,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = tokio::io::split(server);
    let (watched, mut messages) = (state.clone(), Messages::default());
    let mut kept = state.clone();
    let without_notifications = |read: &[u8]| messages.pass(read, &watched, counts);
    let client_side = async {
        copy(from_client, to_server, state.clone(), generation, <[u8]>::to_vec).await;
        _ = kept.wait_for(|state| !state.keeps_sessions).await;
    };
    tokio::select! {
        () = client_side => {}
        () = copy(from_server, to_client, state.clone(), generation, without_notifications) => {}
        () = cut(state.clone(), generation) => {}
    }
}

async fn cut(mut state: watch::Receiver<State>, generation: u32) {
    let ends = |state: &State| state.way == Way::Cut && state.generation == generation;
    _ = state.wait_for(ends).await;
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    generation: u32,
    mut passed: impl FnMut(&[u8]) -> Vec<u8>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let open = |state: &State| state.way == Way::Open && state.generation == generation;
        if state.wait_for(open).await.is_err() {
            return;
        }
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        // What arrives while the way is stalled waits here.
        if state.wait_for(open).await.is_err() || to.write_all(&passed(&buffer[..read])).await.is_err() {
            return;
        }
    }
}

/// What a server says on one connection. It is cut into messages: a kind, four bytes of length with themselves, a body.
#[derive(Default)]
struct Messages {
    /// The begin of a message whose rest was not read yet.
    begun: Vec<u8>,
}

impl Messages {
    const NOTIFICATION: u8 = b'A';
    const COMMAND_COMPLETE: u8 = b'C';

    /// What of it goes on, whole messages only.
    fn pass(&mut self, read: &[u8], state: &watch::Receiver<State>, counts: &Counts) -> Vec<u8> {
        self.begun.extend_from_slice(read);
        let mut passed = Vec::new();
        while let [kind, a, b, c, d, ..] = self.begun[..] {
            let length = 1 + u32::from_be_bytes([a, b, c, d]) as usize;
            if self.begun.len() < length {
                break;
            }
            let message = self.begun.drain(..length);
            if kind == Self::COMMAND_COMPLETE {
                counts.statements.fetch_add(1, Ordering::SeqCst);
            }
            if kind != Self::NOTIFICATION {
                passed.extend(message);
            } else if state.borrow().keeps_notifications {
                counts.kept.fetch_add(1, Ordering::SeqCst);
            } else {
                counts.passed.fetch_add(1, Ordering::SeqCst);
                passed.extend(message);
            }
        }
        passed
    }
}
