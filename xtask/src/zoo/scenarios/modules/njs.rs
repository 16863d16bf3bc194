//! A script of njs throws at once, or later, when nobody is sent anything any more, or answers 503 by itself.

use std::fs;

use anyhow::Result;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "njs",
    about: "an njs script throws, and says 503",
    play,
};

const SCRIPT: &str = "
function throws(r) { let order; order.price = 1; }
async function later(r) { await r.subrequest('/index.html'); throw new Error('no price'); }
function refuses(r) { r.return(503, 'later'); }
export default { throws, later, refuses };
";

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    fs::write(folder.path().join("shop.js"), SCRIPT)?;
    let mut stage = set
        .nginx(|builder| {
            builder.module("ngx_http_js_module").http(&format!(
                "js_import shop from {}/shop.js;\n",
                folder.path().display()
            ))
        })
        .location(
            "location = /throws { js_content shop.throws; }
             location = /later { js_content shop.later; }
             location = /refuses { js_content shop.refuses; }",
        )
        .start()?;
    stage.fail("/throws", 500, 10, "module_error")?;
    stage.fail_unsent("/later", 0, 10, "module_error")?;
    stage.fail("/refuses", 503, 10, "script_response")?;
    stage.judge()
}
