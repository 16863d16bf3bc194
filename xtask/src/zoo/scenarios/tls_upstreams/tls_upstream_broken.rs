//! TLS with an application does not come about: it speaks plain HTTP, closes during the handshake, or shows a
//! certificate that nobody trusts.

use anyhow::Result;
use nginx_probe_tests::certificate;
use nginx_probe_tests::fixed::Fixed;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "tls-upstream-broken",
    about: "TLS with an application does not come about",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (folder, tls) = (folder()?, ports::free()?);
    certificate::write(folder.path(), "app")?;
    certificate::write(folder.path(), "trusted")?;
    let _app = Nginx::builder()
        .workers(1)
        .location(&format!(
            "listen 127.0.0.1:{tls} ssl; ssl_certificate {0}/app.pem; ssl_certificate_key {0}/app.key;
             location = /500 {{ return 500; }} location = /503 {{ return 503; }}",
            folder.path().display()
        ))
        .start()?;
    let plain = Fixed::closing("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
    let closing = Fixed::closing("")?;
    let mut stage = set
        .location(&format!(
            "location = /plain {{ proxy_pass https://127.0.0.1:{}; }}
             location = /closing {{ proxy_pass https://127.0.0.1:{}; }}
             location = /untrusted {{ proxy_ssl_verify on; proxy_ssl_name test; \
                 proxy_ssl_trusted_certificate {}/trusted.pem; \
                 proxy_pass https://127.0.0.1:{tls}; }}",
            plain.port(),
            closing.port(),
            folder.path().display()
        ))
        .start()?;
    stage.fail("/plain", 502, 10, "upstream_closed")?;
    stage.fail("/closing", 502, 10, "upstream_closed")?;
    // There is an answer, which nginx refuses, or no connection: as one likes.
    let because = is("upstream_closed").or("upstream_refused");
    stage.fail("/untrusted", 502, 10, because)?;
    stage.judge()
}
