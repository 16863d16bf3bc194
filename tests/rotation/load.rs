//! A bounded load on connections that are kept, fast enough to make rotation a race.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

const CONNECTIONS: u64 = 2;

/// Requests `/r/1`, `/r/2` and so on, each once.
pub struct Load {
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    /// Starts `requests` requests to a location that answers 204.
    pub fn start(port: u16, requests: u64) -> Self {
        let answered = Arc::new(AtomicU64::new(0));
        let threads = (1..=CONNECTIONS)
            .map(|first| {
                let answered = Arc::clone(&answered);
                std::thread::spawn(move || run(port, first, requests, &answered))
            })
            .collect();
        Self { answered, threads }
    }

    /// Answers so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits for the end; how many answers there were.
    pub fn stop(self) -> Result<u64> {
        for thread in self.threads {
            thread.join().ok().context("the load panicked")??;
        }
        Ok(self.answered.load(Ordering::Relaxed))
    }
}

fn run(port: u16, first: u64, requests: u64, answered: &AtomicU64) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut line = String::new();
    let mut number = first;
    while number <= requests {
        stream
            .write_all(format!("GET /r/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        line.clear();
        answers.read_line(&mut line)?;
        ensure!(
            line.starts_with("HTTP/1.1 204"),
            "request {number}: {line:?}"
        );
        while line != "\r\n" {
            line.clear();
            ensure!(
                answers.read_line(&mut line)? > 0,
                "request {number}: closed"
            );
        }
        answered.fetch_add(1, Ordering::Relaxed);
        number += CONNECTIONS;
    }
    Ok(())
}
