//! Applications that fail behind clients whose answers cannot be read from outside.

use anyhow::Result;
use nginx_probe_tests::applications::Application;
use nginx_probe_tests::faults::Fault;
use nginx_probe_tests::upstream::Upstream;

use super::mode::Mode;
use super::stage::Stage;
use super::truth::is;

const PHP: &[(&str, &str)] = &[("sorry.php", "http_response_code(500); echo 'sorry';")];
const PYTHON: &str = "
def application(environ, start_response):
    start_response('500 Sorry', [('Content-Type', 'text/plain')])
    return [b'sorry']
";
/// How often each is asked, and by how many clients.
const TIMES: usize = 10;
const CLIENTS: usize = 4;

/// One application for each protocol. Dropping it ends them.
pub(super) struct Applications {
    http: Upstream,
    php: Application,
    python: Application,
}

impl Applications {
    pub(super) fn start() -> Result<Self> {
        Ok(Self {
            http: Upstream::start()?,
            php: Application::php(PHP)?,
            python: Application::uwsgi(PYTHON)?,
        })
    }

    /// nginx's locations: those of the applications, and one that fails in nginx itself.
    pub(super) fn locations(&self) -> String {
        format!(
            "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
             location /cycle {{ rewrite ^ /cycle last; }}
             {} {}",
            self.http.port(),
            self.php.fastcgi_location("/php/"),
            self.python.uwsgi_location("/python/"),
        )
    }
}

/// Has a client ask for each of the [`Applications`]: every answer is 500.
pub(super) fn fail_each(stage: &mut Stage, ask: impl Fn(&str) -> Result<u16> + Sync) -> Result<()> {
    for path in ["/status/500/order", "/php/sorry.php", "/python/sorry"] {
        // Without a log nobody sees what an upstream's answer became.
        let because = is("upstream_response")
            .or_in(&[Mode::Kernel], "unknown")
            .or_untold_in(&[Mode::Kernel]);
        stage.fail_by(CLIENTS, 500, TIMES, because, |_| ask(path))?;
    }
    for (path, cause) in [
        ("/cycle", "redirect_cycle"),
        (Fault::LuaError.path(), "lua_error"),
    ] {
        let because = is(cause).or_in(&[Mode::Kernel], "unknown");
        stage.fail_by(CLIENTS, 500, TIMES, because, |_| ask(path))?;
    }
    Ok(())
}
