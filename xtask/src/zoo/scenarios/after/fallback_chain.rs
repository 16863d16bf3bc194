//! Each application that stands in for another is down too: three were asked in vain.

use anyhow::Result;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fallback-chain",
    about: "three applications in turn are down",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .location(&format!(
            "recursive_error_pages on;
             location = /page {{ error_page 502 = @second; proxy_pass http://127.0.0.1:{0}; }}
             location @second {{ error_page 502 = @third; proxy_pass http://127.0.0.1:{0}; }}
             location @third {{ error_page 502 /index.html; proxy_pass http://127.0.0.1:{0}; }}",
            ports::free()?
        ))
        .start()?;
    stage.fail("/page", 502, 20, "upstream_refused")?;
    stage.judge()
}
