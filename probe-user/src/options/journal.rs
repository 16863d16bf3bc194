//! How much of the journal `run` keeps.

use std::str::FromStr;

use bytesize::ByteSize;
use clap::{builder::RangedI64ValueParser, value_parser};
use serde::{Deserialize, Deserializer};

use super::RunOptions;
use crate::sinks::journal::{Limits, names::MOST_KEPT};

const DEFAULT_SIZE: u64 = 64 << 20;
const DEFAULT_KEEP: u8 = 4;
/// A record may be larger, and then has a file of its own.
const LEAST_SIZE: u64 = 4 << 10;

/// How many rotated files may be kept.
pub(super) fn keepable() -> RangedI64ValueParser<u8> {
    value_parser!(u8).range(0..=i64::from(MOST_KEPT))
}

/// A size in bytes, written as `64MiB`, `500MB` or `67108864`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSize(pub u64);

impl FromStr for JournalSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: ByteSize = text
            .parse()
            .map_err(|_| format!("{text} is no size: write 64MiB, 500MB or a number of bytes"))?;
        if size.0 < LEAST_SIZE {
            return Err(format!("{text} is too small: 4KiB is the least"));
        }
        Ok(Self(size.0))
    }
}

impl<'de> Deserialize<'de> for JournalSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

pub(super) fn kept<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let keep = u8::deserialize(deserializer)?;
    if keep > MOST_KEPT {
        let text = format!("{keep} rotated files are too many: {MOST_KEPT} is the most");
        return Err(serde::de::Error::custom(text));
    }
    Ok(Some(keep))
}

impl RunOptions {
    /// How much of the journal to keep.
    #[must_use]
    pub fn journal_limits(&self) -> Limits {
        Limits {
            size: self.journal_size.map_or(DEFAULT_SIZE, |size| size.0),
            keep: self.journal_keep.unwrap_or(DEFAULT_KEEP),
        }
    }
}
