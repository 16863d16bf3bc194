//! A page that is put together by SSI is sent with 200, and a part of it failed: the application that makes it
//! answers 500, or is down.

use std::fs;

use anyhow::Result;
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "failing-part",
    about: "a part of a page fails",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "ssi on;
             location /status/ {{ proxy_pass http://127.0.0.1:{}; }}
             location = /dead {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port(),
            ports::free()?
        ))
        .start()?;
    let page = |name: &str, part: &str| {
        let text = format!("<p>before</p><!--# include virtual=\"{part}\" --><p>after</p>");
        fs::write(stage.nginx.folder().join("html").join(name), text)
    };
    page("fine.html", "/status/200/part")?;
    page("failing.html", "/status/500/part")?;
    page("dead.html", "/dead")?;
    stage.serve("/fine.html", 200, 10)?;
    // No log tells of what a part was answered.
    let because = is("upstream_masked").or_untold_in(&[Mode::Logs]);
    stage.fail("/failing.html", 200, 10, because)?;
    stage.fail("/dead.html", 200, 10, "upstream_masked")?;
    stage.judge()
}
