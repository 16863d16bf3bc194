//! The closed list of causes.

use serde::Serialize;

/// Why a response failed, or why there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The upstream answered with that status and nginx passed it on.
    UpstreamResponse,
    /// Nginx put a failing status in place of an upstream's answer.
    UpstreamIntercepted,
    /// The upstream failed and the client was sent a status below 500.
    UpstreamMasked,
    /// No connection to the upstream could be made.
    UpstreamRefused,
    /// The upstream took too long.
    UpstreamTimeout,
    /// The upstream closed before a whole answer, or answered nonsense.
    UpstreamClosed,
    /// The local process behind the upstream died.
    BackendCrash,
    /// An internal redirection led to itself.
    RedirectCycle,
    /// The configuration says so.
    ConfigResponse,
    /// The configuration fails at run time.
    ConfigError,
    /// Nginx may not use a file that it needs.
    PermissionDenied,
    /// An auth subrequest gave neither allow nor deny.
    AuthRequest,
    /// A Lua handler failed.
    LuaError,
    /// A configured limit refused it.
    Limited,
    /// No file descriptor was left.
    FdExhaustion,
    /// No connection slot was left.
    WorkerConnections,
    /// An allocation failed.
    MemoryExhaustion,
    /// No space was left for a file.
    DiskFull,
    /// A worker crashed, or ended with an error.
    WorkerCrash,
    /// The kernel's OOM killer ended a worker.
    WorkerOomKill,
    /// Another process killed a worker.
    WorkerKilled,
    /// A worker lives but serves no more.
    WorkerHung,
    /// The listen queue overflowed.
    BacklogOverflow,
    /// The master is gone and its workers are orphans.
    MasterDied,
    /// A configuration was refused and the old one serves on.
    ReloadFailed,
    /// A draining worker ran out of time with requests in flight.
    WorkerShutdown,
    /// A script inside nginx answered so by itself.
    ScriptResponse,
    /// A module of nginx failed.
    ModuleError,
    /// A rule of a firewall module refused it.
    DeniedByRule,
    /// Nothing serves any more, and nobody asked for that.
    NginxDown,
    /// No evidence explains it.
    #[default]
    Unknown,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 31] = [
        Self::UpstreamResponse,
        Self::UpstreamIntercepted,
        Self::UpstreamMasked,
        Self::UpstreamRefused,
        Self::UpstreamTimeout,
        Self::UpstreamClosed,
        Self::BackendCrash,
        Self::RedirectCycle,
        Self::ConfigResponse,
        Self::ConfigError,
        Self::PermissionDenied,
        Self::AuthRequest,
        Self::LuaError,
        Self::Limited,
        Self::FdExhaustion,
        Self::WorkerConnections,
        Self::MemoryExhaustion,
        Self::DiskFull,
        Self::WorkerCrash,
        Self::WorkerOomKill,
        Self::WorkerKilled,
        Self::WorkerHung,
        Self::BacklogOverflow,
        Self::MasterDied,
        Self::ReloadFailed,
        Self::WorkerShutdown,
        Self::ScriptResponse,
        Self::ModuleError,
        Self::DeniedByRule,
        Self::NginxDown,
        Self::Unknown,
    ];

    /// As in records and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpstreamResponse => "upstream_response",
            Self::UpstreamIntercepted => "upstream_intercepted",
            Self::UpstreamMasked => "upstream_masked",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamClosed => "upstream_closed",
            Self::BackendCrash => "backend_crash",
            Self::RedirectCycle => "redirect_cycle",
            Self::ConfigResponse => "config_response",
            Self::ConfigError => "config_error",
            Self::PermissionDenied => "permission_denied",
            Self::AuthRequest => "auth_request",
            Self::LuaError => "lua_error",
            Self::Limited => "limited",
            Self::FdExhaustion => "fd_exhaustion",
            Self::WorkerConnections => "worker_connections",
            Self::MemoryExhaustion => "memory_exhaustion",
            Self::DiskFull => "disk_full",
            Self::WorkerCrash => "worker_crash",
            Self::WorkerOomKill => "worker_oom_kill",
            Self::WorkerKilled => "worker_killed",
            Self::WorkerHung => "worker_hung",
            Self::BacklogOverflow => "backlog_overflow",
            Self::MasterDied => "master_died",
            Self::ReloadFailed => "reload_failed",
            Self::WorkerShutdown => "worker_shutdown",
            Self::ScriptResponse => "script_response",
            Self::ModuleError => "module_error",
            Self::DeniedByRule => "denied_by_rule",
            Self::NginxDown => "nginx_down",
            Self::Unknown => "unknown",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
