//! What the agent writes to, opened before anything else: a mistake there is told at once.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind},
    net::SocketAddr,
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    },
    path::Path,
};

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;

use crate::{
    options::RunOptions,
    privileges::{as_user, chosen_user},
    sinks::{
        http,
        journal::{Journal, is_full},
        metrics::Metrics,
    },
};

/// Where metrics are served: at the socket that systemd has opened for the agent, if there is one
/// (a `.socket` unit), else at that address.
pub(super) async fn listener(address: Option<SocketAddr>) -> anyhow::Result<Option<TcpListener>> {
    let handed = handed_over().context(
        "cannot serve at the socket that was handed over: it has to be one of TCP (ListenStream= \
         with an address and a port)",
    )?;
    match (handed, address) {
        (Some(handed), _) => Ok(Some(handed)),
        (None, Some(address)) => bound(address).await.map(Some),
        (None, None) => Ok(None),
    }
}

/// The first socket of `sd_listen_fds(3)`. Only for the agent's start: it is taken.
fn handed_over() -> io::Result<Option<TcpListener>> {
    let Some(fd) = sd_notify::listen_fds()?.next() else {
        return Ok(None);
    };
    // SAFETY: the service manager opened it for this process, which has taken it nowhere else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let listener = std::net::TcpListener::from(socket);
    // Nothing else than a socket of TCP has such an address.
    listener.local_addr()?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Some)
}

async fn bound(address: SocketAddr) -> anyhow::Result<TcpListener> {
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
    let open = |path: &Path| {
        let limits = options.journal_limits();
        let opened = as_user(|| {
            let journal = Journal::open(path, limits, metrics.journal_lost())?;
            // The next file is made here when this one is rotated.
            writable(path.parent().unwrap_or(path)).map(|()| journal)
        });
        opened.flatten().with_context(|| {
            format!(
                "cannot write the journal {}{}; choose another place with --journal, or none",
                path.display(),
                as_whom()
            )
        })
    };
    options.journal().map(open).transpose()
}

/// Sees to it that the positions of logs can be kept by the user that was chosen.
pub(super) fn state(options: &RunOptions) -> anyhow::Result<()> {
    let Some(folder) = options.state().filter(|_| chosen_user().is_some()) else {
        return Ok(());
    };
    let tried = as_user(|| {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(folder)?;
        writable(folder)
    });
    tried.flatten().with_context(|| {
        format!(
            "cannot keep how far logs were read in {}{}; choose another place with --state, or none",
            folder.display(),
            as_whom()
        )
    })
}

/// Whether files can be made in a folder, found out by making one. Only of interest where another user
/// than now has to make them later.
fn writable(folder: &Path) -> io::Result<()> {
    if chosen_user().is_none() {
        return Ok(());
    }
    let path = folder.join(format!(".nginx-probe-{}", std::process::id()));
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match made {
        // Until there is room again.
        Err(error) if is_full(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => fs::remove_file(&path),
    }
}

/// The chosen user, and what makes a folder its own.
fn as_whom() -> String {
    chosen_user().map_or_else(String::new, |user| {
        format!(
            " as the user {user}, who needs a folder of its own for it (`install -d -o {user} FOLDER`, \
             and `chown -R {user} FOLDER` for what an agent of another user left there)"
        )
    })
}
