//! What a scenario starts: nginx with its configuration, and the agent with its arguments.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use nginx_probe_tests::nginx::{Builder, Nginx};
use tempfile::TempDir;

use super::mode::Mode;
use super::recording::Recording;
use super::stage::{LAST, Stage};

/// What is about to be started.
pub(super) struct Set {
    mode: Mode,
    builder: Builder,
    arguments: Vec<&'static str>,
    recording: Recording,
}

impl Set {
    pub(super) fn new(mode: Mode, recording: Recording) -> Self {
        let (path, status) = LAST;
        let builder = Nginx::builder()
            .folder("nginx-zoo-")
            .location(&format!("location = {path} {{ return {status}; }}\n"));
        Self {
            mode,
            builder: mode.logging(builder),
            arguments: Vec::new(),
            recording,
        }
    }

    /// More of nginx's configuration.
    pub(super) fn nginx(mut self, more: impl FnOnce(Builder) -> Builder) -> Self {
        self.builder = more(self.builder);
        self
    }

    /// Another format of the access log, where it is not nginx's own.
    pub(super) fn log_format(self, format: &str) -> Self {
        match self.mode {
            Mode::Combined => self,
            _ => self.nginx(|builder| builder.log_format(format)),
        }
    }

    /// More locations of nginx.
    pub(super) fn location(self, text: &str) -> Self {
        self.nginx(|builder| builder.location(text))
    }

    /// More arguments of the agent.
    pub(super) fn agent(mut self, arguments: &[&'static str]) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// Starts nginx, then the agent, and waits until it is ready.
    pub(super) fn start(self) -> Result<Stage> {
        let nginx = self.builder.start()?;
        Stage::watch(self.mode, nginx, &self.arguments, self.recording)
    }
}

/// A folder that workers, who are nobody, can read.
pub(super) fn folder() -> Result<TempDir> {
    Ok(tempfile::Builder::new()
        .prefix("nginx-zoo-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir()?)
}
