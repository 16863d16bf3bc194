//! `upstream` blocks.

use std::sync::Arc;
use std::time::Duration;

use super::lexer::Words;
use super::pass::host_and_port;
use super::pool::{Pool, text};
use super::units::{number, time};

/// One `upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name, in lower case as nginx compares it.
    pub name: Arc<str>,
    /// Its servers, in order.
    pub servers: Vec<UpstreamServer>,
    /// How a server is chosen: `least_conn`, `ip_hash`, `hash $uri consistent` …; `round_robin`
    /// when nothing is said.
    pub balancing: Arc<str>,
    /// `keepalive`: idle connections kept per worker; `None` when not set.
    pub keepalive: Option<u32>,
    /// The name of its shared memory `zone`; without one, each worker counts failures for itself.
    pub zone: Option<Arc<str>>,
}

/// Where a server of an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// An IP address or host name, without brackets, and a port (80 when none is named).
    Host {
        /// The address or name.
        name: Arc<str>,
        /// The port.
        port: u16,
    },
    /// A socket's path.
    Unix(Arc<str>),
}

/// One `server` of an `upstream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    /// Where it is.
    pub address: UpstreamAddress,
    /// Its share of requests; 1 when not set.
    pub weight: u32,
    /// Failures within `fail_timeout` after which it is left out; 1 when not set, 0 for never.
    pub max_fails: u32,
    /// For how long it is left out, and failures are counted; 10 seconds when not set.
    pub fail_timeout: Duration,
    /// Connections at once; 0 for no limit.
    pub max_conns: u32,
    /// Used when no other is there.
    pub backup: bool,
    /// Not used.
    pub down: bool,
}

impl Upstream {
    pub(super) fn of(words: &Words, pool: &mut Pool) -> Self {
        let name = words.argument(0).unwrap_or_default().to_ascii_lowercase();
        Self {
            name: pool.text(&name),
            servers: Vec::new(),
            balancing: pool.text(b"round_robin"),
            keepalive: None,
            zone: None,
        }
    }

    /// Takes a directive of the block; what could not be understood comes back.
    pub(super) fn directive(&mut self, words: &Words, pool: &mut Pool) -> Option<String> {
        match words.name() {
            b"server" if pool.take::<UpstreamServer>() => {
                let (server, odd) = UpstreamServer::of(words, pool);
                self.servers.push(server);
                return odd;
            }
            b"keepalive" => match words.argument(0).map(number) {
                Some(Some(count)) => self.keepalive = Some(count),
                _ => return Some(text(words.argument(0).unwrap_or_default())),
            },
            b"zone" => self.zone = words.argument(0).map(|name| pool.text(name)),
            name @ (b"ip_hash" | b"least_conn" | b"hash" | b"random" | b"least_time") => {
                let mut whole = name.to_vec();
                for argument in words.arguments().take(8) {
                    whole.push(b' ');
                    whole.extend_from_slice(argument);
                }
                self.balancing = pool.text(&whole);
            }
            name if name.starts_with(b"balancer_by_lua") => self.balancing = pool.text(name),
            _ => {}
        }
        None
    }
}

impl UpstreamServer {
    fn of(words: &Words, pool: &mut Pool) -> (Self, Option<String>) {
        let word = words.argument(0).unwrap_or_default();
        let address = if let Some(path) = word.strip_prefix(b"unix:") {
            UpstreamAddress::Unix(pool.text(path))
        } else {
            let (name, port) = host_and_port(word);
            UpstreamAddress::Host {
                name: pool.text(name),
                port: port.unwrap_or(80),
            }
        };
        let mut server = Self {
            address,
            weight: 1,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            max_conns: 0,
            backup: false,
            down: false,
        };
        let mut odd = None;
        for parameter in words.arguments().skip(1) {
            if !server.parameter(parameter) {
                odd.get_or_insert_with(|| text(parameter));
            }
        }
        (server, odd)
    }

    /// Whether the parameter was understood.
    fn parameter(&mut self, parameter: &[u8]) -> bool {
        let (name, value) = match memchr::memchr(b'=', parameter) {
            Some(equals) => parameter.split_at(equals + 1),
            None => (parameter, &b""[..]),
        };
        let set = |field: &mut u32| number(value).map(|number| *field = number).is_some();
        match name {
            b"weight=" => set(&mut self.weight),
            b"max_fails=" => set(&mut self.max_fails),
            b"max_conns=" => set(&mut self.max_conns),
            b"fail_timeout=" => time(value)
                .map(|timeout| self.fail_timeout = timeout)
                .is_some(),
            b"backup" => {
                self.backup = true;
                true
            }
            b"down" => {
                self.down = true;
                true
            }
            // Others exist in other builds (`resolve`, `slow_start=`, `route=`) and say nothing here.
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{Lexer, Statement};
    use super::*;

    fn upstream(text: &str) -> (Upstream, Vec<String>) {
        let mut pool = Pool::new(100_000);
        let mut lexer = Lexer::new(text.as_bytes());
        let (mut upstream, mut odd) = (None, Vec::new());
        while let Some(statement) = lexer.statement().unwrap() {
            match statement {
                Statement::Open(words) => upstream = Some(Upstream::of(&words, &mut pool)),
                Statement::Simple(words) => {
                    odd.extend(upstream.as_mut().unwrap().directive(&words, &mut pool));
                }
                Statement::Close => {}
            }
        }
        (upstream.unwrap(), odd)
    }

    #[test]
    fn servers_and_their_parameters() {
        let (upstream, odd) = upstream(
            "upstream Back { zone z 64k; hash $uri consistent; keepalive 16;
             server 10.0.0.1; server unix:/run/a weight=3 max_fails=0 fail_timeout=1m30s down;
             server [::1]:81 backup max_conns=7 resolve slow_start=3s; server h:82 weight=x; }",
        );
        assert_eq!(&*upstream.name, "back");
        assert_eq!(&*upstream.balancing, "hash $uri consistent");
        assert_eq!(upstream.keepalive, Some(16));
        assert_eq!(upstream.zone.as_deref(), Some("z"));
        assert_eq!(odd, ["weight=x"]);
        let host = |name: &str, port| UpstreamAddress::Host {
            name: name.into(),
            port,
        };
        let plain = UpstreamServer {
            address: host("10.0.0.1", 80),
            weight: 1,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            max_conns: 0,
            backup: false,
            down: false,
        };
        assert_eq!(
            upstream.servers,
            [
                plain.clone(),
                UpstreamServer {
                    address: UpstreamAddress::Unix("/run/a".into()),
                    weight: 3,
                    max_fails: 0,
                    fail_timeout: Duration::from_secs(90),
                    down: true,
                    ..plain.clone()
                },
                UpstreamServer {
                    address: host("::1", 81),
                    backup: true,
                    max_conns: 7,
                    ..plain.clone()
                },
                UpstreamServer {
                    address: host("h", 82),
                    ..plain
                },
            ]
        );
    }
}
