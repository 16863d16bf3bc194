//! What the demo runs: nginx in a control group, the agent, and a trickle of requests.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use nginx_probe_tests::cgroup::Cgroup;
use nginx_probe_tests::http::Load;
use nginx_probe_tests::nginx::Nginx;
use nginx_probe_tests::upstream::Upstream;
use nginx_probe_tests::wait::{DEADLINE, until};

use super::agent::Agent;
use crate::interrupt;

/// What nginx may use of memory.
pub(super) const MEMORY: u64 = 256 << 20;
/// Requests a second, about.
pub(super) const PACE: u32 = 20;
/// Of which one is answered with 500 by the upstream.
pub(super) const ROUND: usize = 10;
/// The trickle's bounds, should the demo hang.
const REQUESTS: u64 = 4_000;
const TIME: Duration = Duration::from_secs(200);

/// Dropping it ends and removes everything, in this order.
pub(super) struct Stage {
    load: Option<Load>,
    pub(super) agent: Agent,
    pub(super) nginx: Nginx,
    /// Or why there is none on this host.
    pub(super) group: Result<Cgroup, String>,
    /// nginx's logs when the agent had just begun.
    pub(super) begin: Logs,
}

/// What the demo asks for, beside what every nginx of ours has.
fn locations(application: &Upstream) -> String {
    let port = application.port();
    format!(
        "
        location = /intercepted {{
            proxy_intercept_errors on;
            error_page 404 @no_such_page;
            proxy_pass http://127.0.0.1:{port}/status/404;
        }}
        location /cycle {{ rewrite ^ /cycle; }}
        location /slow/ {{ proxy_pass http://127.0.0.1:{port}/held/200; }}
"
    )
}

/// nginx's logs at one moment.
pub(super) struct Logs {
    error: String,
    access: String,
}

impl Stage {
    /// Starts nginx and the agent.
    pub(super) fn set(binary: &Path) -> Result<Self> {
        let group = Cgroup::new(MEMORY).map_err(|error| format!("{error:#}"));
        let application = Upstream::start()?;
        // A short name: it is part of each line that the agent says.
        let nginx = Nginx::builder()
            .folder("nginx-demo-")
            .location(&locations(&application))
            .start()?;
        if let Ok(group) = &group {
            group.add(nginx.master()?)?;
            for worker in nginx.workers()? {
                group.add(worker)?;
            }
        }
        let agent = Agent::start(binary, &nginx)?;
        let begin = Logs::of(&nginx);
        Ok(Self {
            load: None,
            agent,
            nginx,
            group,
            begin,
        })
    }

    /// Begins to send requests in the background: one in [`ROUND`] is to fail.
    pub(super) fn start_requests(&mut self) {
        let mut paths = ["/ok"; ROUND];
        paths[0] = "/fail";
        let pause = Duration::from_secs(1) / PACE;
        self.load = Some(Load::paced(
            self.nginx.port(),
            &paths,
            REQUESTS,
            TIME,
            pause,
        ));
    }

    /// Ends the requests in the background.
    pub(super) fn stop_requests(&mut self) {
        self.load = None;
    }

    /// Waits for one round of the requests in the background, if there are any: so the demo has
    /// a pace that an eye can follow, and nginx is seen to serve on.
    pub(super) fn wait_requests(&self) -> Result<()> {
        let Some(load) = &self.load else {
            return Ok(());
        };
        let enough = load.sent() + ROUND as u64;
        self.wait("requests in the background", || {
            Ok((load.sent() >= enough).then_some(()))
        })
    }

    /// Waits until `look` gives something; fails when the agent ends, the user interrupts, or it
    /// takes too long.
    pub(super) fn wait<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        until(what, DEADLINE, || {
            interrupt::check()?;
            let found = look()?;
            if found.is_none() {
                self.agent.check()?;
            }
            Ok(found)
        })
    }

    /// What nginx has logged so far.
    pub(super) fn logs(&self) -> Logs {
        Logs::of(&self.nginx)
    }

    /// Ends and removes everything; gives the folder that was removed.
    pub(super) fn end(self) -> Result<PathBuf> {
        let folder = self.nginx.folder().to_path_buf();
        let members = self.nginx.members();
        drop(self.load);
        self.agent.stop()?;
        drop(self.nginx);
        let group = self.group.as_ref().map(|group| group.path().to_path_buf());
        let group = group.ok();
        drop(self.group);
        for path in group.iter().chain([&folder]) {
            ensure!(!path.exists(), "{} is still there", path.display());
        }
        for seen in members {
            let now = nginx_probe_tests::processes::get(seen.pid);
            ensure!(
                now.is_none_or(|now| now.started != seen.started),
                "process {} of nginx is still there",
                seen.pid
            );
        }
        Ok(folder)
    }
}

impl Logs {
    fn of(nginx: &Nginx) -> Self {
        let access = fs::read(nginx.access_log()).unwrap_or_default();
        Self {
            error: nginx.error_log(),
            access: String::from_utf8_lossy(&access).into_owned(),
        }
    }

    /// The error log since `before`.
    pub(super) fn error_since(&self, before: &Self) -> &str {
        self.error.get(before.error.len()..).unwrap_or_default()
    }

    /// The access log since `before`.
    pub(super) fn access_since(&self, before: &Self) -> &str {
        self.access.get(before.access.len()..).unwrap_or_default()
    }
}
