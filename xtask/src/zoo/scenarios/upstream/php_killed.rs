//! A child of PHP-FPM is killed while it serves a request: the client is sent 502.

use anyhow::Result;
use nginx_probe_tests::applications::Application;

use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "php-killed",
    about: "a PHP process is killed while it serves",
    play,
};

const SCRIPTS: &[(&str, &str)] = &[(
    "killed.php",
    "shell_exec('kill -9 ' . getmypid()); sleep(5);",
)];

fn play(set: Set) -> Result<Judgement> {
    let php = Application::php(SCRIPTS)?;
    let mut stage = set.location(&php.fastcgi_location("/php/")).start()?;
    stage.wait_backends(3)?;
    // Logs tell of nobody's death.
    let because = is("backend_crash").or_in(&[Mode::Logs], "upstream_closed");
    stage.fail("/php/killed.php", 502, 10, because)?;
    stage.judge()
}
