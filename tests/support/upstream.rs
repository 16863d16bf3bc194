//! An upstream that behaves as the path of each request says.
//!
//! | path | it |
//! |---|---|
//! | `/status/N…` | answers N and keeps the connection if asked to |
//! | `/pieces/N…` | the same, its head byte by byte |
//! | `/late/N…` | sends its head at once, and its body when [`Upstream::release`] is called |
//! | `/held/N…` | answers when [`Upstream::release`] is called |
//! | `/redirect/N…` | sends nginx to `/own/redirected` (`X-Accel-Redirect`) |
//! | `/close…` | closes without a byte |
//! | `/garbage…` | sends a head that nginx refuses |
//! | `/silent…` | says nothing until nginx closes |

use std::io::{BufReader, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// For one read or write, and for being released: a test that hangs ends.
const LIMIT: Duration = Duration::from_secs(20);
/// Between two bytes of a head that comes in pieces, so that they are not read at once.
const PACE: Duration = Duration::from_millis(1);

/// A running upstream. Its threads end with the test's process.
#[derive(Debug, Clone)]
pub struct Upstream {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    fails: bool,
    connections: AtomicU64,
    requests: AtomicU64,
    released: Mutex<u64>,
    changed: Condvar,
}

impl Upstream {
    /// On a port of 127.0.0.1.
    pub fn start() -> Result<Self> {
        Self::with(State::default())
    }

    /// One that answers everything with 500.
    pub fn failing() -> Result<Self> {
        Self::with(State {
            fails: true,
            ..State::default()
        })
    }

    fn with(state: State) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(state);
        thread::spawn({
            let state = Arc::clone(&state);
            move || {
                for stream in listener.incoming().flatten() {
                    let state = Arc::clone(&state);
                    thread::spawn(move || serve_tcp(&stream, &state));
                }
            }
        });
        Ok(Self { port, state })
    }

    /// The same on a unix socket that anybody may use.
    pub fn also_at(&self, path: &Path) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        let state = Arc::clone(&self.state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                thread::spawn(move || serve_unix(&stream, &state));
            }
        });
        Ok(())
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections that it took.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Requests that it read.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Lets all that is held back now go.
    pub fn release(&self) {
        *self.state.lock() += 1;
        self.state.changed.notify_all();
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, u64> {
        self.released.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next release after the `seen`th.
    fn wait(&self, seen: u64) {
        let guard = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(guard, LIMIT, |released| *released <= seen);
        drop(waited);
    }
}

fn serve_tcp(stream: &TcpStream, state: &State) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(LIMIT));
    serve(BufReader::new(stream), stream, state);
}

fn serve_unix(stream: &UnixStream, state: &State) {
    let _ = stream.set_read_timeout(Some(LIMIT));
    serve(BufReader::new(stream), stream, state);
}

fn serve(mut from: impl std::io::BufRead, mut to: impl std::io::Write, state: &State) {
    state.connections.fetch_add(1, Ordering::SeqCst);
    while let Some(mut request) = read(&mut from) {
        if state.fails {
            "/status/500".clone_into(&mut request.path);
        }
        let released = *state.lock();
        state.requests.fetch_add(1, Ordering::SeqCst);
        if answer(&request, &mut to, state, released).is_none() {
            break;
        }
    }
}

struct Request {
    head_only: bool,
    path: String,
    keep: bool,
}

fn read(from: &mut impl std::io::BufRead) -> Option<Request> {
    let mut line = String::new();
    if from.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let mut request = Request {
        head_only: words.next()? == "HEAD",
        path: words.next()?.to_owned(),
        keep: words.next()? == "HTTP/1.1",
    };
    let mut length = 0;
    loop {
        let mut header = String::new();
        if from.read_line(&mut header).ok()? == 0 {
            return None;
        }
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        request.keep &= header != "connection: close";
    }
    std::io::copy(&mut from.by_ref().take(length), &mut std::io::sink()).ok()?;
    Some(request)
}

/// Nothing when the connection ends with it.
fn answer(
    request: &Request,
    to: &mut impl std::io::Write,
    state: &State,
    released: u64,
) -> Option<()> {
    let mut parts = request.path.split('/').skip(1);
    let how = parts.next()?;
    let status: u16 = parts
        .next()
        .and_then(|code| code.parse().ok())
        .unwrap_or(200);
    match how {
        "close" => return None,
        "garbage" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nthis is no header\x01\r\n\r\n")
                .ok()?;
            return None;
        }
        "silent" => {
            state.wait(u64::MAX - 1);
            return None;
        }
        "held" => state.wait(released),
        _ => {}
    }
    let bodiless = matches!(status, 204 | 304);
    let body = if bodiless {
        ""
    } else {
        "answer of the upstream\n"
    };
    let length = if bodiless {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let redirect = if how == "redirect" {
        "X-Accel-Redirect: /own/redirected\r\n"
    } else {
        ""
    };
    let connection = if request.keep { "keep-alive" } else { "close" };
    let head =
        format!("HTTP/1.1 {status} Because\r\n{length}Connection: {connection}\r\n{redirect}\r\n");
    if how == "pieces" {
        for byte in head.as_bytes().chunks(1) {
            to.write_all(byte).ok()?;
            to.flush().ok()?;
            thread::sleep(PACE);
        }
    } else {
        to.write_all(head.as_bytes()).ok()?;
    }
    to.flush().ok()?;
    if how == "late" {
        state.wait(released);
    }
    if !request.head_only {
        to.write_all(body.as_bytes()).ok()?;
    }
    request.keep.then_some(())
}
