//! The configuration file of `run`, and what comes before it.

use std::{fs, io};

use anyhow::Context as _;

use super::{DEFAULT_CONFIG, RunOptions, WatchOptions};

impl RunOptions {
    /// Fills what neither flags nor environment say from the configuration file.
    ///
    /// # Errors
    /// When the file was named and is missing, cannot be read, or has an unknown key or bad value.
    pub fn with_file(self) -> anyhow::Result<Self> {
        let path = self.config.clone().unwrap_or_else(|| DEFAULT_CONFIG.into());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.config.is_none() => {
                return Ok(self);
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the configuration {}", path.display()));
            }
        };
        let file = Self::from_toml(&text)
            .with_context(|| format!("the configuration {} is not right", path.display()))?;
        Ok(self.over(file))
    }

    /// The options that a configuration file of this text has.
    ///
    /// # Errors
    /// When it has an unknown key or a bad value.
    pub(crate) fn from_toml(text: &str) -> anyhow::Result<Self> {
        Ok(toml::from_str(text)?)
    }

    pub(super) fn over(self, file: Self) -> Self {
        fn first<T>(mine: Vec<T>, other: Vec<T>) -> Vec<T> {
            if mine.is_empty() { other } else { mine }
        }
        let (mine, other) = (self.watch, file.watch);
        Self {
            config: self.config,
            watch: WatchOptions {
                pid_file: first(mine.pid_file, other.pid_file),
                master: first(mine.master, other.master),
                name: first(mine.name, other.name),
                access_log: first(mine.access_log, other.access_log),
                error_log: first(mine.error_log, other.error_log),
                no_kernel: mine.no_kernel.or(other.no_kernel),
                follow: mine.follow.or(other.follow),
                no_uprobes: mine.no_uprobes.or(other.no_uprobes),
                no_logs: mine.no_logs.or(other.no_logs),
            },
            naming: self.naming.over(file.naming),
            listen: self.listen.or(file.listen),
            output: self.output.or(file.output),
            journal: self.journal.or(file.journal),
            journal_size: self.journal_size.or(file.journal_size),
            journal_keep: self.journal_keep.or(file.journal_keep),
            state: self.state.or(file.state),
            incident_quiet: self.incident_quiet.or(file.incident_quiet),
            stub_status_every: self.stub_status_every.or(file.stub_status_every),
            hang_after: self.hang_after.or(file.hang_after),
            responses: self.responses.or(file.responses),
            record: self.record.or(file.record),
            host: self.host.or(file.host),
            user: self.user.or(file.user),
            log_level: self.log_level.or(file.log_level),
        }
    }
}
