//! How much the agent may see.

use nginx_probe_tests::nginx::Builder;

/// What nginx logs, and what the agent looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Mode {
    /// The kernel's programs, the error log, and an access log that tells of upstreams
    Full,
    /// The kernel's programs, the error log, and an access log in nginx's default format
    Combined,
    /// The kernel's programs alone: nothing is logged, and no log is read
    Kernel,
    /// The logs of `full` alone: nothing is loaded into the kernel
    Logs,
}

const FORMAT: &str = "$remote_addr [$time_local] \"$request\" $status $upstream_status $upstream_addr \
     $request_time $upstream_response_time $connection $pid $msec";

impl Mode {
    pub(super) const ALL: [Self; 4] = [Self::Full, Self::Combined, Self::Kernel, Self::Logs];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Combined => "combined",
            Self::Kernel => "kernel",
            Self::Logs => "logs",
        }
    }

    /// Which views count answers (the label `seen_by`).
    pub(super) const fn views(self) -> &'static [&'static str] {
        match self {
            Self::Full | Self::Combined => &["kernel", "log"],
            Self::Kernel => &["kernel"],
            Self::Logs => &["log"],
        }
    }

    /// nginx with this mode's logs.
    pub(super) fn logging(self, builder: Builder) -> Builder {
        match self {
            Self::Full | Self::Logs => builder.log_format(FORMAT),
            Self::Combined => builder,
            Self::Kernel => builder.http("access_log off; error_log /dev/null;\n"),
        }
    }

    /// What the agent is told.
    pub(super) const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Full | Self::Combined => &[],
            Self::Kernel => &["--no-logs"],
            Self::Logs => &["--no-kernel"],
        }
    }
}
