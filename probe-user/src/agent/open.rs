//! What the agent writes to, opened before anything else: a mistake there is told at once.

use std::{io::ErrorKind, net::SocketAddr, path::Path};

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;

use crate::sinks::{http, journal::Journal};

pub(super) async fn listener(address: SocketAddr) -> anyhow::Result<TcpListener> {
    http::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => "is another agent running? ",
            ErrorKind::AddrNotAvailable => "no interface of this host has that address; ",
            _ => "",
        };
        anyhow!(
            "cannot listen on {address}: {error}; {why}choose another address with --listen, or none"
        )
    })
}

pub(super) fn journal(path: &Path) -> anyhow::Result<Journal> {
    Journal::open(path).with_context(|| {
        format!(
            "cannot write the journal {}; choose another place with --journal, or none",
            path.display()
        )
    })
}
