//! PHP-FPM ends a script that takes too long, and with it the process that ran it (`request_terminate_timeout`).

use anyhow::Result;
use nginx_probe_tests::applications::Application;

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "php-terminated",
    about: "PHP-FPM ends a process that takes too long",
    play,
};

const SCRIPTS: &[(&str, &str)] = &[("slow.php", "sleep(10); echo 'late';")];

fn play(set: Set) -> Result<Judgement> {
    let php = Application::php_with(SCRIPTS, "request_terminate_timeout = 1s")?;
    let mut stage = set.location(&php.fastcgi_location("/php/")).start()?;
    stage.wait_backends(3)?;
    // Logs tell of nobody's death.
    let because = is("backend_crash").or_in(&[Mode::Logs], "upstream_closed");
    let port = stage.port();
    stage.fail_by(2, 502, 4, because, |_| clients::get(port, "/php/slow.php"))?;
    stage.judge()
}
