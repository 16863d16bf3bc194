//! A child of PHP-FPM eats the memory of its control group, and the kernel kills it.

use anyhow::Result;
use nginx_probe_tests::applications::Application;
use nginx_probe_tests::cgroup::Cgroup;
use nginx_probe_tests::processes;
use nginx_probe_tests::wait::{DEADLINE, until_true};

use crate::zoo::clients;
use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "php-oom",
    about: "a PHP process is killed for want of memory",
    play,
};

const SCRIPTS: &[(&str, &str)] = &[(
    "eats.php",
    "ini_set('memory_limit', -1); for ($a = [];;) $a[] = str_repeat('x', 1 << 20);",
)];

fn play(set: Set) -> Result<Judgement> {
    let group = Cgroup::new(64 << 20)?;
    let php = Application::php(SCRIPTS)?;
    until_true("both children", DEADLINE, || {
        Ok(processes::children(php.pid()).len() == 2)
    })?;
    for member in processes::find(|seen| seen.group == php.pid()) {
        group.add(member.pid)?;
    }
    let mut stage = set.location(&php.fastcgi_location("/php/")).start()?;
    stage.wait_backends(3)?;
    let because = is("backend_crash").or_in(&[Mode::Logs], "upstream_closed");
    let port = stage.port();
    // One after the other: two that eat at once would have half of the memory each.
    stage.fail_by(1, 502, 5, because, |_| clients::get(port, "/php/eats.php"))?;
    let judgement = stage.judge();
    drop(php);
    judgement
}
