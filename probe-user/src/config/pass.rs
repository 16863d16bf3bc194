//! What a location hands requests on to: `proxy_pass` and its kin.

use std::sync::Arc;

use super::pool::Pool;

/// The protocol nginx speaks with what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `proxy_pass`
    Http,
    /// `fastcgi_pass`
    FastCgi,
    /// `uwsgi_pass`
    Uwsgi,
    /// `scgi_pass`
    Scgi,
    /// `grpc_pass`
    Grpc,
    /// `memcached_pass`
    Memcached,
}

impl Protocol {
    /// The protocol of directives that begin so: `proxy`, `fastcgi` …
    pub(super) fn of_prefix(prefix: &[u8]) -> Option<Self> {
        Some(match prefix {
            b"proxy" => Self::Http,
            b"fastcgi" => Self::FastCgi,
            b"uwsgi" => Self::Uwsgi,
            b"scgi" => Self::Scgi,
            b"grpc" => Self::Grpc,
            b"memcached" => Self::Memcached,
            _ => return None,
        })
    }

    /// The port when none is named; other protocols have none.
    fn port(self, tls: bool) -> Option<u16> {
        match self {
            Self::Http | Self::Grpc => Some(if tls { 443 } else { 80 }),
            _ => None,
        }
    }
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// An address, a host name, or the name of an `upstream` block ([`super::Settings::upstream`]).
    Host {
        /// In lower case as nginx compares it, without brackets.
        name: Arc<str>,
        /// The port that is named.
        port: Option<u16>,
    },
    /// A socket's path.
    Unix(Arc<str>),
    /// It is known for each request only; the text with its variables.
    Variable(Arc<str>),
}

/// One `…_pass`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pass {
    /// What is spoken.
    pub protocol: Protocol,
    /// Inside TLS: `https:`, `grpcs:`, `suwsgi:`.
    pub tls: bool,
    /// With whom.
    pub target: Target,
}

impl Pass {
    /// `proxy_pass TARGET`, whatever the protocol.
    pub(super) fn of(protocol: Protocol, word: &[u8], pool: &mut Pool) -> Self {
        let scheme: &[(&[u8], bool)] = match protocol {
            Protocol::Http => &[(b"http://", false), (b"https://", true)],
            Protocol::Grpc => &[(b"grpc://", false), (b"grpcs://", true)],
            Protocol::Uwsgi => &[(b"uwsgi://", false), (b"suwsgi://", true)],
            _ => &[],
        };
        let strip = |(scheme, tls): &(&[u8], bool)| {
            let (head, rest) = word.split_at_checked(scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then_some((*tls, rest))
        };
        let (tls, rest) = scheme.iter().find_map(strip).unwrap_or((false, word));
        let target = if word.contains(&b'$') {
            Target::Variable(pool.text(word))
        } else if let Some(path) = rest.strip_prefix(b"unix:") {
            let end = memchr::memchr(b':', path).unwrap_or(path.len());
            Target::Unix(pool.text(path.get(..end).unwrap_or(path)))
        } else {
            let end = rest
                .iter()
                .position(|byte| matches!(byte, b'/' | b'?'))
                .unwrap_or(rest.len());
            let (name, port) = host_and_port(rest.get(..end).unwrap_or(rest));
            Target::Host {
                name: pool.text(&name.to_ascii_lowercase()),
                port,
            }
        };
        Self {
            protocol,
            tls,
            target,
        }
    }

    /// The port that is connected to when the target is no `upstream` block; `None` for a socket's
    /// path, for variables, and for protocols that have no usual port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.target {
            Target::Host { port, .. } => port.or_else(|| self.protocol.port(self.tls)),
            Target::Unix(_) | Target::Variable(_) => None,
        }
    }
}

/// Takes `[::1]:80`, `host:80` and `host` apart.
pub(super) fn host_and_port(word: &[u8]) -> (&[u8], Option<u16>) {
    if let Some(inner) = word.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inner).unwrap_or(inner.len());
        let after = inner.get(end + 1..).unwrap_or_default();
        let port = after.strip_prefix(b":").and_then(super::units::number);
        return (inner.get(..end).unwrap_or(inner), port);
    }
    match memchr::memrchr(b':', word) {
        Some(colon) => {
            let port = word.get(colon + 1..).and_then(super::units::number);
            (word.get(..colon).unwrap_or(word), port)
        }
        None => (word, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_every_form() {
        let host = |name: &str, port| Target::Host {
            name: name.into(),
            port,
        };
        let unix = |path: &str| Target::Unix(path.into());
        let http = Protocol::Http;
        for (protocol, word, tls, target, port) in [
            (http, "http://Back/x?y", false, host("back", None), Some(80)),
            (
                http,
                "HTTPS://a:8443",
                true,
                host("a", Some(8443)),
                Some(8443),
            ),
            (http, "https://a", true, host("a", None), Some(443)),
            (
                http,
                "http://[::1]:81/",
                false,
                host("::1", Some(81)),
                Some(81),
            ),
            (
                http,
                "http://unix:/run/a b:/x",
                false,
                unix("/run/a b"),
                None,
            ),
            (http, "http://unix:/a", false, unix("/a"), None),
            (
                http,
                "https://$host/x",
                true,
                Target::Variable("https://$host/x".into()),
                None,
            ),
            (Protocol::FastCgi, "php", false, host("php", None), None),
            (Protocol::FastCgi, "unix:/php", false, unix("/php"), None),
            (
                Protocol::Scgi,
                "h:9000",
                false,
                host("h", Some(9000)),
                Some(9000),
            ),
            (Protocol::Uwsgi, "suwsgi://h", true, host("h", None), None),
            (
                Protocol::Grpc,
                "grpcs://h",
                true,
                host("h", None),
                Some(443),
            ),
            (Protocol::Grpc, "h", false, host("h", None), Some(80)),
            (Protocol::Memcached, "", false, host("", None), None),
            (http, "http://[::1", false, host("::1", None), Some(80)),
            (http, "http://a:99999", false, host("a", None), Some(80)),
        ] {
            let pass = Pass::of(protocol, word.as_bytes(), &mut Pool::new(10_000));
            assert_eq!((pass.tls, &pass.target), (tls, &target), "{word}");
            assert_eq!(pass.port(), port, "{word}");
        }
    }
}
