//! Perl inside nginx dies, is not there, or answers 503 by itself.

use anyhow::Result;
use nginx_probe_tests::tools::Tools;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "perl",
    about: "Perl in nginx dies, and says 503",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let files = Tools::find()?.perl_files();
    let mut stage = set
        .nginx(|builder| {
            builder
                .module("ngx_http_perl_module")
                .http(&format!("perl_modules {};\n", files.display()))
        })
        .location(
            "location = /dies { perl 'sub { die \"no stock\"; }'; }
             location = /missing { perl shop::order; }
             location = /refuses { perl 'sub { return 503; }'; }",
        )
        .start()?;
    stage.fail("/dies", 500, 10, "module_error")?;
    stage.fail("/missing", 500, 10, "module_error")?;
    stage.fail("/refuses", 503, 10, "script_response")?;
    stage.judge()
}
