//! An application sets a cookie that is larger than nginx's buffer for headers.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "header-too-big",
    about: "an application sends too large a header",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let cookie = "x".repeat(12_000);
    let app = Fixed::closing(format!(
        "HTTP/1.1 200 Fine\r\nSet-Cookie: login={cookie}\r\nContent-Length: 4\r\n\r\ntext"
    ))?;
    let mut stage = set
        .location(&format!(
            "location = /login {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/login", 502, 20, "upstream_closed")?;
    stage.judge()
}
