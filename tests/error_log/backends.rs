//! Upstreams that behave badly: each reads a request and answers with fixed bytes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// What follows the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// Nothing, until nginx closes.
    Silence,
    /// The request was not read, so the kernel sends a reset.
    Reset,
}

/// Starts an upstream; its port. It ends with the test's process.
pub fn start(answer: Vec<u8>, then: Then) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, &answer, then));
        }
    });
    Ok(port)
}

fn serve(mut stream: TcpStream, answer: &[u8], then: Then) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut some = [0; 4096];
    if then == Then::Reset {
        // Closed with bytes unread: wait for the first to be there.
        let _ = stream.peek(&mut some);
        return;
    }
    let _ = stream.read(&mut some);
    let _ = stream.write_all(answer);
    if then == Then::Close {
        let _ = stream.shutdown(Shutdown::Write);
    }
    // Until nginx closes, lest a reset overtakes the answer.
    while stream.read(&mut some).is_ok_and(|length| length > 0) {}
}

/// A `FastCGI` record (version 1, request 1).
pub fn fastcgi(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(0).to_be_bytes();
    let mut record = vec![1, kind, 0, 1, length[0], length[1], 0, 0];
    record.extend(content);
    record
}
