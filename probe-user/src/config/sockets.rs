//! The sockets that all servers together listen on.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::listen::{Listen, ListenAddress};
use super::settings::Settings;

/// An address that servers listen on, with what they say of it together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one parameter of `listen`, independent of the others"
)]
pub struct Socket {
    /// Where.
    pub address: ListenAddress,
    /// UDP, for HTTP/3.
    pub quic: bool,
    /// Whether it has a socket of its own: an address that a wildcard of the same port covers does
    /// not, unless a `listen` says so.
    pub own: bool,
    /// The servers, by their place in [`Settings::servers`].
    pub servers: Vec<usize>,
    /// Of those, the one for requests that name none of them.
    pub default_server: usize,
    /// `backlog=`; [`super::listen::DEFAULT_BACKLOG`] when not set.
    pub backlog: Option<u32>,
    /// One socket per worker.
    pub reuseport: bool,
    /// TLS.
    pub ssl: bool,
    /// Each connection begins with a PROXY header.
    pub proxy_protocol: bool,
}

impl Settings {
    /// Every address that servers of `http` listen on, in the order of the configuration.
    ///
    /// nginx joins what several servers say of one address (`ngx_http_add_addresses`): TLS and the
    /// PROXY header hold for all of them.
    #[must_use]
    pub fn sockets(&self) -> Vec<Socket> {
        let mut found: Vec<Socket> = Vec::new();
        let mut places: HashMap<(&ListenAddress, bool), usize> = HashMap::new();
        let mut explicit_default = Vec::new();
        for (number, server) in self.servers.iter().enumerate() {
            for listen in &server.listens {
                let key = (&listen.address, listen.quic);
                let place = *places.entry(key).or_insert(found.len());
                if place == found.len() {
                    found.push(Socket::of(listen, number));
                    explicit_default.push(false);
                }
                let (Some(socket), Some(has_default)) =
                    (found.get_mut(place), explicit_default.get_mut(place))
                else {
                    continue;
                };
                socket.join(listen, number);
                if listen.default_server && !*has_default {
                    socket.default_server = number;
                    *has_default = true;
                }
            }
        }
        let wildcards: HashSet<_> = found
            .iter()
            .filter_map(|socket| match &socket.address {
                ListenAddress::Tcp(address) if address.ip().is_unspecified() => {
                    Some((*address, socket.quic))
                }
                _ => None,
            })
            .collect();
        for socket in &mut found {
            socket.own |= match &socket.address {
                ListenAddress::Tcp(address) => {
                    let covered = (wildcard(address.ip(), address.port()), socket.quic);
                    address.ip().is_unspecified() || !wildcards.contains(&covered)
                }
                _ => true,
            };
        }
        found
    }
}

/// The wildcard of the same family.
fn wildcard(ip: IpAddr, port: u16) -> std::net::SocketAddr {
    match ip {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, port).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, port).into(),
    }
}

impl Socket {
    fn of(listen: &Listen, server: usize) -> Self {
        Self {
            address: listen.address.clone(),
            quic: listen.quic,
            own: false,
            servers: Vec::new(),
            default_server: server,
            backlog: None,
            reuseport: false,
            ssl: false,
            proxy_protocol: false,
        }
    }

    fn join(&mut self, listen: &Listen, server: usize) {
        if self.servers.last() != Some(&server) {
            self.servers.push(server);
        }
        self.own |= listen.bind;
        self.backlog = self.backlog.or(listen.backlog);
        self.reuseport |= listen.reuseport;
        self.ssl |= listen.ssl;
        self.proxy_protocol |= listen.proxy_protocol;
    }
}
