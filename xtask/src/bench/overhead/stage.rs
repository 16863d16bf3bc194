//! The nginx that is measured, its upstream, and a client that speaks TLS to it.

use std::fs;

use anyhow::Result;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::{certificate, ports};

/// The nginx that is watched, with what it needs.
pub(super) struct Stage {
    pub(super) nginx: Nginx,
    /// Speaks TLS to it for a client that does not.
    pub(super) client: Nginx,
    _upstream: Nginx,
    _secret: tempfile::TempDir,
}

pub(super) fn stage() -> Result<Stage> {
    let upstream = Nginx::builder()
        .workers(1)
        .http("access_log off;")
        .location(&format!(
            "location /kb {{ return 200 '{}'; }}",
            "x".repeat(1024)
        ))
        .start()?;
    let secret = tempfile::tempdir()?;
    certificate::write(secret.path(), "test")?;
    let tls = ports::free()?;
    let nginx = Nginx::builder()
        .workers(1)
        .http(&format!(
            "access_log off; keepalive_requests 100000000;
            server {{
                listen 127.0.0.1:{tls} ssl; root html;
                ssl_certificate {0}/test.pem; ssl_certificate_key {0}/test.key;
            }}",
            secret.path().display()
        ))
        .location("location /static/ { root html; }")
        .location(&format!(
            "location /kb {{ proxy_pass http://127.0.0.1:{}; }}",
            upstream.port()
        ))
        .start()?;
    // It speaks TLS to the one that is watched, over connections that it keeps.
    let client = Nginx::builder()
        .workers(1)
        .http(&format!(
            "access_log off; keepalive_requests 100000000;
            upstream tls {{ server 127.0.0.1:{tls}; keepalive 64; keepalive_requests 100000000; }}"
        ))
        .location(
            "location /static/ { proxy_pass https://tls; proxy_http_version 1.1;
             proxy_set_header Connection ''; }",
        )
        .start()?;
    let folder = nginx.folder().join("html/static");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("kb"), "x".repeat(1024))?;
    Ok(Stage {
        nginx,
        client,
        _upstream: upstream,
        _secret: secret,
    })
}
