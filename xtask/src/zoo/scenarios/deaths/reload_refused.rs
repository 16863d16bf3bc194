//! A reload is refused, because the new configuration is wrong: the old one serves on. Logs alone do not
//! prove it, since `nginx -t` writes the same.

use std::time::SystemTime;

use anyhow::Result;
use nginx_probe_tests::processes::Signal;

use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "reload-refused",
    about: "a configuration is refused, the old one serves on",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set.start()?;
    stage.nginx.break_config()?;
    stage.nginx.signal(Signal::HUP)?;
    let because = is("reload_failed").or_untold_in(&[Mode::Logs]);
    stage.wrong_since(SystemTime::now(), because);
    stage.serve("/ok", 200, 10)?;
    stage.judge()
}
