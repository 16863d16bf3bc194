//! Why nginx's counters cannot be had.

use std::io;

/// Why an endpoint gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It speaks TLS.
    #[error(
        "it is served over TLS only, which the agent does not speak; add a plain listener such as \
         listen 127.0.0.1:8080 to its server"
    )]
    Tls,
    /// It expects the PROXY protocol.
    #[error(
        "it is behind the PROXY protocol only, which the agent does not speak; add a plain listener \
         such as listen 127.0.0.1:8080 to its server"
    )]
    ProxyProtocol,
    /// nginx has its own network.
    #[error(
        "this nginx has a network namespace of its own, which the agent does not enter; serve it on \
         a unix socket, or run an agent in that container's network"
    )]
    OtherNamespace,
    /// The configuration is not the one that runs.
    #[error(
        "this nginx does not listen there; the configuration has changed since it was loaded, or a \
         port was taken: reload nginx"
    )]
    NotListening,
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// No answer in time.
    #[error("no answer within 2 s")]
    Timeout,
    /// The answer is no HTTP.
    #[error("the answer is not right: {0}")]
    Http(#[from] hyper::Error),
    /// An answer that is not 200.
    #[error("{}", of_status(*.0))]
    Status(u16),
    /// Something else is there.
    #[error("what it answers is not the text of stub_status; another location takes the request")]
    Text,
}

impl Problem {
    /// The agent cannot even ask, so nothing follows for nginx.
    #[must_use]
    pub const fn is_our_own(&self) -> bool {
        matches!(self, Self::Tls | Self::ProxyProtocol | Self::OtherNamespace)
    }

    /// To ask again soon is of no use, and fills nginx's log: somebody has to change something.
    #[must_use]
    pub const fn lasts(&self) -> bool {
        self.is_our_own()
            || matches!(
                self,
                Self::NotListening | Self::Status(300..=499) | Self::Text
            )
    }
}

fn of_status(status: u16) -> String {
    let why = match status {
        401 => "it asks for a password; add satisfy any and allow 127.0.0.1 to the location",
        403 => "the agent may not ask there; add allow 127.0.0.1 to the location",
        404 => {
            "another server or location takes the request; give its server a listener of its own"
        }
        300..=399 => {
            "it redirects; take the location out of the redirection, or give it a plain listener"
        }
        _ => "the location does not answer with stub_status's text",
    };
    format!("it answers with status {status}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_to_do() {
        assert!(
            Problem::Status(403)
                .to_string()
                .contains("status 403: the agent may not")
        );
        assert!(Problem::Status(301).to_string().contains("redirects"));
        assert!(Problem::Status(403).lasts() && !Problem::Status(503).lasts());
        assert!(!Problem::Timeout.lasts());
    }
}
