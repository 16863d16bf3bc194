//! An application stops in the middle of its answer, until nginx no longer waits.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "stuck-answer",
    about: "an application hangs in the middle of its answer",
    play,
};

const HEAD: &str = "HTTP/1.1 200 Fine\r\nContent-Length: 100000\r\n\r\n";

fn play(set: Set) -> Result<Judgement> {
    let short = Fixed::holding(format!("{HEAD}the beginning"))?;
    let long = Fixed::holding(format!("{HEAD}{}", "the beginning".repeat(2000)))?;
    let mut stage = set
        .location(&format!(
            "proxy_read_timeout 1s;
             location = /short {{ proxy_pass http://127.0.0.1:{}; }}
             location = /long {{ proxy_pass http://127.0.0.1:{}; }}",
            short.port(),
            long.port()
        ))
        .start()?;
    stage.fail_cut("/short", 200, 4, "upstream_timeout")?;
    stage.fail_cut("/long", 200, 4, "upstream_timeout")?;
    stage.judge()
}
