//! Where an nginx finds what is behind it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use nginx_probe_ebpf::connection::ADDRESS_LEN;

use crate::{
    config::{Settings, location::Handler, pass::Target, upstream::UpstreamAddress},
    requests::CUT,
};

/// Addresses that are kept of one configuration.
const MAX_ADDRESSES: usize = 1_024;
/// Bytes of a unix socket's path that the kernel half keeps of an address.
const KEPT_PATH: usize = ADDRESS_LEN - 2;

/// An upstream's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A socket's path in nginx's root; one that begins with `@` or NUL is of no file.
    Unix(Arc<str>),
}

impl Address {
    /// As an answer names it, `ip:port` or `unix:path`. One whose path is cut or escaped there gives
    /// nothing: the configuration has it whole.
    #[must_use]
    pub fn of_answer(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some(path) if path.len() < KEPT_PATH && !path.contains(['\\', CUT]) => {
                Some(Self::Unix(path.into()))
            }
            Some(_) => None,
            None => text.parse().ok().map(Self::Tcp),
        }
    }

    /// What answers call it: `requests::address` of the same one.
    #[must_use]
    pub fn key(&self) -> Arc<str> {
        match self {
            Self::Tcp(address) => address.to_string().into(),
            Self::Unix(path) => match path.as_bytes().get(..KEPT_PATH) {
                Some(kept) => format!("unix:{}{CUT}", kept.escape_ascii()).into(),
                None => format!("unix:{}", path.as_bytes().escape_ascii()).into(),
            },
        }
    }

    /// The whole of it, printable.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix(path) => format!("unix:{}", path.as_bytes().escape_ascii()),
        }
    }
}

/// The addresses that a configuration names, in order. Names of hosts other than `localhost` are not
/// looked up: their addresses come with answers.
#[must_use]
pub fn of_settings(settings: &Settings) -> Vec<Address> {
    let mut found = BTreeSet::new();
    for server in settings.upstreams.iter().flat_map(|up| &up.servers) {
        match &server.address {
            UpstreamAddress::Unix(path) => add(&mut found, [Address::Unix(Arc::clone(path))]),
            UpstreamAddress::Host { name, port } => add(&mut found, of_host(name, *port)),
        }
    }
    for server in &settings.servers {
        server.visit(&mut |_, level| {
            let Some(Handler::Pass(pass)) = &level.handler else {
                return;
            };
            match (&pass.target, pass.port()) {
                (Target::Unix(path), _) => add(&mut found, [Address::Unix(Arc::clone(path))]),
                (Target::Host { name, .. }, Some(port)) if settings.upstream(pass).is_none() => {
                    add(&mut found, of_host(name, port));
                }
                _ => {}
            }
        });
    }
    found.into_iter().collect()
}

fn add(found: &mut BTreeSet<Address>, more: impl IntoIterator<Item = Address>) {
    for address in more {
        if found.len() < MAX_ADDRESSES {
            found.insert(address);
        }
    }
}

fn of_host(name: &str, port: u16) -> Vec<Address> {
    let tcp = |ip: IpAddr| Address::Tcp(SocketAddr::new(ip, port));
    if name.eq_ignore_ascii_case("localhost") {
        return vec![
            tcp(Ipv4Addr::LOCALHOST.into()),
            tcp(Ipv6Addr::LOCALHOST.into()),
        ];
    }
    name.parse().ok().map(tcp).into_iter().collect()
}
