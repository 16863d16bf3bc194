//! The configuration says so: for maintenance, for a path that is no file, for a page that is not there.

use anyhow::Result;
use nginx_probe_tests::upstream::Upstream;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::Set;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "config-responses",
    about: "the configuration answers 500 and 503 in four ways",
    play,
};

fn play(set: Set) -> Result<Judgement> {
    let app = Upstream::start()?;
    let mut stage = set
        .location(&format!(
            "location = /maintained {{
                 error_page 503 @maintenance;
                 if (-f $document_root/index.html) {{ return 503; }}
                 proxy_pass http://127.0.0.1:{0};
             }}
             location @maintenance {{ try_files /index.html =503; }}
             location = /chosen {{ if ($request_method = GET) {{ return 500; }} }}
             location = /strict {{ try_files /none =500; }}
             location = /closed {{ error_page 404 =503 /index.html; try_files /none =404; }}",
            app.port()
        ))
        .start()?;
    stage.fail("/maintained", 503, 10, "config_response")?;
    stage.fail("/closed", 503, 10, "config_response")?;
    stage.fail("/chosen", 500, 10, "config_response")?;
    stage.fail("/strict", 500, 10, "config_response")?;
    stage.judge()
}
