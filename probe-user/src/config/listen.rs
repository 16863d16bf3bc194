//! `listen` directives.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::lexer::Words;
use super::pass::host_and_port;
use super::path_of;
use super::pool::{Pool, text};
use super::units::number;

/// The backlog that nginx asks for on Linux when none is set (`NGX_LISTEN_BACKLOG`).
pub const DEFAULT_BACKLOG: u32 = 511;

/// What one port of a range may cost, in bytes: with the [`Socket`](super::sockets::Socket) that
/// comes of it, and the tables by which sockets are told apart. A few bytes of configuration make
/// 65,535 of them.
const RANGE_COST: usize = 512;

/// What a server listens on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and port; the wildcards are `0.0.0.0` and `::`.
    Tcp(SocketAddr),
    /// A host name, which nginx looked up when it started.
    Name {
        /// The name.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
    /// A socket's path, absolute or relative to the master's working folder.
    Unix(PathBuf),
}

/// One `listen`, or one port of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one parameter of the directive, independent of the others"
)]
pub struct Listen {
    /// Where.
    pub address: ListenAddress,
    /// `backlog=`; [`DEFAULT_BACKLOG`] when not set. Any server may set it for all on the address.
    pub backlog: Option<u32>,
    /// One socket per worker.
    pub reuseport: bool,
    /// TLS.
    pub ssl: bool,
    /// HTTP/2, by the parameter; nginx 1.25.1 has a directive for it besides.
    pub http2: bool,
    /// HTTP/3: UDP.
    pub quic: bool,
    /// Each connection begins with a PROXY header.
    pub proxy_protocol: bool,
    /// This server is for requests that name no server.
    pub default_server: bool,
    /// It has a socket of its own even where a wildcard covers it.
    pub bind: bool,
}

impl Listen {
    /// Where a server without `listen` listens: port 80, 8000 unless root started nginx.
    pub(super) fn implicit(uid: u32) -> Self {
        let port = if uid == 0 { 80 } else { 8000 };
        Self::at(ListenAddress::Tcp((Ipv4Addr::UNSPECIFIED, port).into()))
    }

    fn at(address: ListenAddress) -> Self {
        Self {
            address,
            backlog: None,
            reuseport: false,
            ssl: false,
            http2: false,
            quic: false,
            proxy_protocol: false,
            default_server: false,
            bind: false,
        }
    }

    /// Adds what `listen ADDRESS PARAMETERS` names to `listens`: several for a range of ports.
    /// What could not be understood comes back.
    pub(super) fn add(
        words: &Words,
        pool: &mut Pool,
        listens: &mut Vec<Self>,
    ) -> Result<(), String> {
        let word = words.argument(0).unwrap_or_default();
        let odd = || text(word);
        let mut one = Self::at(ListenAddress::Unix(PathBuf::new()));
        for parameter in words.arguments().skip(1) {
            one.parameter(parameter);
        }
        if let Some(path) = word.strip_prefix(b"unix:") {
            if !path.is_empty() && pool.take_bytes(size_of::<Self>() + path.len()) {
                one.address = ListenAddress::Unix(path_of(path).components().collect());
                listens.push(one);
            }
            return if path.is_empty() { Err(odd()) } else { Ok(()) };
        }
        let (host, ports) = host_and_ports(word).ok_or_else(odd)?;
        let (first, last) = port_range(ports).ok_or_else(odd)?;
        let ip = match host {
            Host::Ip(ip) => Ok(ip),
            Host::Name(name) => Err(pool.text(name)),
        };
        let cost = if first < last {
            RANGE_COST
        } else {
            size_of::<Self>()
        };
        for port in first..=last {
            if !pool.take_bytes(cost) {
                break;
            }
            one.address = match &ip {
                Ok(ip) => ListenAddress::Tcp((*ip, port).into()),
                Err(host) => ListenAddress::Name {
                    host: Arc::clone(host),
                    port,
                },
            };
            listens.push(one.clone());
        }
        Ok(())
    }

    fn parameter(&mut self, parameter: &[u8]) {
        match parameter {
            b"default_server" | b"default" => self.default_server = true,
            b"ssl" => self.ssl = true,
            b"http2" | b"spdy" => self.http2 = true,
            b"quic" => self.quic = true,
            b"proxy_protocol" => self.proxy_protocol = true,
            b"reuseport" => (self.reuseport, self.bind) = (true, true),
            b"bind" | b"deferred" | b"multipath" => self.bind = true,
            _ => {
                if let Some(backlog) = parameter.strip_prefix(b"backlog=") {
                    self.backlog = number(backlog);
                }
                // `ngx_http_core_listen` gives each of these a socket of its own.
                self.bind |= [
                    &b"setfib="[..],
                    b"fastopen=",
                    b"backlog=",
                    b"rcvbuf=",
                    b"sndbuf=",
                    b"accept_filter=",
                    b"ipv6only=",
                    b"so_keepalive=",
                ]
                .iter()
                .any(|name| parameter.starts_with(name));
            }
        }
    }
}

enum Host<'a> {
    Ip(IpAddr),
    Name(&'a [u8]),
}

/// The host, and the port or range; `None` for what is no address.
fn host_and_ports(word: &[u8]) -> Option<(Host<'_>, &[u8])> {
    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if word.is_empty() {
        return None;
    }
    if let Some(inner) = word.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inner)?;
        let (host, _) = host_and_port(word);
        let ip: Ipv6Addr = std::str::from_utf8(host).ok()?.parse().ok()?;
        let after = inner.get(end + 1..)?;
        let ports = match after {
            [] => after,
            _ => after.strip_prefix(b":")?,
        };
        return Some((Host::Ip(ip.into()), ports));
    }
    // nginx tries the whole word as a port first.
    if port_range(word).is_some() {
        return Some((Host::Ip(ANY), word));
    }
    let (host, ports) = match memchr::memchr(b':', word) {
        Some(colon) => (word.get(..colon)?, word.get(colon + 1..)?),
        None => (word, &b""[..]),
    };
    if host.is_empty() {
        return None;
    }
    let ip = std::str::from_utf8(host).ok().and_then(|h| h.parse().ok());
    Some(match ip {
        _ if host == b"*" => (Host::Ip(ANY), ports),
        Some(ip) => (Host::Ip(IpAddr::V4(ip)), ports),
        None => (Host::Name(host), ports),
    })
}

/// `8000` and `8000-8010`; 80 for nothing.
fn port_range(word: &[u8]) -> Option<(u16, u16)> {
    if word.is_empty() {
        return Some((80, 80));
    }
    let (first, last) = match memchr::memchr(b'-', word) {
        Some(dash) => (word.get(..dash)?, word.get(dash + 1..)?),
        None => (word, word),
    };
    if first.is_empty() || last.is_empty() {
        return None;
    }
    let (first, last) = (number(first)?, number(last)?);
    (0 < first && first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{Lexer, Statement};
    use super::*;

    fn listens(text: &str) -> Result<Vec<Listen>, String> {
        let mut found = Vec::new();
        match Lexer::new(text.as_bytes()).statement().unwrap().unwrap() {
            Statement::Simple(words) => {
                Listen::add(&words, &mut Pool::new(100_000_000), &mut found).map(|()| found)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_of_every_form() {
        for (word, expected) in [
            ("80", "0.0.0.0:80"),
            ("*:81", "0.0.0.0:81"),
            ("*", "0.0.0.0:80"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::]:80", "[::]:80"),
            ("[::1]", "[::1]:80"),
            ("127.0.0.1:80-82", "127.0.0.1:80 127.0.0.1:81 127.0.0.1:82"),
            ("9000-9001", "0.0.0.0:9000 0.0.0.0:9001"),
            ("localhost:8080", "name localhost 8080"),
            ("localhost", "name localhost 80"),
            ("unix:/run//n.sock", "unix /run/n.sock"),
            ("0", "name 0 80"),
            ("99999", "name 99999 80"),
            ("1.2.3.4:0", "odd"),
            ("1.2.3.4:9-8", "odd"),
            ("''", "odd"),
            (":80", "odd"),
            ("unix:", "odd"),
            ("[::1", "odd"),
            ("[::1]80", "odd"),
            ("[x]:80", "odd"),
        ] {
            let found = match listens(&format!("listen {word};")) {
                Err(_) => "odd".to_owned(),
                Ok(listens) => listens
                    .iter()
                    .map(|listen| match &listen.address {
                        ListenAddress::Tcp(address) => address.to_string(),
                        ListenAddress::Name { host, port } => format!("name {host} {port}"),
                        ListenAddress::Unix(path) => format!("unix {}", path.display()),
                    })
                    .collect::<Vec<_>>()
                    .join(" "),
            };
            assert_eq!(found, expected, "{word}");
        }
    }

    #[test]
    fn parameters() {
        let all = listens(
            "listen 80 default_server ssl http2 quic proxy_protocol reuseport backlog=7 odd=1;",
        )
        .unwrap();
        let any = |port| ListenAddress::Tcp((Ipv4Addr::UNSPECIFIED, port).into());
        assert_eq!(
            all,
            [Listen {
                address: any(80),
                backlog: Some(7),
                reuseport: true,
                ssl: true,
                http2: true,
                quic: true,
                proxy_protocol: true,
                default_server: true,
                bind: true,
            }]
        );
        assert!(!listens("listen 80 ssl;").unwrap()[0].bind);
        assert!(listens("listen [::]:80 ipv6only=on;").unwrap()[0].bind);
        assert_eq!(Listen::implicit(0).address, any(80));
        assert_eq!(Listen::implicit(33).address, any(8000));
    }

    #[test]
    fn ranges_stay_within_the_room() {
        let mut found = Vec::new();
        let mut pool = Pool::new(10 * RANGE_COST);
        let Statement::Simple(words) = Lexer::new(b"listen 1-65535;").statement().unwrap().unwrap()
        else {
            panic!()
        };
        Listen::add(&words, &mut pool, &mut found).unwrap();
        assert_eq!(found.len(), 10);
        assert!(pool.exhausted());
    }
}
