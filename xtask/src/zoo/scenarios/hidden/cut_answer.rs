//! An application ends in the middle of its answer: clients get a good status, and half a page.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cut-answer",
    about: "an application ends in the middle of its answer",
    play,
};

const HEAD: &str = "HTTP/1.1 200 Fine\r\nContent-Length: 100000\r\n\r\n";

fn play(set: Set) -> Result<Judgement> {
    let short = Fixed::closing(format!("{HEAD}the beginning"))?;
    let long = Fixed::closing(format!("{HEAD}{}", "the beginning".repeat(2000)))?;
    let mut stage = set
        .location(&format!(
            "location = /short {{ proxy_pass http://127.0.0.1:{0}; }}
             location = /passed {{ proxy_buffering off; proxy_pass http://127.0.0.1:{0}; }}
             location = /long {{ proxy_pass http://127.0.0.1:{1}; }}",
            short.port(),
            long.port()
        ))
        .start()?;
    for path in ["/short", "/passed", "/long"] {
        stage.fail_cut(path, 200, 10, "upstream_closed")?;
    }
    stage.judge()
}
