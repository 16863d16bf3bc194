//! The levels of nginx's error log, worst first (`err_levels` in `ngx_log.c`).

use serde::{Deserialize, Serialize};

/// How bad nginx takes a message to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// nginx cannot go on, or refused a configuration.
    Emerg,
    /// Must be looked at.
    Alert,
    /// Something that should work did not.
    Crit,
    /// A request failed.
    Error,
    /// Pressure, or a doubtful configuration.
    Warn,
    /// Starts, reloads, exits.
    Notice,
    /// What clients did.
    Info,
    /// Only from a build with debugging.
    Debug,
}

impl Level {
    /// Every level, worst first.
    pub const ALL: [Self; 8] = [
        Self::Emerg,
        Self::Alert,
        Self::Crit,
        Self::Error,
        Self::Warn,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// As nginx writes it, and as the metric label `level`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level of this name.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().as_bytes() == name)
    }
}
