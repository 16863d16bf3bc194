//! A page that is to be transformed is no XML: a file, or the good answer of an application.

use std::fs;

use anyhow::Result;
use nginx_probe_tests::fixed::Fixed;

use crate::zoo::judge::Judgement;
use crate::zoo::scenarios::Scenario;
use crate::zoo::set::{Set, folder};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "xslt",
    about: "what is to be transformed is no XML",
    play,
};

const STYLE: &str = "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>\
    <xsl:template match='/'>fine</xsl:template></xsl:stylesheet>";

fn play(set: Set) -> Result<Judgement> {
    let folder = folder()?;
    fs::write(folder.path().join("style.xsl"), STYLE)?;
    let app = Fixed::closing("HTTP/1.1 200 Fine\r\nContent-Type: text/xml\r\n\r\nnot at all")?;
    let mut stage = set
        .nginx(|builder| builder.module("ngx_http_xslt_filter_module"))
        .location(&format!(
            "types {{ text/xml xml; }}
             location /feeds/ {{ xslt_stylesheet {0}/style.xsl; }}
             location = /app {{ xslt_stylesheet {0}/style.xsl; proxy_pass http://127.0.0.1:{1}; }}",
            folder.path().display(),
            app.port()
        ))
        .start()?;
    let feeds = stage.nginx.folder().join("html/feeds");
    fs::create_dir(&feeds)?;
    fs::write(feeds.join("fine.xml"), "<a/>")?;
    fs::write(feeds.join("broken.xml"), "<a><b></a>")?;
    stage.serve("/feeds/fine.xml", 200, 10)?;
    stage.fail("/feeds/broken.xml", 500, 10, "module_error")?;
    stage.fail("/app", 500, 10, "module_error")?;
    stage.judge()
}
