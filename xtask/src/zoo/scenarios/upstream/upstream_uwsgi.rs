//! A Python application behind uWSGI answers 500, or raises an exception, at which uWSGI says nothing at
//! all and closes.

use anyhow::Result;
use nginx_probe_tests::applications::Application;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upstream-uwsgi",
    about: "a Python application answers 500, or raises",
    play,
};

const PYTHON: &str = "
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/app/raises':
        raise ValueError('no stock')
    status = '500 Sorry' if path == '/app/explicit' else '200 Fine'
    start_response(status, [('Content-Type', 'text/plain')])
    return [b'text']
";

fn play(set: Set) -> Result<Judgement> {
    let app = Application::uwsgi(PYTHON)?;
    let mut stage = set.location(&app.uwsgi_location("/app/")).start()?;
    stage.serve("/app/fine", 200, 5)?;
    stage.fail("/app/explicit", 500, 10, "upstream_response")?;
    stage.fail("/app/raises", 502, 10, "upstream_closed")?;
    stage.judge()
}
