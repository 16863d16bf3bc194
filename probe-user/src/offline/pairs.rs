//! What the error log says about failures of which the access log does not tell the cause.
//!
//! A message and a failure are of one request when client, request line and second are the same. Of
//! each a few bytes are kept, and not more of them than [`MOST`].

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::{
    access_log::{Entry, Field, how::How},
    correlator::Cause,
    error_log::{Answer, Class, Line},
};

/// Failures, and messages, that a thread keeps.
pub const MOST: usize = 50_000;
/// Seconds that a message may be older than the line of its request; nginx writes the line when the
/// last byte is sent.
const BEFORE: i64 = 2;
/// Seconds that it may be newer: the clock of a line is a little older than the line.
const AFTER: i64 = 1;
/// Zones differ by a multiple of this many seconds.
const QUARTER: i64 = 900;

/// A failure whose cause the access log does not tell.
#[derive(Clone, Copy, Debug)]
struct Failure {
    request: u64,
    client: u64,
    /// Seconds since 1970-01-01 by the clock on nginx's wall, or by another one.
    second: i64,
    on_wall: bool,
    /// How long the request took, in whole seconds.
    took: i64,
    status: u16,
    how: How,
}

/// A message that tells a cause.
#[derive(Clone, Copy, Debug)]
struct Message {
    request: u64,
    client: u64,
    second: i64,
    process: u32,
    connection: u64,
    class: &'static Class,
}

/// What failures and messages there are.
#[derive(Debug, Default)]
pub struct Pairs {
    failures: Vec<Failure>,
    messages: Vec<Message>,
    /// Failures and messages that were not kept.
    pub left_out: u64,
}

/// How many failures of a kind a class of messages explains.
pub type Explained = HashMap<(How, u16, &'static str), (&'static Class, u64)>;

impl Pairs {
    /// Keeps a failure.
    pub fn failure(&mut self, entry: &Entry<'_>, status: u16, how: How) {
        if how.cause() != Cause::Unknown {
            return;
        }
        if self.failures.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let (Some(request), Some(time)) = (request_of(entry), entry.time()) else {
            return;
        };
        let offset = entry.utc_offset();
        let client = entry.present(Field::RemoteAddr).unwrap_or_default();
        let took = entry.request_time().unwrap_or(0);
        self.failures.push(Failure {
            request,
            client: hash_of_client(client),
            second: time.div_euclid(1_000_000) + offset.unwrap_or(0),
            on_wall: offset.is_some(),
            took: took.div_euclid(1_000_000),
            status,
            how,
        });
    }

    /// Keeps a message.
    pub fn message(&mut self, line: &Line<'_>) {
        let fails = match line.class.answer {
            Answer::Status(status) => status >= 500,
            Answer::Fails => true,
            Answer::NoAnswer | Answer::Unharmed => false,
        };
        let (true, Some(_), Some(request)) = (fails, line.class.cause, line.request) else {
            return;
        };
        if self.messages.len() >= MOST {
            self.left_out += 1;
            return;
        }
        self.messages.push(Message {
            request: hash_of_request(request),
            client: hash_of_client(line.client.unwrap_or_default()),
            second: line.time.unix(0),
            process: line.pid,
            connection: line.connection.unwrap_or(0),
            class: line.class,
        });
    }

    /// Takes all of another.
    pub fn merge(&mut self, other: Self) {
        self.failures.extend(other.failures);
        self.messages.extend(other.messages);
        self.left_out += other.left_out;
    }

    /// Which messages explain how many failures. A message explains one request: the nearest.
    #[must_use]
    pub fn explained(mut self) -> Explained {
        let mut explained = Explained::new();
        if self.messages.is_empty() {
            return explained;
        }
        self.failures
            .sort_by_key(|failure| (failure.second, failure.request));
        self.messages.sort_by_key(|message| message.second);
        let mut by_request: HashMap<u64, Vec<(Message, bool)>> = HashMap::new();
        for message in self.messages {
            by_request
                .entry(message.request)
                .or_default()
                .push((message, false));
        }
        for failure in &self.failures {
            let Some(messages) = by_request.get_mut(&failure.request) else {
                continue;
            };
            let free = messages
                .iter()
                .enumerate()
                .filter(|(_, (message, used))| !used && failure.may_be(message));
            // Of several about one request the last one tells what became of it.
            let Some((at, found)) = free
                .min_by_key(|(at, (message, _))| {
                    (failure.distance(message), std::cmp::Reverse(*at))
                })
                .map(|(at, (message, _))| (at, *message))
            else {
                continue;
            };
            let same = |message: &Message| {
                message.connection == found.connection
                    && message.process == found.process
                    && failure.is_near(message)
            };
            for (message, used) in messages.iter_mut() {
                *used |= same(message);
            }
            if let Some(place) = messages.get_mut(at) {
                place.1 = true;
            }
            let key = (failure.how, failure.status, found.class.name);
            explained.entry(key).or_insert((found.class, 0)).1 += 1;
        }
        explained
    }
}

impl Failure {
    /// Seconds from a message to the failure; with clocks of different zones, within a quarter of an
    /// hour.
    fn since(&self, message: &Message) -> i64 {
        let since = self.second - message.second;
        if self.on_wall {
            return since;
        }
        let since = since.rem_euclid(QUARTER);
        if since > QUARTER / 2 {
            since - QUARTER
        } else {
            since
        }
    }

    fn distance(&self, message: &Message) -> i64 {
        self.since(message).abs()
    }

    fn is_near(&self, message: &Message) -> bool {
        (-AFTER..=BEFORE + self.took).contains(&self.since(message))
    }

    /// Whether a message may be about this one.
    fn may_be(&self, message: &Message) -> bool {
        let client = self.client == message.client || self.client == 0 || message.client == 0;
        let answer = match message.class.answer {
            Answer::Status(status) => status == self.status,
            _ => true,
        };
        client && answer && self.is_near(message)
    }
}

/// The request of a line, as far as it has one.
fn request_of(entry: &Entry<'_>) -> Option<u64> {
    let escape = entry.escape();
    if let Some(request) = entry.present(Field::Request) {
        return Some(hash_of_request(&escape.unescape(request)));
    }
    let target = entry.present(Field::RequestUri)?;
    let method = entry.present(Field::RequestMethod).unwrap_or(b"GET");
    Some(hash_of_request(
        &[method, b" ", &escape.unescape(target)].concat(),
    ))
}

/// Method and target alone: a line may not have the protocol.
fn hash_of_request(request: &[u8]) -> u64 {
    let protocol = memchr::memrchr(b' ', request).filter(|at| {
        request
            .get(at + 1..)
            .is_some_and(|rest| rest.starts_with(b"HTTP/"))
    });
    let request = request
        .get(..protocol.unwrap_or(request.len()))
        .unwrap_or(request);
    hash(request)
}

/// None, or a list of forwarders, is nobody's.
fn hash_of_client(client: &[u8]) -> u64 {
    if client.is_empty() || client == b"-" || client.contains(&b',') {
        0
    } else {
        hash(client)
    }
}

fn hash(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().max(1)
}
