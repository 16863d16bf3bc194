//! The kernel's own list of an nginx's connections.
//!
//! What its master listens on is among the master's descriptors; what was accepted there has the
//! same local address and an inode. Read from `/proc/PID/net`, which shows the network namespace of
//! that process (an `inet_diag` socket would show ours).

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use super::endpoints::Address;
use crate::proc::Proc;

/// As much of one list is read, in bytes: about 100,000 connections. Of a longer one nothing is
/// known.
const MAX_LIST: u64 = 16 * 1024 * 1024;
/// `TCP_LISTEN`, as the lists have it.
const LISTEN: &[u8] = b"0A";
/// `__SO_ACCEPTCON`: a unix socket that listens.
const ACCEPTS: &[u8] = b"00010000";
/// `SS_CONNECTED` of a unix socket; one that waits to be accepted has another.
const CONNECTED: &[u8] = b"03";

/// What a master listens on.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners {
    tcp: HashSet<SocketAddr>,
    unix: HashSet<Vec<u8>>,
    /// It has UDP sockets: QUIC, or UDP streams, whose clients no list shows.
    udp: bool,
}

/// Our own connection, which is not to be counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own {
    /// Our address.
    Tcp(SocketAddr),
    /// A unix socket, which has no address of its own; whether nginx surely holds it open.
    Unix {
        /// It was not said to be closed.
        kept: bool,
    },
}

impl Own {
    fn is(self, remote: SocketAddr) -> bool {
        matches!(self, Self::Tcp(own) if (own.ip(), own.port()) == (remote.ip(), remote.port()))
    }
}

impl Listeners {
    /// What process `master` listens on.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub(super) fn of(proc_root: &Path, master: u32) -> io::Result<Self> {
        let folder = proc_root.join(master.to_string());
        let inodes = Proc::at(proc_root).sockets(master)?;
        let mut listeners = Self::default();
        let net = folder.join("net");
        for list in ["tcp", "tcp6"] {
            each_line(&net.join(list), |line| {
                if let Some(row) = Row::of(line)
                    && row.listens
                    && inodes.contains(&row.inode)
                {
                    listeners.tcp.insert(row.local);
                }
            })?;
        }
        for list in ["udp", "udp6"] {
            each_line(&net.join(list), |line| {
                listeners.udp |= Row::of(line).is_some_and(|row| inodes.contains(&row.inode));
            })?;
        }
        each_line(&net.join("unix"), |line| {
            if let Some(row) = UnixRow::of(line)
                && row.listens
                && inodes.contains(&row.inode)
            {
                listeners.unix.insert(row.path.to_vec());
            }
        })?;
        Ok(listeners)
    }

    /// Whether a connection to this address would be accepted by this nginx, and not by whoever a
    /// changed configuration names.
    pub(super) fn serve(&self, address: &Address) -> bool {
        match address {
            Address::Unix(path) => self.unix.contains(path.as_os_str().as_bytes()),
            Address::Tcp(address) => {
                self.tcp.contains(address)
                    || (self.listens_everywhere(address.port()) && is_local(address.ip()))
            }
        }
    }

    /// How many connections clients have open beside our own. None when that cannot be told: UDP
    /// is served too, or the lists are too long.
    pub(super) fn count(&self, proc_root: &Path, master: u32, own: Own) -> Option<u64> {
        if self.udp {
            return None;
        }
        let net = proc_root.join(master.to_string()).join("net");
        let mut count: u64 = 0;
        if !self.tcp.is_empty() {
            for list in ["tcp", "tcp6"] {
                each_line(&net.join(list), |line| {
                    if let Some(row) = Row::of(line)
                        && !row.listens
                        && row.inode != 0
                        && (self.tcp.contains(&row.local)
                            || self.listens_everywhere(row.local.port()))
                        && !own.is(row.remote)
                    {
                        count += 1;
                    }
                })
                .ok()?;
            }
        }
        if !self.unix.is_empty() {
            each_line(&net.join("unix"), |line| {
                if let Some(row) = UnixRow::of(line)
                    && row.connected
                    && row.inode != 0
                    && self.unix.contains(row.path)
                {
                    count += 1;
                }
            })
            .ok()?;
        }
        match own {
            Own::Tcp(_) => Some(count),
            Own::Unix { kept: true } => count.checked_sub(1),
            Own::Unix { kept: false } => None,
        }
    }

    fn listens_everywhere(&self, port: u16) -> bool {
        [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
            .iter()
            .any(|ip| self.tcp.contains(&SocketAddr::new(*ip, port)))
    }
}

/// Whether process `pid` has another network namespace than the agent. Not when it cannot be told.
pub(super) fn is_elsewhere(proc_root: &Path, pid: u32) -> bool {
    let of = |process: PathBuf| {
        let namespace = fs::metadata(proc_root.join(process).join("ns/net")).ok()?;
        Some((namespace.dev(), namespace.ino()))
    };
    match (of("self".into()), of(pid.to_string().into())) {
        (Some(own), Some(its)) => own != its,
        _ => false,
    }
}

/// Whether an address is one of this host, to which alone we may bind.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// One line of `/proc/net/tcp`, `tcp6`, `udp` or `udp6`.
struct Row {
    local: SocketAddr,
    remote: SocketAddr,
    listens: bool,
    inode: u64,
}

impl Row {
    fn of(line: &[u8]) -> Option<Self> {
        let mut columns = columns(line);
        let local = address(columns.nth(1)?)?;
        let remote = address(columns.next()?)?;
        let listens = columns.next()? == LISTEN;
        let inode = number(columns.nth(5)?, 10)?;
        Some(Self {
            local,
            remote,
            listens,
            inode,
        })
    }
}

/// One line of `/proc/net/unix` that has a path.
struct UnixRow<'a> {
    listens: bool,
    connected: bool,
    inode: u64,
    path: &'a [u8],
}

impl<'a> UnixRow<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        // Address, references, protocol, flags, type, state, inode; the path, which may have
        // spaces, is the rest.
        let mut rest = line;
        let mut column = || {
            let text = rest.trim_ascii_start();
            let end = text.iter().position(u8::is_ascii_whitespace)?;
            let (column, after) = text.split_at_checked(end)?;
            rest = after;
            Some(column)
        };
        let [_, _, _, flags, _, state, inode] = [(); 7].map(|()| column());
        Some(Self {
            listens: flags? == ACCEPTS,
            connected: state? == CONNECTED,
            inode: number(inode?, 10)?,
            path: rest.strip_prefix(b" ")?,
        })
    }
}

fn columns(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|column| !column.is_empty())
}

fn number(text: &[u8], radix: u32) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(text).ok()?, radix).ok()
}

/// `0100007F:0050`: words of the address as this host has them in memory, and the port.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let port = u16::try_from(number(port.strip_prefix(b":")?, 16)?).ok()?;
    let mut bytes = [0; 16];
    for (word, place) in ip.chunks(8).zip(bytes.chunks_mut(4)) {
        let word = u32::try_from(number(word, 16)?).ok()?;
        place.copy_from_slice(&word.to_ne_bytes());
    }
    let ip = match ip.len() {
        8 => {
            let [a, b, c, d, ..] = bytes;
            IpAddr::from([a, b, c, d])
        }
        // A client of a socket for both kinds has an IPv4 address in IPv6's clothes.
        32 => IpAddr::from(bytes).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Calls `each` with every line of a list, if it is not too long. One that is not there (a kernel
/// without IPv6) has none.
fn each_line(path: &Path, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::with_capacity(64 * 1024, file.take(MAX_LIST));
    let mut line = Vec::new();
    let mut read: u64 = 0;
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        read = read.saturating_add(length as u64);
        if read >= MAX_LIST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        each(line.strip_suffix(b"\n").unwrap_or(&line));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::unix::net::{UnixListener, UnixStream},
    };

    use super::*;

    const PROC: &str = "/proc";

    fn own() -> (Listeners, u32) {
        let pid = std::process::id();
        let listeners = Listeners::of(Path::new(PROC), pid).expect("readable");
        (listeners, pid)
    }

    #[test]
    fn connections_are_counted_once_they_are_accepted() {
        for address in ["127.0.0.1:0", "[::]:0"] {
            let Ok(server) = TcpListener::bind(address) else {
                continue; // no IPv6 here
            };
            let port = server.local_addr().expect("bound").port();
            let (mut listeners, pid) = own();
            let at = SocketAddr::from(([127, 0, 0, 1], port));
            assert!(listeners.serve(&Address::Tcp(at)), "{listeners:?}");
            assert!(!listeners.serve(&Address::Tcp(([127, 0, 0, 2], 1).into())));
            // Other tests in this process have listeners of their own.
            listeners.tcp.retain(|address| address.port() == port);
            listeners.udp = false;
            listeners.unix.clear();
            let count = |own| listeners.count(Path::new(PROC), pid, own);
            let clients: Vec<_> = (0..3)
                .map(|_| TcpStream::connect(at).expect("open"))
                .collect();
            let ours = Own::Tcp(clients[0].local_addr().expect("connected"));
            assert_eq!(count(ours), Some(0));
            let mut accepted: Vec<_> = (0..3).map(|_| server.accept().expect("one").0).collect();
            assert_eq!(count(ours), Some(2));
            accepted.pop();
            assert_eq!(count(ours), Some(1));
            drop(clients);
            assert_eq!(count(ours), Some(1), "half closed is open");
        }
    }

    #[test]
    fn unix_connections_are_counted_too() {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("a b");
        let server = UnixListener::bind(&path).expect("bound");
        let (mut listeners, pid) = own();
        assert!(
            listeners.serve(&Address::Unix(path.clone())),
            "{listeners:?}"
        );
        assert!(!listeners.serve(&Address::Unix("/none".into())));
        listeners.tcp.clear();
        listeners.udp = false;
        listeners
            .unix
            .retain(|other| other == path.as_os_str().as_bytes());
        let count = |kept| listeners.count(Path::new(PROC), pid, Own::Unix { kept });
        let _clients: Vec<_> = (0..3).map(|_| UnixStream::connect(&path)).collect();
        assert_eq!(count(true), None, "ours is not there");
        let _accepted: Vec<_> = (0..2).map(|_| server.accept()).collect();
        assert_eq!((count(true), count(false)), (Some(1), None));
    }

    #[test]
    fn where_udp_is_served_nothing_is_known() {
        let _udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let (listeners, pid) = own();
        let ours = Own::Unix { kept: true };
        assert!(listeners.udp);
        assert_eq!(listeners.count(Path::new(PROC), pid, ours), None);
    }

    #[test]
    fn odd_lines_are_passed_over() {
        for line in [
            "",
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid",
            "0: 0100007F:0050 0100007F:0051 0A 0:0 0:0 0 0 0 x",
            "0: 0100007F:00500 0100007F:0051 0A 0:0 0:0 0 0 0 1",
            "0: 0100007F00:0050 0100007F:0051 0A 0:0 0:0 0 0 0 1",
            "0: +100007F:0050 0100007F:0051 0A 0:0 0:0 0 0 0 1",
            "0: :",
        ] {
            assert!(Row::of(line.as_bytes()).is_none(), "{line}");
        }
        assert!(UnixRow::of(b"0: 2 0 00010000 0001 01 1234").is_none());
        assert!(!is_elsewhere(Path::new(PROC), std::process::id()));
    }
}
