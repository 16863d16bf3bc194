//! An object of JSON that holds a line: Docker's json-file, journald, what shippers make.

use super::{Core, Prefix};
use crate::access_log::{Escape, strings};

/// The object that holds a line, by the path of the key where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    path: Box<[u8]>,
    /// Lines keep their line feed: one without it is not whole.
    feeds: bool,
}

/// Shorter texts are no lines.
const LEAST: usize = 12;

/// Keys under which a line is usual.
const HOLDING: [&[u8]; 10] = [
    b"log",
    b"MESSAGE",
    b"message",
    b"msg",
    b"line",
    b"textPayload",
    b"@message",
    b"_raw",
    b"short_message",
    b"original",
];

fn in_prefix(text: &[u8], core: &Core) -> bool {
    Prefix::of(text, core).is_some()
}

impl Holder {
    /// Whether this could be one.
    pub(super) fn may_hold(line: &[u8]) -> bool {
        line.trim_ascii_start().starts_with(b"{")
    }

    /// Where an object has a line of nginx's, if it does.
    pub(super) fn of(line: &[u8], core: &Core) -> Option<Self> {
        if !Self::may_hold(line) {
            return None;
        }
        let mut found = None;
        let mut text = Vec::new();
        strings(line, |path, value| {
            if found.is_some() || value.len() < LEAST {
                return;
            }
            text.clear();
            text.extend_from_slice(&Escape::Json.unescape(value));
            let feeds = text.ends_with(b"\n");
            let inner = text.trim_ascii_end();
            // What a client sent may be an object too.
            let last = path.rsplit(|byte| *byte == 0).next().unwrap_or_default();
            let object = || HOLDING.contains(&last) && Core::is_object(inner);
            if Core::is_error(inner) || core.is_access(inner) || object() || in_prefix(inner, core)
            {
                found = Some(Self {
                    path: path.into(),
                    feeds,
                });
            }
        })?;
        found
    }

    /// What makes it.
    pub(super) fn name(&self) -> &'static str {
        match &*self.path {
            b"log" => "Docker's json-file",
            b"MESSAGE" => "journald",
            _ => "JSON around each line",
        }
    }

    /// Writes the line behind `out`; whether it is whole, none when there is none.
    pub(super) fn take(&self, line: &[u8], out: &mut Vec<u8>) -> Option<bool> {
        if !Self::may_hold(line) {
            return None;
        }
        let before = out.len();
        let mut found = false;
        let whole = strings(line, |path, value| {
            if path == &*self.path && !found {
                out.extend_from_slice(&Escape::Json.unescape(value));
                found = true;
            }
        });
        if whole.is_none() || !found {
            out.truncate(before);
            return None;
        }
        Some(!self.feeds || out.last() == Some(&b'\n') || out.len() == before)
    }
}
