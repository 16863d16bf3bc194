//! A listener whose queue is full: whoever connects to it gets no answer.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Result;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, listen, socket_with};

/// Dropping it closes it.
#[derive(Debug)]
pub struct FullListener {
    port: u16,
    _listener: TcpListener,
    _queued: Vec<OwnedFd>,
}

impl FullListener {
    /// On a port of 127.0.0.1.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        // A second `listen` sets the length of the queue: none.
        listen(&listener, 0)?;
        let port = listener.local_addr()?.port();
        let queued = (0..4).map(|_| connect_without_waiting(port));
        Ok(Self {
            port,
            _queued: queued.collect::<Result<_>>()?,
            _listener: listener,
        })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn connect_without_waiting(port: u16) -> Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}
