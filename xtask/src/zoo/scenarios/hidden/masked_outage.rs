//! An application is down, hangs or closes, and clients are sent the 404 of an error page that is no file, or
//! a page that says sorry with 200.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "masked-outage",
    about: "an outage is made a 404 or a 200 by error_page",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (closing, silent) = (Fixed::closing("")?, Fixed::holding("")?);
    let mut stage = set
        .location(&format!(
            "error_page 502 504 =200 /index.html; proxy_read_timeout 1s;
             location = /gone {{ error_page 502 /50x.html; proxy_pass http://127.0.0.1:{0}; }}
             location = /refused {{ proxy_pass http://127.0.0.1:{0}; }}
             location = /closed {{ proxy_pass http://127.0.0.1:{1}; }}
             location = /silent {{ proxy_pass http://127.0.0.1:{2}; }}",
            ports::free()?,
            closing.port(),
            silent.port()
        ))
        .start()?;
    stage.fail("/gone", 404, 10, "upstream_masked")?;
    stage.fail("/refused", 200, 10, "upstream_masked")?;
    stage.fail("/closed", 200, 10, "upstream_masked")?;
    stage.fail("/silent", 200, 4, "upstream_masked")?;
    stage.judge()
}
