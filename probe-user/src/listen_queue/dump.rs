//! The listening sockets of one network namespace, as the kernel's `sock_diag` lists them.
//!
//! Two dumps of TCP and one of unix sockets; the kernel passes over all that do not listen.

use std::io;

use netlink_packet_core::{
    Emitable as _, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP},
    inet::{self, ExtensionFlags, InetRequest, SocketId},
    unix::{
        self, ShowFlags, UnixRequest,
        nlas::{Nla as UnixNla, UnixDiagName},
    },
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

/// The kernel's answers come in pieces of at most this, in bytes (`NLMSG_GOODSIZE` is below).
const MAX_PIECE: usize = 64 * 1024;
/// Listening sockets of a namespace; more are not imagined.
const MAX_SOCKETS: usize = 64 * 1024;

/// A socket that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its inode, as `/proc/PID/fd` shows it.
    pub inode: u64,
    /// `ADDRESS:PORT`, or `unix:PATH`.
    pub name: String,
    /// Connections that wait to be accepted.
    pub length: u32,
    /// How many may; the kernel takes one more before it refuses any (`sk_acceptq_is_full`).
    pub limit: u32,
    /// Connections that it dropped since it was made, for a full queue or for another reason; none
    /// where the kernel does not tell: of unix sockets.
    pub drops: Option<u32>,
    /// Where the file of a unix socket is.
    pub file: Option<SocketFile>,
}

/// The file of a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketFile {
    /// Its inode's number; the kernel tells 32 bits of it.
    pub inode: u32,
    /// Its device, as the kernel numbers it.
    pub device: u32,
}

/// Every socket that listens in the network namespace of the calling thread.
///
/// # Errors
/// When the kernel has no `inet_diag`, or does not let us ask. Without `unix_diag` there are only TCP
/// sockets.
pub fn listening() -> io::Result<Vec<Listening>> {
    let mut found = Vec::new();
    for (family, socket_id) in [
        (AF_INET, SocketId::new_v4()),
        (AF_INET6, SocketId::new_v6()),
    ] {
        let request = SockDiagMessage::InetRequest(InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::SKMEMINFO,
            states: inet::StateFlags::LISTEN,
            socket_id,
        });
        dump(request, &mut found)?;
    }
    let request = SockDiagMessage::UnixRequest(UnixRequest {
        state_flags: unix::StateFlags::LISTEN,
        inode: 0,
        show_flags: ShowFlags::NAME | ShowFlags::VFS | ShowFlags::RQLEN,
        cookie: [0; 8],
    });
    if let Err(error) = dump(request, &mut found) {
        log::trace!("no unix sockets: {error}");
    }
    Ok(found)
}

fn dump(request: SockDiagMessage, found: &mut Vec<Listening>) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, request.into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut piece = Vec::with_capacity(MAX_PIECE);
    loop {
        piece.clear();
        let length = socket.recv(&mut piece, 0)?;
        let mut rest = piece.get(..length).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((message, after)) = split(rest) {
            rest = after;
            // One that cannot be read, with an odd name, is passed over.
            let Ok(message) = NetlinkMessage::<SockDiagMessage>::deserialize(message) else {
                continue;
            };
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    return Err(error.to_io());
                }
                NetlinkPayload::InnerMessage(inner) => found.extend(read(&inner)),
                _ => {}
            }
            if found.len() > MAX_SOCKETS {
                return Err(io::Error::other("too many listening sockets"));
            }
        }
    }
}

/// The first message of a piece, and what follows it.
fn split(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(*piece.first_chunk()?);
    let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
    let message = piece.get(..length)?;
    // Messages begin at multiples of four.
    let next = length.next_multiple_of(4).min(piece.len());
    Some((message, piece.get(next..)?))
}

fn read(message: &SockDiagMessage) -> Option<Listening> {
    match message {
        SockDiagMessage::InetResponse(socket) => {
            let (header, id) = (&socket.header, &socket.header.socket_id);
            let drops = socket.nlas.iter().find_map(|nla| match nla {
                inet::nlas::Nla::MemInfo(memory) => Some(memory.drops),
                _ => None,
            });
            Some(Listening {
                inode: header.inode.into(),
                name: std::net::SocketAddr::new(id.source_address, id.source_port).to_string(),
                length: header.recv_queue,
                limit: header.send_queue,
                drops,
                file: None,
            })
        }
        SockDiagMessage::UnixResponse(socket) => {
            let name = match socket.name()? {
                UnixDiagName::Pathname(path) => {
                    format!("unix:{}", path.as_encoded_bytes().escape_ascii())
                }
                UnixDiagName::Abstract(name) => format!("unix:@{}", name.escape_ascii()),
            };
            let queue = socket.nlas.iter().find_map(|nla| match nla {
                UnixNla::ReceiveQueueLength(length, limit) => Some((*length, *limit)),
                _ => None,
            });
            let (length, limit) = queue?;
            let file = socket.nlas.iter().find_map(|nla| match nla {
                UnixNla::Vfs(file) => {
                    let mut words = [0; 8];
                    file.emit(&mut words); // its fields are not public
                    Some(SocketFile {
                        inode: u32::from_ne_bytes(*words.first_chunk()?),
                        device: u32::from_ne_bytes(*words.last_chunk()?),
                    })
                }
                _ => None,
            });
            Some(Listening {
                inode: socket.header.inode.into(),
                name,
                length,
                limit,
                drops: None,
                file,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::{
            fd::AsRawFd as _,
            unix::fs::MetadataExt as _,
            unix::net::{UnixListener, UnixStream},
        },
    };

    use super::*;

    fn of(socket: &impl std::os::fd::AsFd) -> Option<Listening> {
        let fd = socket.as_fd().as_raw_fd();
        let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("a link");
        let all = listening().expect("inet_diag");
        let inode = |socket: &Listening| format!("socket:[{}]", socket.inode);
        all.into_iter()
            .find(|socket| link.as_os_str() == inode(socket).as_str())
    }

    #[test]
    fn a_queue_is_as_long_as_what_waits_in_it() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(server) = TcpListener::bind(address) else {
                continue; // no IPv6 here
            };
            let address = server.local_addr().expect("bound");
            let _clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address)).collect();
            let socket = of(&server).expect("listed");
            assert_eq!(socket.name, address.to_string());
            assert_eq!((socket.length, socket.drops), (3, Some(0)));
            assert_eq!(socket.limit, 128);
            server.accept().expect("one");
            assert_eq!(of(&server).map(|socket| socket.length), Some(2));
        }
    }

    #[test]
    fn unix_sockets_are_listed_too() {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("a b");
        let server = UnixListener::bind(&path).expect("bound");
        let _clients: Vec<_> = (0..2).map(|_| UnixStream::connect(&path)).collect();
        let socket = of(&server).expect("listed");
        assert_eq!(socket.name, format!("unix:{}", path.display()));
        assert_eq!((socket.length, socket.drops), (2, None));
        let metadata = std::fs::metadata(&path).expect("there");
        let inode = socket.file.map(|file| u64::from(file.inode));
        assert_eq!(inode, Some(metadata.ino() & u64::from(u32::MAX)));
    }

    #[test]
    fn what_does_not_listen_is_not_listed() {
        let server = TcpListener::bind("127.0.0.1:0").expect("bound");
        let client = TcpStream::connect(server.local_addr().expect("bound")).expect("open");
        assert_eq!(of(&client), None);
    }

    #[test]
    fn cut_pieces_end_the_reading() {
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[0; 16]), None);
        assert_eq!(split(&[255; 16]), None);
        let mut piece = [0u8; 9];
        piece[..4].copy_from_slice(&5u32.to_ne_bytes());
        assert_eq!(split(&piece), Some((&piece[..5], &piece[8..])));
    }
}
