//! The application that `auth_request` asks takes too long, or answers with a header that is too large.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "auth-request-unfit",
    about: "what `auth_request` asks is slow, and talks too much",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let silent = Fixed::holding("")?;
    let cookie = "x".repeat(12_000);
    let wordy = Fixed::closing(format!(
        "HTTP/1.1 200 Fine\r\nSet-Cookie: login={cookie}\r\n\r\n"
    ))?;
    let mut stage = set
        .location(&format!(
            "location = /late {{ auth_request /silent; }}
             location = /large {{ auth_request /wordy; }}
             location = /silent {{ internal; proxy_read_timeout 1s; \
                 proxy_pass http://127.0.0.1:{}; }}
             location = /wordy {{ internal; proxy_pass http://127.0.0.1:{}; }}",
            silent.port(),
            wordy.port()
        ))
        .start()?;
    let because = is("auth_request").or("upstream_timeout");
    stage.fail("/late", 500, 4, because)?;
    let because = is("auth_request").or("upstream_closed");
    stage.fail("/large", 500, 10, because)?;
    stage.judge()
}
