//! A bounded HTTP client for loopback, in the foreground and in the background.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// For one request: the slowest fault blocks a worker for 5 seconds.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Between two requests of a load: some hundred a second are enough, and leave the machine to others.
const PAUSE: Duration = Duration::from_millis(1);

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A whole response with this status.
    Status(u16),
    /// No response: refused, reset, closed early or timed out, in words.
    Broken(String),
}

/// Requests `path` from 127.0.0.1 at `port`, on a connection of its own.
#[must_use]
pub fn get(port: u16, path: &str) -> Answer {
    match get_text(port, path) {
        Ok((status, _)) => Answer::Status(status),
        Err(error) => Answer::Broken(format!("{error:#}")),
    }
}

/// Requests `path` as [`get`] does and gives the status and the body (of at most 10 MiB).
pub fn get_text(port: u16, path: &str) -> Result<(u16, String)> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(TIMEOUT))
        // The tests mean this host, whatever the environment says of proxies.
        .proxy(None)
        .max_redirects(0)
        .build()
        .into();
    let mut response = agent.get(format!("http://127.0.0.1:{port}{path}")).call()?;
    Ok((
        response.status().as_u16(),
        response.body_mut().read_to_string()?,
    ))
}

/// What a load counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Responses by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that got no whole response.
    pub broken: u64,
}

/// Requests in the background, one after the other, until dropped, stopped, or at its bound.
#[derive(Debug)]
pub struct Load {
    end: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<Counts>>,
}

impl Load {
    /// Requests the `paths` in turn: at most `requests` of them, for at most `time`.
    #[must_use]
    pub fn start(port: u16, paths: &[&str], requests: u64, time: Duration) -> Self {
        Self::paced(port, paths, requests, time, PAUSE)
    }

    /// [`Load::start`] with a longer `pause` between two requests.
    #[must_use]
    pub fn paced(
        port: u16,
        paths: &[&str],
        requests: u64,
        time: Duration,
        pause: Duration,
    ) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let thread = thread::spawn({
            let (end, sent) = (Arc::clone(&end), Arc::clone(&sent));
            let until = Instant::now() + time;
            let bounds = Bounds {
                requests,
                until,
                pause,
            };
            move || run(port, &paths, &bounds, &end, &sent)
        });
        Self {
            end,
            sent,
            thread: Some(thread),
        }
    }

    /// Requests answered or broken so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends the load after the request in flight.
    pub fn stop(mut self) -> Result<Counts> {
        self.finish().context("the load's thread panicked")
    }

    fn finish(&mut self) -> Option<Counts> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.finish();
    }
}

struct Bounds {
    requests: u64,
    until: Instant,
    pause: Duration,
}

fn run(port: u16, paths: &[String], bounds: &Bounds, end: &AtomicBool, sent: &AtomicU64) -> Counts {
    let mut counts = Counts::default();
    for path in paths.iter().cycle() {
        let done = sent.load(Ordering::Relaxed);
        if done >= bounds.requests || Instant::now() >= bounds.until || end.load(Ordering::Relaxed)
        {
            break;
        }
        match get(port, path) {
            Answer::Status(status) => *counts.statuses.entry(status).or_default() += 1,
            Answer::Broken(_) => counts.broken += 1,
        }
        sent.store(done + 1, Ordering::Relaxed);
        thread::sleep(bounds.pause);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nginx::Nginx;
    use crate::ports;
    use crate::wait::{DEADLINE, until_true};

    #[test]
    fn nobody_there_is_a_broken_answer() -> Result<()> {
        assert!(matches!(get(ports::free()?, "/"), Answer::Broken(_)));
        Ok(())
    }

    #[test]
    fn a_load_counts_what_it_got_and_keeps_its_bound() -> Result<()> {
        let nginx = Nginx::builder().start()?;
        let load = Load::start(nginx.port(), &["/ok", "/fail"], 10, DEADLINE);
        until_true("ten requests", DEADLINE, || Ok(load.sent() == 10))?;
        let expected = Counts {
            statuses: BTreeMap::from([(200, 5), (500, 5)]),
            broken: 0,
        };
        assert_eq!(load.stop()?, expected);
        Ok(())
    }
}
