//! What the agent writes to, opened before anything else: a mistake there is told at once.

use std::{io::ErrorKind, net::SocketAddr};

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;

use crate::{
    options::RunOptions,
    sinks::{http, journal::Journal, metrics::Metrics},
};

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

/// The journal, unless there is to be none.
pub(super) fn journal(options: &RunOptions, metrics: &Metrics) -> anyhow::Result<Option<Journal>> {
    let open = |path| {
        Journal::open(path, options.journal_limits(), metrics.journal_lost()).with_context(|| {
            format!(
                "cannot write the journal {}; choose another place with --journal, or none",
                path.display()
            )
        })
    };
    options.journal().map(open).transpose()
}
