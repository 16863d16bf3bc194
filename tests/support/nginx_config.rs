//! What a private nginx is started with, and its configuration file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::faults;
use crate::nginx::Nginx;
use crate::ports;
use crate::tools::Tools;
use crate::upstream::Upstream;

/// Choices for a private nginx; [`Builder::start`] starts it.
#[derive(Debug, Clone)]
pub struct Builder {
    pub(crate) daemon: bool,
    pub(crate) own_namespaces: bool,
    pub(crate) workers: u16,
    pub(crate) folder: String,
    connections: u32,
    log_level: String,
    log_format: Option<String>,
    modules: Vec<String>,
    main: String,
    http: String,
    location: String,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            daemon: true,
            own_namespaces: false,
            workers: 2,
            folder: "nginx-probe-test-".into(),
            connections: 256,
            // nginx's own default: what hides notices in production hides them here.
            log_level: "error".into(),
            log_format: None,
            modules: Vec::new(),
            main: String::new(),
            http: String::new(),
            location: String::new(),
        }
    }
}

impl Builder {
    /// `worker_processes`; 2 unless told.
    #[must_use]
    pub fn workers(mut self, workers: u16) -> Self {
        self.workers = workers;
        self
    }

    /// `worker_connections`; 256 unless told.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// How the name of its temporary folder begins; `nginx-probe-test-` unless told.
    #[must_use]
    pub fn folder(mut self, begin: &str) -> Self {
        self.folder = begin.into();
        self
    }

    /// The error log's level; `error` unless told, as nginx has it.
    #[must_use]
    pub fn log_level(mut self, level: &str) -> Self {
        self.log_level = level.into();
        self
    }

    /// The access log's format, as the text between the quotes of `log_format`; `combined` unless told.
    #[must_use]
    pub fn log_format(mut self, format: &str) -> Self {
        self.log_format = Some(format.into());
        self
    }

    /// One more dynamic module, by its name without `.so`.
    #[must_use]
    pub fn module(mut self, name: &str) -> Self {
        self.modules.push(name.into());
        self
    }

    /// More directives of the main context.
    #[must_use]
    pub fn main(mut self, text: &str) -> Self {
        self.main.push_str(text);
        self
    }

    /// More directives of the `http` block.
    #[must_use]
    pub fn http(mut self, text: &str) -> Self {
        self.http.push_str(text);
        self
    }

    /// More locations (or other directives) of the main server.
    #[must_use]
    pub fn location(mut self, text: &str) -> Self {
        self.location.push_str(text);
        self
    }

    /// Stays in the foreground as our own child, instead of becoming a daemon.
    #[must_use]
    pub fn foreground(mut self) -> Self {
        self.daemon = false;
        self
    }

    /// Runs in mount and pid namespaces of its own, as in a container, and in the foreground.
    #[must_use]
    pub fn own_namespaces(mut self) -> Self {
        self.own_namespaces = true;
        self.foreground()
    }

    /// Starts it and waits until it answers and all its workers are there.
    pub fn start(self) -> Result<Nginx> {
        Nginx::start(&self)
    }

    /// The whole configuration for an nginx in `prefix`.
    pub(crate) fn render(&self, tools: &Tools, prefix: &Path, ports: Ports) -> Result<String> {
        let load = |name: &String| format!("load_module \"{}\";", tools.module(name).display());
        let modules: Vec<String> = self.modules.iter().map(load).collect();
        let daemon = if self.daemon { "on" } else { "off" };
        let (format, format_name) = match &self.log_format {
            Some(format) => (format!("log_format chosen '{format}';"), "chosen"),
            None => (String::new(), "combined"),
        };
        let Ports {
            main,
            healthy,
            failing,
        } = ports;
        Ok(format!(
            r#"load_module "{ndk}";
load_module "{lua}";
{modules}
# A binary upgrade executes nginx anew with the environment that is listed here.
env LD_LIBRARY_PATH;
user nobody {group};
daemon {daemon};
worker_processes {workers};
worker_rlimit_core 0;
pid "{prefix}/nginx.pid";
error_log "{prefix}/error.log" {level};
{extra_main}
events {{ worker_connections {connections}; }}
http {{
    {format}
    access_log "{prefix}/access.log" {format_name};
    client_body_temp_path "{prefix}/tmp/body";
    proxy_temp_path "{prefix}/tmp/proxy";
    fastcgi_temp_path "{prefix}/tmp/fastcgi";
    uwsgi_temp_path "{prefix}/tmp/uwsgi";
    scgi_temp_path "{prefix}/tmp/scgi";
    lua_package_path "{lua_files}/?.lua;;";
    init_by_lua_block {{{init_lua}
    }}
    upstream healthy {{ server 127.0.0.1:{healthy} max_fails=0; }}
    upstream failing {{ server 127.0.0.1:{failing} max_fails=0; }}
    server {{
        listen 127.0.0.1:{healthy};
        access_log off;
        location / {{ return 200 "upstream\n"; }}
    }}
    server {{
        listen 127.0.0.1:{main};
        root "{prefix}/html";
        location / {{ }}
        location = /ok {{ proxy_pass http://healthy; }}
        location = /fail {{ proxy_pass http://failing; }}
        location = /status {{ stub_status; access_log off; }}
{faults}
{extra_location}
    }}
{extra_http}
}}
"#,
            ndk = tools.module("ndk_http_module").display(),
            lua = tools.module("ngx_http_lua_module").display(),
            modules = modules.join("\n"),
            group = group_of_nobody()?,
            workers = self.workers,
            connections = self.connections,
            prefix = prefix.display(),
            level = self.log_level,
            extra_main = self.main,
            lua_files = tools.lua_files().display(),
            init_lua = faults::INIT_LUA,
            faults = faults::locations(),
            extra_location = self.location,
            extra_http = self.http,
        ))
    }
}

/// The loopback ports of one nginx: its main server, an upstream that it is itself, and one that
/// fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) main: u16,
    pub(crate) healthy: u16,
    pub(crate) failing: u16,
}

impl Ports {
    pub(crate) fn choose() -> Result<Self> {
        Ok(Self {
            main: ports::free()?,
            healthy: ports::free()?,
            // Not of the same nginx: what it answers is not to be counted as that nginx's own.
            failing: Upstream::failing()?.port(),
        })
    }
}

/// `nogroup` on Debian, `nobody` elsewhere.
pub(crate) fn group_of_nobody() -> Result<&'static str> {
    let groups = fs::read_to_string("/etc/group").context("reading /etc/group")?;
    ["nogroup", "nobody"]
        .into_iter()
        .find(|name| {
            groups
                .lines()
                .any(|line| line.split(':').next() == Some(name))
        })
        .context("neither group nogroup nor nobody is in /etc/group")
}
