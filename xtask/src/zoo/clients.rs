//! Clients that ask and note what they got, and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use nginx_probe_tests::client::Client;

/// An answer, or none when the connection broke.
#[derive(Clone, Debug)]
pub(super) struct Got {
    /// Which of the requests, from 0.
    pub(super) number: usize,
    pub(super) status: Option<u16>,
    /// When the client knew.
    pub(super) at: SystemTime,
}

/// So many `clients` at once send `count` requests in all, each by `how`, which is given its number.
pub(super) fn ask(
    clients: usize,
    count: usize,
    how: impl Fn(usize) -> Result<u16> + Sync,
) -> Result<Vec<Got>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut got = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return got;
            }
            let status = how(number).ok();
            let at = SystemTime::now();
            got.push(Got { number, status, at });
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().ok().context("a client panicked")?);
        }
        Ok(all)
    })
}

/// Asks for a path on a connection of its own.
pub(super) fn get(port: u16, path: &str) -> Result<u16> {
    Client::connect(port)?.get(path)
}

/// Sends a body of so many bytes to a path.
pub(super) fn post(port: u16, path: &str, length: usize) -> Result<u16> {
    let mut client = Client::connect(port)?;
    let body = "x".repeat(length);
    // nginx may answer and close before it has taken everything.
    let _ = client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client.answer()
}

/// Fails unless each of these answers has this status: else the fault was not caused.
pub(super) fn ensure_all(got: &[Got], status: u16) -> Result<()> {
    let other = got.iter().find(|one| one.status != Some(status));
    ensure!(
        other.is_none(),
        "the fault was to give {status}, and gave {other:?}"
    );
    Ok(())
}
