//! uWSGI kills a process that takes too long for a request (`harakiri`).

use anyhow::Result;
use nginx_probe_tests::applications::Application;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "uwsgi-harakiri",
    about: "uWSGI kills a process that takes too long",
    play,
};

const PYTHON: &str = "
import time
def application(environ, start_response):
    time.sleep(10)
    start_response('200 Fine', [])
    return [b'late']
";

fn play(set: Set) -> Result<Judgement> {
    let app = Application::uwsgi_with(PYTHON, &["--harakiri", "1"])?;
    let mut stage = set.location(&app.uwsgi_location("/app/")).start()?;
    stage.wait_backends(3)?;
    // Logs tell of nobody's death.
    let because = is("backend_crash").or_in(&[Mode::Logs], "upstream_closed");
    let port = stage.port();
    stage.fail_by(2, 502, 4, because, |_| clients::get(port, "/app/slow"))?;
    stage.judge()
}
