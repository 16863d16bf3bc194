//! What the error log says about failures of which the access log does not tell the cause.
//!
//! A message and a failure are of one request when client, request line and second are the same. Of
//! each a few bytes are kept, and not more of them than [`MOST`].

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use crate::{
    access_log::{Entry, Field, how::How},
    correlator::Cause,
    error_log::{Answer, Class, Line},
};

/// Failures, and messages, that a thread keeps.
pub const MOST: usize = 20_000;
/// Seconds that a message may be older than the line of its request; nginx writes the line when the
/// last byte is sent.
const BEFORE: i64 = 2;
/// Seconds that it may be newer: the clock of a line is a little older than the line.
const AFTER: i64 = 1;
/// Zones differ by a multiple of this many seconds.
const QUARTER: i64 = 900;
/// The farthest zone from UTC, in these.
const MOST_QUARTERS: i64 = 14 * 4;
/// Failures, and messages about each of them, that tell how far apart the clocks are.
const LOOKED_AT: usize = 200;

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
        // Those of one request stand together, in the order of time.
        self.messages
            .sort_by_key(|message| (message.request, message.second));
        let messages = &self.messages;
        let ahead = ahead(&self.failures, messages);
        for failure in self.failures.iter_mut().filter(|failure| !failure.on_wall) {
            failure.second -= ahead;
        }
        self.failures
            .sort_by_key(|failure| (failure.second, failure.request));
        let mut used = vec![false; messages.len()];
        for failure in &self.failures {
            let oldest = failure.second - BEFORE - failure.took;
            let from = from(messages, failure.request, oldest);
            let of_request = || {
                let all = messages.iter().enumerate().skip(from);
                all.take_while(|(_, message)| {
                    message.request == failure.request && message.second <= failure.second + AFTER
                })
            };
            let free = of_request()
                .filter(|(at, message)| used.get(*at) == Some(&false) && failure.may_be(message));
            // Of several about one request the last one tells what became of it.
            let nearest = free
                .min_by_key(|(at, message)| (failure.distance(message), std::cmp::Reverse(*at)));
            let Some((_, found)) = nearest else {
                continue;
            };
            let same = |message: &Message| {
                message.connection == found.connection && message.process == found.process
            };
            for (at, message) in of_request() {
                if same(message)
                    && failure.is_near(message)
                    && let Some(used) = used.get_mut(at)
                {
                    *used = true;
                }
            }
            let key = (failure.how, failure.status, found.class.name);
            explained.entry(key).or_insert((found.class, 0)).1 += 1;
        }
        explained
    }
}

impl Failure {
    fn distance(&self, message: &Message) -> i64 {
        (self.second - message.second).abs()
    }

    fn is_near(&self, message: &Message) -> bool {
        (-AFTER..=BEFORE + self.took).contains(&(self.second - message.second))
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

/// The first message about a request that is not older than this.
fn from(messages: &[Message], request: u64, oldest: i64) -> usize {
    messages.partition_point(|message| (message.request, message.second) < (request, oldest))
}

/// How many seconds the clock of failures that do not tell their zone is ahead of that of the
/// messages: what most of the first ones say.
fn ahead(failures: &[Failure], messages: &[Message]) -> i64 {
    let mut votes: BTreeMap<i64, u64> = BTreeMap::new();
    let others = failures.iter().filter(|failure| !failure.on_wall);
    for failure in others.take(LOOKED_AT) {
        let first = from(messages, failure.request, i64::MIN);
        let of_request = messages.iter().skip(first).take(LOOKED_AT);
        for message in of_request.take_while(|message| message.request == failure.request) {
            let seconds = failure.second - message.second;
            let quarters = (seconds + QUARTER / 2).div_euclid(QUARTER);
            let rest = seconds - quarters * QUARTER;
            if quarters.abs() <= MOST_QUARTERS && (-AFTER..=BEFORE).contains(&rest) {
                *votes.entry(quarters).or_default() += 1;
            }
        }
    }
    let most = votes
        .iter()
        .max_by_key(|(quarters, votes)| (**votes, -quarters.abs()));
    most.map_or(0, |(quarters, _)| quarters * QUARTER)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error_log::Parsed, offline::formats::given};

    /// `count` failures and messages of each of some seconds, all about one request.
    fn pairs(format: &str, time: impl Fn(usize) -> String, seconds: usize, count: usize) -> Pairs {
        let chosen = given(format).expect("a format");
        let mut pairs = Pairs::default();
        for n in 0..seconds * count {
            let line = format!("{} \"GET /a HTTP/1.1\" 502", time(n % seconds));
            let mut entry = Entry::default();
            assert!(chosen.parse(line.as_bytes(), &mut entry), "{line}");
            pairs.failure(&entry, 502, How::Untold);
            let clock = format!("{:02}:{:02}", n % seconds / 60, n % seconds % 60);
            let line = format!(
                "2026/11/22 12:{clock} [error] 1#1: *{n} no live upstreams while connecting to \
                 upstream, client: 192.0.2.1, server: x, request: \"GET /a HTTP/1.1\", host: \"x\""
            );
            pairs.message(&Parsed::of(line.as_bytes()).line().expect("a line"));
        }
        pairs
    }

    #[test]
    fn a_message_explains_one_failure_whatever_the_zone() {
        let local = |n: usize| format!("[22/Nov/2026:12:{:02}:{:02} +0330]", n / 60, n % 60);
        let msec = |n: usize| format!("{}.500", 1_795_341_600 + n);
        for (pairs, count) in [
            (
                pairs("[$time_local] \"$request\" $status", local, 100, 3),
                300,
            ),
            (pairs("$msec \"$request\" $status", msec, 100, 3), 300),
        ] {
            let explained = pairs.explained();
            let key = (How::Untold, 502, "no_live_upstreams");
            assert_eq!(explained.get(&key).map(|(_, count)| *count), Some(count));
        }
    }

    #[test]
    fn many_of_one_request_cost_little() {
        let msec = |n: usize| format!("{}.500", 1_795_341_600 + n);
        let pairs = pairs("$msec \"$request\" $status", msec, 3000, 7);
        assert_eq!(pairs.left_out, 2000);
        assert_eq!(
            pairs
                .explained()
                .values()
                .map(|(_, count)| count)
                .sum::<u64>(),
            20_000
        );
    }
}
