//! Socket addresses as a process gave or got them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Stands behind a path of which not all is kept.
pub(crate) const CUT: char = '…';

/// `ip:port`, `unix:path` (cut to what is kept of it, with [`CUT`] behind it), or nothing for an address of another family
/// or without a name. The path is whatever somebody called it: what cannot be printed is escaped.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let family = u16::from_ne_bytes(*bytes.first_chunk()?);
    let rest = bytes.get(2..)?;
    let port = || rest.first_chunk().copied().map(u16::from_be_bytes);
    match family {
        AF_INET => {
            let ip: [u8; 4] = *rest.get(2..)?.first_chunk()?;
            Some(SocketAddr::from((Ipv4Addr::from(ip), port()?)).to_string())
        }
        AF_INET6 => {
            let ip: [u8; 16] = *rest.get(6..)?.first_chunk()?;
            Some(SocketAddr::from((Ipv6Addr::from(ip), port()?)).to_string())
        }
        AF_UNIX => {
            let path = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            let cut = if path.len() == rest.len() { "…" } else { "" };
            (!path.is_empty()).then(|| format!("unix:{}{cut}", path.escape_ascii()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(family: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = family.to_ne_bytes().to_vec();
        bytes.extend(rest);
        bytes.resize(48, 0);
        bytes
    }

    #[test]
    fn addresses_are_written_as_nginx_writes_them() {
        let v4 = bytes(AF_INET, &[0x1f, 0x90, 10, 0, 0, 1]);
        assert_eq!(text(&v4).as_deref(), Some("10.0.0.1:8080"));
        let mut v6 = vec![0x00, 0x50, 0, 0, 0, 0];
        v6.extend(Ipv6Addr::LOCALHOST.octets());
        assert_eq!(text(&bytes(AF_INET6, &v6)).as_deref(), Some("[::1]:80"));
        let unix = bytes(AF_UNIX, b"/run/\x1b[31mx.sock");
        assert_eq!(text(&unix).as_deref(), Some(r"unix:/run/\x1b[31mx.sock"));
        let long = text(&bytes(AF_UNIX, &[b'/'; 46]));
        assert_eq!(long, Some(format!("unix:{}…", "/".repeat(46))));
    }

    #[test]
    fn what_is_none_is_none() {
        for bytes in [
            bytes(0, b""),
            bytes(AF_UNIX, b""),
            bytes(16, b"abc"),
            vec![],
            vec![2, 0, 1],
        ] {
            assert_eq!(text(&bytes), None, "{bytes:?}");
        }
    }
}
