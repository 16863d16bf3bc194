//! What nginx takes for a valid configuration and cannot follow: variables that need each other, an alias
//! under a rewritten path, a rewrite to nothing.

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "config-errors",
    about: "variables and paths that make no sense at run time",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let mut stage = set
        .nginx(|builder| {
            builder
                .http(
                    "map $cycle_a $cycle_b { default x; }\n\
                     map $cycle_b $cycle_a { default x; }\n",
                )
                .location(
                    "location = /variable { proxy_pass http://$cycle_a; }
                     location = /address { set $address nonsense; proxy_pass $address; }
                     location /alias/ { rewrite ^ /other break; alias /tmp/; }
                     location = /empty { set $nothing \"\"; rewrite ^ $nothing; }",
                )
        })
        .start()?;
    stage.fail("/variable", 502, 10, "config_error")?;
    for path in ["/address", "/alias/file", "/empty"] {
        stage.fail(path, 500, 10, "config_error")?;
    }
    stage.judge()
}
