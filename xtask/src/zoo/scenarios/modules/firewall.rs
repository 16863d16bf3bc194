//! A firewall in nginx (`ModSecurity`) refuses requests, with statuses that look like failures of others.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::mode::Mode;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;
use crate::zoo::truth::is;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "firewall",
    about: "rules of ModSecurity say 500, 502 and 503",
    play,
};

const RULES: &str = r#"modsecurity on;
modsecurity_rules '
    SecRuleEngine On
    SecRule REQUEST_URI "@contains evil" "id:1,phase:1,deny,status:403"
    SecRule REQUEST_URI "@contains worse" "id:2,phase:1,deny,status:500"
    SecRule REQUEST_URI "@contains late" "id:3,phase:2,deny,status:503"
    SecRule RESPONSE_STATUS "@streq 404" "id:4,phase:3,deny,status:502"
';
"#;

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .nginx(|builder| builder.module("ngx_http_modsecurity_module").http(RULES))
        .location(&format!(
            "location /status/ {{ proxy_pass http://127.0.0.1:{}; }}",
            app.port()
        ))
        .start()?;
    stage.serve("/status/200/fine", 200, 10)?;
    stage.serve("/status/200/evil", 403, 10)?;
    // What it logs has no words of its own that a look at nginx alone could tell.
    let because = is("denied_by_rule").or_in(&[Mode::Kernel], "unknown");
    stage.fail("/status/200/worse", 500, 10, because.clone())?;
    stage.fail("/status/200/late", 503, 10, because.clone())?;
    stage.fail("/status/404/hidden", 502, 10, because)?;
    stage.judge()
}
