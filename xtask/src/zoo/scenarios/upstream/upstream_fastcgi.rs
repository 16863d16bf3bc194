//! PHP-FPM answers 500: a script says so, or throws what nobody catches.

use anyhow::Result;
use nginx_probe_tests::applications::Application;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "upstream-fastcgi",
    about: "PHP answers 500, by itself and for an exception",
    play,
};

const SCRIPTS: &[(&str, &str)] = &[
    ("fine.php", "echo 'fine';"),
    ("explicit.php", "http_response_code(500); echo 'sorry';"),
    ("uncaught.php", "throw new Exception('no stock');"),
];

fn play(set: Set) -> Result<Judgement> {
    let php = Application::php(SCRIPTS)?;
    let mut stage = set.location(&php.fastcgi_location("/php/")).start()?;
    stage.serve("/php/fine.php", 200, 5)?;
    stage.fail("/php/explicit.php", 500, 10, "upstream_response")?;
    stage.fail("/php/uncaught.php", 500, 10, "upstream_response")?;
    stage.judge()
}
