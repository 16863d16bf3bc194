//! Clients whose talk cannot be read: TLS and HTTP/2. What their upstreams said is seen, what they
//! were sent is not, so that without a log nothing is said, and with one the right thing.

use anyhow::{Result, ensure};
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::answers::told;
use nginx_probe_tests::certificate;
use nginx_probe_tests::http::{Answer, get};
use nginx_probe_tests::http2::Http2;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::ports;

use crate::scene::stage;

/// Paths, and what the client is sent: two failures of the upstream, one of nginx's own.
const PATHS: &[(&str, u16)] = &[
    ("/status/200/a", 200),
    ("/status/500/a", 500),
    ("/kept/status/500/a", 500),
    ("/own/500/a", 500),
    ("/status/404/a", 404),
];

struct Opaque {
    nginx: Nginx,
    agent: Agent,
    tls: u16,
    http2: u16,
    _folder: tempfile::TempDir,
}

impl Opaque {
    /// With an access log that the agent reads, or with none.
    fn start(logged: bool) -> Result<Self> {
        let (tls, http2) = (ports::free()?, ports::free()?);
        let certificates = tempfile::tempdir()?;
        certificate::write(certificates.path(), "test")?;
        let (key, pem) = (
            certificates.path().join("test.key"),
            certificates.path().join("test.pem"),
        );
        let log = if logged { "" } else { "access_log off;" };
        let (nginx, _upstream, folder) = stage(|builder| {
            builder.location(&format!(
                "{log} listen 127.0.0.1:{tls} ssl; listen 127.0.0.1:{http2} http2;
                 ssl_certificate {}; ssl_certificate_key {};",
                pem.display(),
                key.display(),
            ))
        })?;
        let pid_file = nginx.pid_file();
        let watch = [
            "--responses".as_ref(),
            "--pid-file".as_ref(),
            pid_file.as_os_str(),
        ];
        let agent = Agent::start(watch)?;
        Ok(Self {
            nginx,
            agent,
            tls,
            http2,
            _folder: folder,
        })
    }

    /// Without a log nothing is told of an answer, for no status was read; its lines are counted by
    /// cause.
    fn check(self, logged: bool) -> Result<()> {
        for (code, seen) in [("500", 3), ("200", 1)] {
            if logged {
                let labels = [("code", code), ("seen_by", "log")];
                self.agent
                    .wait_sample("nginx_http_responses_total", &labels, |count| {
                        count >= f64::from(seen) - 0.5
                    })?;
            }
        }
        let count = |cause: &str, expected: u32| {
            let labels = [("code", "500"), ("cause", cause)];
            let name = "nginx_http_error_responses_total";
            self.agent.wait_count(name, &labels, expected)
        };
        let (passed, own) = if logged { (2, 1) } else { (0, 0) };
        count("upstream_response", passed)?;
        // `return 500`, of which there is no message, and which nothing else there can answer.
        count("config_response", own)?;
        if !logged {
            ensure!(told(&self.agent)?.is_empty(), "{:?}", told(&self.agent)?);
        }
        // A plain client of the same worker is told of as ever.
        ensure!(get(self.nginx.port(), "/status/503/plain") == Answer::Status(503));
        let plain = self.agent.wait_for("the plain answer", |r| {
            r["type"] == "response" && r["path"] == "/status/503/plain"
        })?;
        ensure!(plain["cause"] == "upstream_response", "{plain}");
        self.agent.stop().map(|_| ())
    }
}

#[test]
fn tls_clients_are_told_of_by_the_log() -> Result<()> {
    for logged in [true, false] {
        let scene = Opaque::start(logged)?;
        // Another nginx is the client that speaks TLS.
        let client = Nginx::builder()
            .location(&format!(
                "location /t/ {{ proxy_pass https://127.0.0.1:{}/; }}",
                scene.tls
            ))
            .start()?;
        for (path, status) in PATHS {
            let got = get(client.port(), &format!("/t{path}"));
            ensure!(got == Answer::Status(*status), "{path}: {got:?}");
        }
        scene.check(logged)?;
    }
    Ok(())
}

#[test]
fn http2_clients_are_told_of_by_the_log() -> Result<()> {
    for logged in [true, false] {
        let scene = Opaque::start(logged)?;
        let mut client = Http2::connect(scene.http2)?;
        for (path, status) in PATHS {
            let got = client.get(path)?;
            ensure!(got == *status, "{path}: {got}");
        }
        scene.check(logged)?;
    }
    Ok(())
}
