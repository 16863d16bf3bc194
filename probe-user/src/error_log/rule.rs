//! What the messages of a class look like, and whether one does.

use memchr::memmem;

use super::level::Level;

/// The marks of a message. All that are given must be there.
#[derive(Debug, Clone, Copy)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a mark of its own that can be there without the others"
)]
pub(super) struct Rule {
    /// How it begins: `%` for digits, `@` for anything without a space.
    pub start: &'static str,
    /// A mark stands in the start.
    open: bool,
    /// What stands somewhere in it.
    pub has: &'static [&'static str],
    pub ends: &'static str,
    pub errno: &'static [u32],
    /// How the action begins.
    pub action: &'static str,
    /// How the phase of Lua begins.
    pub phase: &'static str,
    /// How the request begins.
    pub request: &'static str,
    pub level: Option<Level>,
    /// Only outside any connection.
    pub alone: bool,
    /// Only before a client's fields, without an action.
    pub bare: bool,
    /// The number in parentheses at its end is no errno.
    pub code: bool,
}

/// A rule for messages that begin so.
pub(super) const fn start(start: &'static str) -> Rule {
    Rule {
        start,
        open: is_open(start.as_bytes()),
        has: &[],
        ends: "",
        errno: &[],
        action: "",
        phase: "",
        request: "",
        level: None,
        alone: false,
        bare: false,
        code: false,
    }
}

impl Rule {
    /// All of these must stand in the message.
    pub const fn has(mut self, has: &'static [&'static str]) -> Self {
        self.has = has;
        self
    }

    /// The message, without errno and action, must end so.
    pub const fn ends(mut self, ends: &'static str) -> Self {
        self.ends = ends;
        self
    }

    /// With one of these error numbers.
    pub const fn errno(mut self, errno: &'static [u32]) -> Self {
        self.errno = errno;
        self
    }

    /// While nginx was doing this.
    pub const fn during(mut self, action: &'static str) -> Self {
        self.action = action;
        self
    }

    /// In a phase of Lua that begins so.
    pub const fn in_phase(mut self, phase: &'static str) -> Self {
        self.phase = phase;
        self
    }

    /// For a request that begins so.
    pub const fn asked(mut self, request: &'static str) -> Self {
        self.request = request;
        self
    }

    /// At this level only.
    pub const fn at(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// Only in lines without a connection.
    pub const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Only before a client's fields, without an action.
    pub const fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// What stands in parentheses is a code of its own, not an errno.
    pub const fn with_code(mut self) -> Self {
        self.code = true;
        self
    }

    /// Whether a message of this level may begin as the rule wants.
    pub fn begins(&self, level: Level, connected: bool, message: &[u8]) -> bool {
        self.level.is_none_or(|wanted| wanted == level)
            && !(self.alone && connected)
            && if self.open {
                begins(self.start, message)
            } else {
                message.starts_with(self.start.as_bytes())
            }
            && self
                .has
                .iter()
                .all(|part| memmem::find(message, part.as_bytes()).is_some())
    }

    /// Whether nginx does this for a client that waits, and for nothing else. A handshake (`SSL …`)
    /// may be the client's own.
    fn is_for_client(&self) -> bool {
        self.action.ends_with("upstream") && !self.action.starts_with("SSL")
    }

    /// Whether the whole message is as the rule wants.
    pub fn fits(&self, seen: &Seen<'_>) -> bool {
        (self.errno.is_empty() || seen.errno.is_some_and(|no| self.errno.contains(&no)))
            && (self.action.is_empty()
                || (seen.unheard && seen.connected && self.is_for_client())
                || opens(seen.action, self.action))
            && (self.phase.is_empty() || opens(seen.phase, self.phase))
            && (self.request.is_empty() || opens(seen.request, self.request))
            && seen.message.ends_with(self.ends.as_bytes())
            && !(self.bare && (seen.unheard || seen.action.is_some() || !seen.fields))
            && self.begins(seen.level, seen.connected, seen.message)
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub level: Level,
    pub message: &'a [u8],
    pub errno: Option<u32>,
    pub action: Option<&'a [u8]>,
    /// The phase of Lua that wrote it.
    pub phase: Option<&'a [u8]>,
    pub request: Option<&'a [u8]>,
    pub connected: bool,
    /// A client's fields stand behind it.
    pub fields: bool,
    /// The message is known by its format: what nginx was doing is not, and what it may do for a
    /// client is taken for it.
    pub unheard: bool,
}

/// Whether a start leaves something open.
const fn is_open(start: &[u8]) -> bool {
    match start {
        [b'%' | b'@', ..] => true,
        [_, rest @ ..] => is_open(rest),
        [] => false,
    }
}

/// Whether a text is there and begins so.
fn opens(text: Option<&[u8]>, start: &str) -> bool {
    text.is_some_and(|text| text.starts_with(start.as_bytes()))
}

fn begins(start: &str, message: &[u8]) -> bool {
    let mut rest = message;
    for wanted in start.as_bytes() {
        rest = match (wanted, rest.split_first()) {
            (b'@', _) => past(rest, |byte| byte != b' '),
            (b'%', Some((byte, _))) if byte.is_ascii_digit() => {
                past(rest, |byte| byte.is_ascii_digit())
            }
            (wanted, Some((byte, after))) if byte == wanted => after,
            _ => return false,
        };
    }
    true
}

/// What follows the longest run of such bytes, of which at most 300 are looked at.
fn past(text: &[u8], is: impl Fn(u8) -> bool) -> &[u8] {
    let run = text.iter().take(300).take_while(|byte| is(**byte)).count();
    text.get(run..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::begins;

    #[test]
    fn a_start_may_leave_digits_and_words_open() {
        for (start, message, fits) in [
            ("a % b", "a 12 b", true),
            ("a % b", "a x b", false),
            ("@ went", "host went", true),
            ("@ went", "ho st went", false),
            ("[client @ Shield: ", "[client 192.0.2.9] Shield: no", true),
            ("[client @ Shield: ", "[client 192.0.2.9]", false),
            ("@ % is", "proxy_size 4 is", true),
            ("", "", true),
        ] {
            assert_eq!(begins(start, message.as_bytes()), fits, "{start}");
        }
    }
}
