//! Pages are kept in memcached: what is not there is asked of an application that fails; memcached itself says
//! that it cannot, or is down.

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "memcached",
    about: "memcached has no page, cannot, or is down",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (app, dead) = (Upstream::start()?, ports::free()?);
    let empty = Fixed::closing("END\r\n")?;
    let failing = Fixed::closing("SERVER_ERROR out of memory storing object\r\n")?;
    let mut stage = set
        .location(&format!(
            "set $memcached_key $uri;
             location /status/ {{ memcached_pass 127.0.0.1:{}; error_page 404 = @app; }}
             location = /none {{ memcached_pass 127.0.0.1:{0}; }}
             location = /failing {{ memcached_pass 127.0.0.1:{}; }}
             location = /dead {{ memcached_pass 127.0.0.1:{dead}; }}
             location @app {{ proxy_pass http://127.0.0.1:{}; }}",
            empty.port(),
            failing.port(),
            app.port()
        ))
        .start()?;
    stage.serve("/none", 404, 10)?;
    stage.serve("/status/200/page", 200, 10)?;
    stage.fail("/status/500/page", 500, 10, "upstream_response")?;
    stage.fail("/failing", 502, 10, "upstream_closed")?;
    stage.fail("/dead", 502, 10, "upstream_refused")?;
    stage.judge()
}
