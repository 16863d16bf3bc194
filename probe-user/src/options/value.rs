//! Values of options: how they are written, on the command line and in the file.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::ValueEnum;
use log::LevelFilter;
use serde::{Deserialize, Deserializer};

use crate::access_log::{Escape, Format};

/// How requests are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Follow {
    /// By the sockets of workers.
    Sockets,
    /// By all their system calls.
    Syscalls,
    /// Not at all.
    None,
}

/// `PATH` or `PATH=FORMAT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOption {
    /// The log.
    pub path: PathBuf,
    /// The name or the text of its format.
    pub format: Option<String>,
}

impl FromStr for LogOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, format) = match text.split_once('=') {
            Some((path, format)) => (path, Some(format)),
            None => (text, None),
        };
        if path.is_empty() {
            return Err("the path is empty".into());
        }
        if let Some(text) = format.filter(|format| format.contains('$')) {
            Format::compile(text.as_bytes(), Escape::Default).map_err(|error| error.to_string())?;
        }
        Ok(Self {
            path: std::path::absolute(path).map_err(|error| error.to_string())?,
            format: format.map(str::to_owned),
        })
    }
}

impl<'de> Deserialize<'de> for LogOption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A value, or the word `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrNone<T> {
    /// The word.
    None,
    /// The value.
    Some(T),
}

impl<T: FromStr> FromStr for OrNone<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "none" {
            Ok(Self::None)
        } else {
            text.parse().map(Self::Some)
        }
    }
}

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

pub(super) fn level<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<LevelFilter>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_level(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

pub(super) fn parse_level(text: &str) -> Result<LevelFilter, String> {
    text.parse()
        .map_err(|_| format!("{text} is no level: off, error, warn, info, debug or trace"))
}
