//! One nginx with a path for each way in which an answer comes about.

use anyhow::Result;
use nginx_probe_tests::agent::Agent;
use nginx_probe_tests::answers::{self, Told, Way, told_until};
use nginx_probe_tests::client::Client;
use nginx_probe_tests::nginx::{Builder, Nginx};
use nginx_probe_tests::ports;
use nginx_probe_tests::upstream::Upstream;

/// A path of nginx's own 500, asked for when a test wants to know that nothing else comes.
const LAST: &str = "/own/500/last";

/// Tells what nginx's own answers may be called: by system calls alone their reason is not known,
/// probes of nginx's functions know more.
pub const OWN: &[&str] = &["unknown", "config_response"];

/// An nginx, its upstream, and the agent that watches it.
pub struct Scene {
    pub agent: Agent,
    pub nginx: Nginx,
    pub upstream: Upstream,
    /// A unix socket of the same upstream.
    _folder: tempfile::TempDir,
}

impl Scene {
    /// The usual one: one worker, so that records come in the order of answers.
    pub fn start() -> Result<Self> {
        Self::of(|builder| builder)
    }

    /// With something more in its configuration.
    pub fn of(more: impl FnOnce(Builder) -> Builder) -> Result<Self> {
        Self::build(more, Way::Best)
    }

    /// Watched in a certain way.
    pub fn watched(way: Way) -> Result<Self> {
        Self::build(|builder| builder, way)
    }

    fn build(more: impl FnOnce(Builder) -> Builder, way: Way) -> Result<Self> {
        let (nginx, upstream, folder) = stage(|builder| more(builder.location("access_log off;")))?;
        let agent = answers::watch_in(&nginx, way)?;
        Ok(Self {
            agent,
            nginx,
            upstream,
            _folder: folder,
        })
    }

    pub fn client(&self) -> Result<Client> {
        Client::connect(self.nginx.port())
    }

    /// A whole request on a connection of its own.
    pub fn get(&self, path: &str) -> Result<u16> {
        self.client()?.get(path)
    }

    /// All that was told of `path`, once nothing more can come.
    pub fn told(&self, path: &str) -> Result<Vec<Told>> {
        Ok(self.all()?.remove(path).unwrap_or_default())
    }

    /// All that was told so far, by path.
    pub fn all(&self) -> Result<std::collections::BTreeMap<String, Vec<Told>>> {
        let path = format!("{LAST}/{}", self.agent.records().len());
        self.get(&path)?;
        let mut all = told_until(&self.agent, &path)?;
        all.retain(|path, _| !path.starts_with(LAST));
        Ok(all)
    }
}

/// The nginx and the upstream without an agent.
pub fn stage(
    more: impl FnOnce(Builder) -> Builder,
) -> Result<(Nginx, Upstream, tempfile::TempDir)> {
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let upstream = Upstream::start()?;
    upstream.also_at(&folder.path().join("upstream.sock"))?;
    let builder = Nginx::builder()
        .workers(1)
        .log_level("crit")
        .http(&http(&upstream, folder.path())?)
        .location(&locations(&upstream, folder.path())?);
    Ok((more(builder).start()?, upstream, folder))
}

fn http(upstream: &Upstream, folder: &std::path::Path) -> Result<String> {
    let (live, dead, failing) = (upstream.port(), ports::free()?, Upstream::failing()?.port());
    Ok(format!(
        r"
        proxy_cache_path {folder}/cache keys_zone=cached:1m;
        upstream kept {{ server 127.0.0.1:{live} max_fails=0; keepalive 8; }}
        upstream two {{ server 127.0.0.1:{dead} max_fails=0; server 127.0.0.1:{live} max_fails=0 backup; }}
        upstream again {{ server 127.0.0.1:{failing} max_fails=0; server 127.0.0.1:{live} max_fails=0 backup; }}
        ",
        folder = folder.display(),
    ))
}

fn locations(upstream: &Upstream, folder: &std::path::Path) -> Result<String> {
    let live = format!("http://127.0.0.1:{}", upstream.port());
    let unbound = ports::free()?;
    Ok(format!(
        r#"
        location /status/ {{ proxy_pass {live}; }}
        location /pieces/ {{ proxy_pass {live}; }}
        location /late/ {{ proxy_pass {live}; }}
        location /held/ {{ proxy_pass {live}; }}
        location /close {{ proxy_pass {live}; }}
        location /garbage {{ proxy_pass {live}; }}
        location /redirect/ {{ proxy_pass {live}; }}
        location /silent {{ proxy_read_timeout 200ms; proxy_pass {live}; }}
        location /kept/ {{ proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://kept/; }}
        location /unix/ {{ proxy_pass http://unix:{folder}/upstream.sock:/; }}
        location /refused {{ proxy_pass http://127.0.0.1:{unbound}; }}
        location /second/ {{ proxy_next_upstream error timeout http_500 http_503; proxy_pass http://two/; }}
        location /again/ {{ proxy_next_upstream error timeout http_500 http_503; proxy_pass http://again/; }}
        location /intercepted/ {{ proxy_intercept_errors on; error_page 404 @none; proxy_pass {live}/; }}
        location /made/ {{ proxy_intercept_errors on; error_page 404 =500 /index.html; proxy_pass {live}/; }}
        location /masked/ {{ proxy_intercept_errors on; error_page 500 /no-such-file.html; proxy_pass {live}/; }}
        location /better/ {{ proxy_intercept_errors on; error_page 500 =200 /index.html; proxy_pass {live}/; }}
        location /own/500/ {{ return 500; }}
        location /own/503/ {{ return 503; }}
        location /own/cycle/ {{ rewrite ^ /own/cycle/again last; }}
        location /own/redirected {{ return 500; }}
        location /auth-500/ {{ auth_request /status/500/auth; }}
        location /auth-403/ {{ auth_request /status/403/auth; }}
        location /auth-404/ {{ auth_request /status/404/auth; }}
        location /auth-dead/ {{ auth_request /refused/auth; }}
        location /auth-good/ {{ auth_request /status/200/auth; proxy_pass {live}/status/500/; }}
        location /cached/ {{ proxy_cache cached; proxy_cache_valid any 10m; proxy_pass {live}/; }}
        location /body/ {{ client_body_buffer_size 1k; proxy_request_buffering on; proxy_pass {live}/; }}
        location /streamed/ {{ client_body_buffer_size 1k; proxy_request_buffering off; proxy_http_version 1.1; proxy_pass {live}/; }}
        "#,
        folder = folder.display(),
    ))
}
