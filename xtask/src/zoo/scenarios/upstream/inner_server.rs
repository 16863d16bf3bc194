//! A server of nginx passes requests on to another server of the same nginx: each failure is two answers.

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "inner-server",
    about: "one server of nginx is the upstream of another",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let (app, inner, dead) = (Upstream::start()?, ports::free()?, ports::free()?);
    let mut stage = set
        .nginx(|builder| {
            builder.http(&format!(
                "server {{ listen 127.0.0.1:{inner};
                     location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
                     location = /dead {{ proxy_pass http://127.0.0.1:{dead}; }}
                     location = /closed {{ return 503; }} }}\n",
                app.port(),
            ))
        })
        .location(&format!(
            "location /front/ {{ proxy_pass http://127.0.0.1:{inner}/; }}"
        ))
        .start()?;
    let port = stage.port();
    for (path, status, cause) in [
        ("/front/status/500/order", 500, "upstream_response"),
        ("/front/dead", 502, "upstream_refused"),
        ("/front/closed", 503, "config_response"),
    ] {
        let got = clients::ask(4, 10, |_| clients::get(port, path))?;
        stage.failed(&got, status, "upstream_response")?;
        stage.failed(&got, status, cause)?;
    }
    stage.judge()
}
