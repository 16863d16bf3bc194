//! Requests over connections that stay open, and system calls: as many as are asked for.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::time::ClockId;

use super::overhead::TIMEOUT;

/// Connections that are asked in turn, so that a worker finds several events at once.
const CONNECTIONS: usize = 16;

/// Connections to an nginx that answers all requests of one path alike.
pub(super) struct Load {
    connections: Vec<TcpStream>,
    request: String,
    /// Bytes of an answer.
    length: usize,
}

impl Load {
    /// Connects, and asks once to learn how long an answer is.
    pub(super) fn start(port: u16, path: &str) -> Result<Self> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            connection.set_nodelay(true)?;
            connection.set_read_timeout(Some(TIMEOUT))?;
            connections.push(connection);
        }
        let first = connections.first_mut().context("no connection")?;
        first.write_all(request.as_bytes())?;
        let length = whole_answer(first)?;
        Ok(Self {
            connections,
            request,
            length,
        })
    }

    /// Asks so many times, and waits for each answer.
    pub(super) fn run(&mut self, requests: u32) -> Result<()> {
        let mut answer = vec![0; self.length];
        let mut left = usize::try_from(requests)?;
        while left > 0 {
            let now = left.min(self.connections.len());
            for connection in self.connections.iter_mut().take(now) {
                connection.write_all(self.request.as_bytes())?;
            }
            for connection in self.connections.iter_mut().take(now) {
                connection.read_exact(&mut answer)?;
                ensure!(answer.starts_with(b"HTTP/1.1 200"), "not a good answer");
            }
            left -= now;
        }
        Ok(())
    }
}

/// Reads one answer with a `Content-Length`; its length with its head.
fn whole_answer(connection: &mut TcpStream) -> Result<usize> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = connection.read(&mut buffer)?;
        ensure!(read > 0, "the connection was closed");
        answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer);
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .context("an answer without a Content-Length")?;
        let whole = head.len() + 4 + length.parse::<usize>()?;
        if answer.len() >= whole {
            return Ok(whole);
        }
    }
}

/// Our own processor time for so many of the cheapest system calls.
pub(super) fn system_calls(calls: u32) -> Duration {
    let now = || {
        ClockId::CLOCK_THREAD_CPUTIME_ID
            .now()
            .map_or(Duration::ZERO, Duration::from)
    };
    let before = now();
    for _ in 0..calls {
        std::hint::black_box(nix::unistd::getppid());
    }
    now().saturating_sub(before)
}
