//! The log begins with the address that a balancer gives, which may be several, and which the error log does
//! not have.

use anyhow::Result;
use nginx_probe_tests::client::Client;
use nginx_probe_tests::ports;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "log-forwarded",
    about: "the access log has X-Forwarded-For for the client",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .log_format(
            "$http_x_forwarded_for - $remote_user [$time_local] \"$request\" $status $body_bytes_sent",
        )
        .location(&format!(
            "location = /dead {{ proxy_pass http://127.0.0.1:{}; }}
             location = /named {{ try_files /none @missing; }}",
            ports::free()?
        ))
        .start()?;
    let port = stage.port();
    for (path, status, cause) in [
        ("/dead", 502, "upstream_refused"),
        ("/named", 500, "config_error"),
    ] {
        stage.fail_by(4, status, 15, cause, |number| {
            let mut client = Client::connect(port)?;
            client.send(format!(
                "GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.{number}, 10.0.0.1\r\n\r\n"
            ))?;
            client.answer()
        })?;
    }
    stage.judge()
}
