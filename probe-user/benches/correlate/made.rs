//! Facts such as a busy nginx in trouble gives, made up, the same every time.

use std::sync::Arc;

use nginx_probe::{
    access_log::how::How,
    clock::Time,
    error_log::{Level, named},
    facts::{Dropped, Event, Fact, Instance, Logged, Noted, Sources},
    requests::{Answer, Attempt, End, RequestLine},
};

/// Facts a second of the time that they tell.
pub const RATE: u64 = 200_000;
/// Microseconds that are read at once: what the kernel saw, then the lines of the logs.
const BATCH: u64 = 20_000;
const ROUTES: u64 = 64;
const CLIENTS: u64 = 200;
/// In every fourth of such spans one route fails alone.
const STORM: u64 = 1_000_000;

/// Makes facts, batch by batch.
pub struct Made {
    instance: Instance,
    dice: u64,
    now: Time,
    connection: u64,
    /// Failed answers so far, each told of by one source or several.
    pub failed: u64,
}

impl Made {
    /// Begins.
    pub fn new() -> Self {
        Self {
            instance: Arc::from("/run/nginx.pid"),
            dice: 0x9e37_79b9_7f4a_7c15,
            now: Time(1_780_000_000_000_000),
            connection: 0,
            failed: 0,
        }
    }

    /// What is watched, which comes first.
    pub fn first(&self) -> Fact {
        self.fact(Event::Sources(Sources {
            requests: true,
            messages: true,
            access_log: true,
            upstream_status: true,
            error_log: true,
        }))
    }

    /// The present of the last batch.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The next batch.
    pub fn batch(&mut self) -> Vec<Fact> {
        let wanted = usize::try_from(RATE * BATCH / 1_000_000).unwrap_or(1);
        let (mut kernel, mut lines, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let begin = self.now;
        while kernel.len() + lines.len() + notes.len() < wanted {
            let done = u64::try_from(kernel.len() + lines.len() + notes.len()).unwrap_or(0);
            self.now = Time(begin.0 + done * 1_000_000 / RATE);
            self.answer(&mut kernel, &mut lines, &mut notes);
        }
        self.now = Time(begin.0 + BATCH);
        for fact in lines.iter_mut().chain(&mut notes) {
            fact.time = self.now;
        }
        kernel.extend(notes);
        kernel.extend(lines);
        kernel
    }

    fn roll(&mut self, sides: u64) -> u64 {
        // Xorshift: the same facts every time.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }

    fn fact(&self, event: Event) -> Fact {
        Fact {
            time: self.now,
            instance: Arc::clone(&self.instance),
            event,
        }
    }

    /// One failed answer, as each source tells of it.
    fn answer(&mut self, kernel: &mut Vec<Fact>, lines: &mut Vec<Fact>, notes: &mut Vec<Fact>) {
        let storm = self.now.0 / STORM % 4 == 3;
        let route = if storm { 0 } else { self.roll(ROUTES) };
        let client = format!("192.0.2.{}", self.roll(CLIENTS));
        let request = RequestLine {
            method: "GET".to_owned(),
            path: format!("/api/v1/route{route}/items"),
            cut: false,
        };
        let upstream = format!("10.0.0.{}:8080", route % 8);
        self.connection += 1;
        self.failed += 1;
        let pid = 1_000 + u32::try_from(self.roll(8)).unwrap_or(0);
        let (status, last, how, class) = match self.roll(100) {
            0..40 => (500, Some(Attempt::Status(500)), How::Upstream, None),
            40..60 => {
                let refused = Attempt::Ended(End::Error("ECONNREFUSED"));
                (
                    502,
                    Some(refused),
                    How::NoConnection,
                    Some("connect_refused"),
                )
            }
            60..75 => (500, None, How::Nginx, Some("rewrite_cycle")),
            75..90 => (503, None, How::Nginx, None),
            90..99 => (504, Some(Attempt::Ended(End::GaveUp)), How::TimedOut, None),
            _ => {
                self.failed -= 1;
                let dropped = Dropped {
                    pid,
                    for_memory: false,
                    client: Some(client),
                    count: 1,
                };
                kernel.push(self.fact(Event::Dropped(dropped)));
                return;
            }
        };
        let asked = last.map(|_| upstream.clone());
        // Who follows requests does not see every one.
        let seen = self.roll(20) > 0;
        if seen {
            kernel.push(self.fact(Event::Answer(Box::new(Answer {
                pid,
                status: Some(status),
                attempts: last.into_iter().collect(),
                upstream: asked.clone(),
                protocol: last.map(|_| "http"),
                request: Some(request.clone()),
                client: Some(format!("{client}:40000")),
                made: last.is_none().then_some(status),
                ..Answer::default()
            }))));
        }
        if let Some(class) = class.and_then(named) {
            notes.push(self.fact(Event::Noted(Box::new(Noted {
                class,
                level: Level::Error,
                errno: last.map(|_| "ECONNREFUSED"),
                pid,
                connection: Some(self.connection),
                request: Some(request.clone()),
                client: Some(client.clone()),
                upstream: asked.clone(),
                file: None,
                subrequest: None,
                words: None,
                rule: None,
            }))));
        }
        // Half the logs are in combined form.
        let full = route % 2 == 0;
        lines.push(self.fact(Event::Logged(Box::new(Logged {
            status,
            how: if full { how } else { How::Untold },
            upstream_status: if full {
                last.iter().map(|last| last.status()).collect()
            } else {
                Vec::new()
            },
            upstream: asked.filter(|_| full),
            request: Some(request),
            as_sent: true,
            client: Some(client),
            connection: full.then_some(self.connection),
            pid: full.then_some(pid),
            count: 1,
        }))));
    }
}
