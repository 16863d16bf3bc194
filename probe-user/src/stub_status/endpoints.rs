//! Where an nginx may be asked: what its configuration says, what is best asked first.

use crate::config::{self, stub_status::StubStatus};

pub use crate::config::stub_status::StubAddress as Address;

/// Endpoints of one nginx that are kept.
const MAX_ENDPOINTS: usize = 8;

/// A place to ask.
pub type Endpoint = StubStatus;

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.ssl { "https" } else { "http" };
        match &self.address {
            Address::Tcp(address) => write!(f, "{scheme}://{address}{}", self.path),
            Address::Unix(path) => {
                write!(f, "{scheme}://unix:{}:{}", path.display(), self.path)
            }
        }
    }
}

impl Endpoint {
    /// Whether the agent can ask there at all: it speaks neither TLS nor the PROXY protocol.
    #[must_use]
    pub const fn can_be_asked(&self) -> bool {
        !self.ssl && !self.proxy_protocol
    }

    /// The order in which they are tried: what can be asked, loopback, other addresses, sockets.
    fn order(&self) -> (bool, u8) {
        let kind = match &self.address {
            Address::Tcp(address) if address.ip().is_loopback() => 0,
            Address::Tcp(_) => 1,
            Address::Unix(_) => 2,
        };
        (!self.can_be_asked(), kind)
    }
}

/// The places at which `stub_status` may be asked for, those first that are best asked.
#[must_use]
pub fn endpoints(master: &config::Master) -> Vec<Endpoint> {
    let mut found = master.settings.stub_statuses();
    // Of a relative socket only nginx knows where it is.
    found.retain(|way| !matches!(&way.address, Address::Unix(path) if path.is_relative()));
    found.sort_by_key(Endpoint::order);
    found.truncate(MAX_ENDPOINTS);
    found
}
