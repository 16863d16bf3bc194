//! Where `stub_status` can be asked.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::listen::ListenAddress;
use super::location::{Handler, LocationKind};
use super::server::{Place, Server};
use super::settings::Settings;
use super::sockets::Socket;

/// Ways that are given; every one leads to the same counters.
const MAX_WAYS: usize = 64;

/// Listeners that are looked at to find them, and names of a server.
const MAX_TRIES: usize = 1_000;

/// One way to ask for `stub_status`.
///
/// nginx may refuse it all the same: `allow`, `auth_basic`, or a regular expression that takes the
/// path first are not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubStatus {
    /// Where to connect.
    pub address: StubAddress,
    /// What the request's `Host` has to say; empty for a request of HTTP/1.0 without one.
    pub host: String,
    /// The path, ready to be sent.
    pub path: String,
    /// Inside TLS.
    pub ssl: bool,
    /// After a PROXY header.
    pub proxy_protocol: bool,
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StubAddress {
    /// An address; loopback for a wildcard. It is one of nginx's network namespace.
    Tcp(SocketAddr),
    /// A socket's path in nginx's root.
    Unix(PathBuf),
}

impl Settings {
    /// Ways to ask for `stub_status`, the simplest first, at most 64.
    #[must_use]
    pub fn stub_statuses(&self) -> Vec<StubStatus> {
        let candidates: Vec<_> = self
            .servers
            .iter()
            .enumerate()
            .map(|(number, server)| (number, server, paths(server)))
            .filter(|(_, _, paths)| !paths.is_empty())
            .collect();
        if candidates.is_empty() {
            return Vec::new();
        }
        let sockets = self.sockets();
        let by_address: HashMap<_, _> = sockets
            .iter()
            .filter(|socket| !socket.quic)
            .map(|socket| (&socket.address, socket))
            .collect();
        let mut names = HashMap::new();
        let mut ways = Vec::new();
        let tries = candidates
            .iter()
            .flat_map(|(number, server, paths)| {
                let listens = server.listens.iter().filter(|listen| !listen.quic);
                listens.map(move |listen| (*number, *server, paths, &listen.address))
            })
            .take(MAX_TRIES);
        for (number, server, paths, listened) in tries {
            let claimed = |address| by_address.contains_key(&ListenAddress::Tcp(address));
            if names.len() >= MAX_WAYS && !names.contains_key(listened) {
                continue;
            }
            let (Some(&socket), Some(address)) =
                (by_address.get(listened), reach(listened, claimed))
            else {
                continue;
            };
            let names = names.entry(listened).or_insert_with(|| self.names(socket));
            let Some(host) = host(server, number, socket, names) else {
                continue;
            };
            ways.extend(paths.iter().map(|path| StubStatus {
                address: address.clone(),
                host: host.clone(),
                path: path.clone(),
                ssl: socket.ssl,
                proxy_protocol: socket.proxy_protocol,
            }));
        }
        ways.sort_by_key(|way| (way.proxy_protocol, way.ssl));
        ways.truncate(MAX_WAYS);
        ways
    }

    /// The first server of each exact name at this address: nginx ignores later ones.
    fn names(&self, socket: &Socket) -> HashMap<&str, usize> {
        let mut names = HashMap::new();
        for &number in &socket.servers {
            for name in self.servers.get(number).iter().flat_map(|s| &s.names) {
                names.entry(exact(name)).or_insert(number);
            }
        }
        names
    }
}

/// `.example.com` stands for `example.com` too.
fn exact(name: &str) -> &str {
    name.strip_prefix('.').unwrap_or(name)
}

/// A `Host` that leads to this server.
fn host(
    server: &Server,
    number: usize,
    socket: &Socket,
    names: &HashMap<&str, usize>,
) -> Option<String> {
    let plain = |name: &&str| {
        !name.contains(['*', '$', '~', '"'])
            && name.bytes().all(|byte| byte.is_ascii_graphic())
            && names.get(name) == Some(&number)
    };
    let names_of_it = server.names.iter().take(MAX_TRIES);
    let mut own = names_of_it.map(|name| exact(name)).filter(plain);
    if let Some(name) = own.clone().find(|name| !name.is_empty()) {
        return Some(name.into());
    }
    if socket.default_server == number {
        // A name that is nobody's; regular expressions of others are not tried.
        let nobodys = |name: &&str| !names.contains_key(name);
        return ["localhost", "127.0.0.1", "nginx-probe.invalid"]
            .into_iter()
            .find(nobodys)
            .map(Into::into);
    }
    own.next().map(Into::into)
}

/// Where to connect to reach a listener.
fn reach(address: &ListenAddress, claimed: impl Fn(SocketAddr) -> bool) -> Option<StubAddress> {
    let tcp = match address {
        ListenAddress::Unix(path) => return Some(StubAddress::Unix(path.clone())),
        ListenAddress::Name { host, port } if &**host == "localhost" => {
            (Ipv4Addr::LOCALHOST, *port).into()
        }
        ListenAddress::Name { .. } => return None,
        ListenAddress::Tcp(address) => match address.ip() {
            // A server that names a loopback address takes what goes there from the wildcard; the
            // network 127.0.0.0/8 has more of them.
            IpAddr::V4(ip) if ip.is_unspecified() => (1..=254)
                .map(|last| (Ipv4Addr::new(127, 0, 0, last), address.port()).into())
                .find(|&address| !claimed(address))?,
            IpAddr::V6(ip) if ip.is_unspecified() => {
                Some((Ipv6Addr::LOCALHOST, address.port()).into())
                    .filter(|&address| !claimed(address))?
            }
            _ => *address,
        },
    };
    Some(StubAddress::Tcp(tcp))
}

/// The paths of a server's `stub_status` locations, the surest first.
fn paths(server: &Server) -> Vec<String> {
    if server.level.returns.is_some() {
        return Vec::new();
    }
    let mut found = Vec::new();
    server.visit(&mut |place, level| {
        if level.handler == Some(Handler::StubStatus)
            && level.returns.is_none()
            && found.len() < MAX_WAYS
            && let Some((rank, path)) = path(place)
        {
            found.push((rank, escaped(&path)));
        }
    });
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, path)| path).collect()
}

/// A path that leads to this place, and how unsure that is.
fn path(place: &Place) -> Option<(u8, String)> {
    let Some((last, outer)) = place.locations.split_last() else {
        // The server itself answers where no location does.
        let taken = place.server.level.locations.iter().any(|location| {
            matches!(
                (location.kind, &*location.pattern),
                (LocationKind::Regex | LocationKind::RegexNoCase, _) | (_, "" | "/")
            )
        });
        return (!taken).then(|| (3, "/".into()));
    };
    if outer.iter().any(|location| is_inner(location.kind)) {
        return None;
    }
    let (rank, path) = match last.kind {
        LocationKind::Exact => (0, last.pattern.to_string()),
        LocationKind::NoRegex => (1, last.pattern.to_string()),
        LocationKind::Prefix => (2, last.pattern.to_string()),
        LocationKind::Regex | LocationKind::RegexNoCase => (4, literal(&last.pattern)?),
        _ => return None,
    };
    (path.starts_with('/') && !path.contains('\u{fffd}')).then_some((rank, path))
}

fn is_inner(kind: LocationKind) -> bool {
    matches!(
        kind,
        LocationKind::Named | LocationKind::If | LocationKind::LimitExcept
    )
}

/// What a regular expression without any choice matches.
fn literal(expression: &str) -> Option<String> {
    let expression = expression.strip_prefix('^').unwrap_or(expression);
    let expression = expression.strip_suffix('$').unwrap_or(expression);
    let mut text = String::new();
    let mut characters = expression.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => characters
                .next()
                .filter(|escaped| !escaped.is_alphanumeric())?,
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => {
                return None;
            }
            _ => character,
        });
    }
    Some(text)
}

/// A path as it is written in a request.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(char::from(byte)),
            _ if b"/-._~!$&'()*+,;=:@".contains(&byte) => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}
