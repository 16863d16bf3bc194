//! Nobody logs what upstreams did: an outage that error pages hide is told by the error log alone.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;
use nginx_probe_tests::ports;

use super::PLAIN;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "plain-log-masked",
    about: "a hidden outage, and a log that tells nothing of upstreams",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let closing = Fixed::closing("")?;
    let mut stage = set
        .log_format(PLAIN)
        .location(&format!(
            "location = /gone {{ error_page 502 /50x.html; proxy_pass http://127.0.0.1:{0}; }}
             location = /refused {{ error_page 502 =200 /index.html; proxy_pass http://127.0.0.1:{0}; }}
             location = /closed {{ error_page 502 =200 /index.html; proxy_pass http://127.0.0.1:{1}; }}",
            ports::free()?,
            closing.port()
        ))
        .start()?;
    stage.fail("/gone", 404, 10, "upstream_masked")?;
    stage.fail("/refused", 200, 10, "upstream_masked")?;
    stage.fail("/closed", 200, 10, "upstream_masked")?;
    stage.judge()
}
