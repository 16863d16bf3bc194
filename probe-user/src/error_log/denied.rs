//! Which module a message is of, and which rule of a firewall refused a request.

use memchr::memmem;

use super::class::Class;
use super::line::Line;

/// The modules whose failures have classes of their own.
pub const MODULES: [&str; 16] = [
    "brotli",
    "dav",
    "geoip",
    "gunzip",
    "gzip",
    "image_filter",
    "mail",
    "memcached",
    "mp4",
    "njs",
    "perl",
    "ssi",
    "subs_filter",
    "upload",
    "xslt",
    "zstd",
];

/// The most of what a rule can be called.
const MAX_RULE: usize = 48;

/// Places that are looked at for a rule's number.
const MAX_PLACES: usize = 32;

impl Class {
    /// The module that its messages are of, as the name of the class begins.
    #[must_use]
    pub fn module(&self) -> Option<&'static str> {
        MODULES.into_iter().find(|module| {
            self.name
                .strip_prefix(module)
                .is_some_and(|rest| rest.starts_with('_'))
        })
    }
}

impl<'a> Line<'a> {
    /// The module that says so.
    #[must_use]
    pub fn module(&self) -> Option<&'static str> {
        self.class.module()
    }

    /// The rule of a firewall that it tells of: a number, or a name of letters, digits and `._-`.
    /// A client's words are quoted beside it, so what can be read in two ways is not given.
    #[must_use]
    pub fn rule(&self) -> Option<&'a [u8]> {
        if !self.class.name.starts_with("rule_") {
            return None;
        }
        if self.message.starts_with(b"NAXSI_") {
            return only(self.message, b"&id0=", b"&");
        }
        if let Some(waf) = self.message.strip_prefix(b"ngx_waf: [") {
            return waf
                .get(..memchr::memchr(b']', waf)?)
                .filter(|rule| is_rule(rule));
        }
        only(self.message, b" [id \"", b"\"]")
    }
}

/// What stands between two marks, if it is the same wherever they stand.
fn only<'a>(text: &'a [u8], mark: &[u8], end: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    for (count, at) in memmem::find_iter(text, mark).enumerate() {
        let after = text.get(at + mark.len()..)?;
        let window = after.get(..after.len().min(MAX_RULE + end.len()))?;
        let rule = match memmem::find(window, end) {
            Some(length) => window.get(..length)?,
            // The last of a line.
            None if window.len() == after.len() && end == b"&" => after,
            None => return None,
        };
        if count == MAX_PLACES || !is_rule(rule) || found.is_some_and(|one| one != rule) {
            return None;
        }
        found = Some(rule);
    }
    found
}

fn is_rule(text: &[u8]) -> bool {
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_RULE).contains(&text.len()) && text.iter().all(known)
}
