//! What a client is answered when something failed: `error_page` and what is intercepted.

use anyhow::Result;
use nginx_probe::config::error_page::{PageStatus, PageTarget};
use nginx_probe::config::location::{Handler, Level};

use crate::level;
use crate::raw::{Raw, Start};

/// The answer to an error `status` at a place, by the model; `own` is the answer without a page.
fn predicted(level: &Level, status: u16, own: &str) -> (u16, String) {
    let intercepted = match &level.handler {
        _ if level.returns.is_some() => true,
        Some(Handler::Pass(pass)) => level.effective.intercepts(pass.protocol),
        _ => true,
    };
    let page = level.effective.error_page(status).filter(|_| intercepted);
    let Some(page) = page else {
        return (status, own.into());
    };
    let sent = match page.status {
        PageStatus::Keep => status,
        PageStatus::OfPage => 200,
        PageStatus::Code(code) => code,
    };
    match &page.target {
        PageTarget::Uri(text) | PageTarget::Named(text) => (sent, text.to_string()),
        PageTarget::Url(_) | PageTarget::Variable(_) => (302, String::new()),
    }
}

#[test]
fn errors_are_answered_as_the_model_says() -> Result<()> {
    let text = r#"events {}
    http {
        FOLDERS
        access_log off;
        error_page 500 /http500;
        error_page 404 502 =200 /http404;
        error_page 500 /never;
        proxy_intercept_errors on;
        upstream Back { server 127.0.0.1:PORT1; }
        server {
            listen 127.0.0.1:PORT0;
            location ~ ^/(http|own|server)[0-9]+$ { return 200 $uri; }
            location @named { return 200 @named; }
            location /inherits/ { proxy_pass http://back/; }
            location /off/ { proxy_intercept_errors off; proxy_pass http://back/; }
            location /replaced/ { error_page 503 /own503; proxy_pass http://back/; }
            location /named/ { error_page 404 = @named; error_page 500 =503 @named; proxy_pass http://back/; }
            location /url/ { error_page 500 http://elsewhere/; proxy_pass http://back/; }
            location /outer/ {
                error_page 500 /own500;
                location /outer/inner/ { proxy_pass http://back/; }
                location /outer/if/ { if ($arg_x) { error_page 500 /own501; } proxy_pass http://back/; }
                proxy_intercept_errors off;
                proxy_pass http://back/;
            }
            location /return/500 { return 500; }
            location /return/404 { error_page 404 = /own404; return 404; }
        }
        server {
            listen 127.0.0.1:PORT1;
            location /500 { return 500 "own"; }
            location /404 { return 404 "own"; }
            location /502 { return 502 "own"; }
        }
    }"#;
    let nginx = Raw::start(&[("conf/nginx.conf", text)], Start::Plain)?;
    let settings = nginx.model()?;
    let mut differing = 0;
    for (prefix, patterns) in [
        ("/inherits/", &["/inherits/"][..]),
        ("/off/", &["/off/"]),
        ("/replaced/", &["/replaced/"]),
        ("/named/", &["/named/"]),
        ("/url/", &["/url/"]),
        ("/outer/", &["/outer/"]),
        ("/outer/inner/", &["/outer/", "/outer/inner/"]),
        ("/outer/if/", &["/outer/", "/outer/if/"]),
        ("/outer/if/?x", &["/outer/", "/outer/if/", "($arg_x)"]),
        ("/return/", &["/return/"]),
    ] {
        for status in [500_u16, 404, 502] {
            let (path, patterns) = match prefix.split_once('?') {
                Some((path, _)) => (format!("{path}{status}?x=1"), patterns.to_vec()),
                None => (format!("{prefix}{status}"), patterns.to_vec()),
            };
            let patterns = if prefix == "/return/" {
                vec![path.as_str()]
            } else {
                patterns
            };
            let Ok(level) = level(&settings, &patterns) else {
                continue;
            };
            let expected = predicted(level, status, "own");
            let (code, mut body) = nginx.ask(0, "GET", &path)?;
            if code == 302 || body.starts_with("<html>") {
                body.clear();
            }
            differing += usize::from(code != status);
            let own_page = level.returns.is_some() && expected.1 == "own";
            let expected_body = if own_page { "" } else { &expected.1 };
            assert_eq!((code, body.as_str()), (expected.0, expected_body), "{path}");
        }
    }
    assert!(differing > 5);
    Ok(())
}
