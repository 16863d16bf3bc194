//! What a class of messages is, and how a message is known to be of it.

use super::level::Level;
use crate::correlator::Cause;

/// What a message means for the response that a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It stands for no failed response.
    Unharmed,
    /// The client is sent this status, unless another upstream or an `error_page` helps.
    Status(u16),
    /// The response fails, or is cut short; with which status depends.
    Fails,
    /// The client gets no answer at all.
    NoAnswer,
}

/// From whom the variable text of a message is, which says how its end can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// nginx, its configuration, or numbers: the message cannot hold a forged field.
    Own,
    /// Someone else's, then always ` (errno: text)`.
    BeforeErrno,
    /// Someone else's, then always a quote.
    Quoted,
    /// Someone else's, with no mark at its end.
    Foreign,
}

/// One class of messages. All of them: [`super::classes`].
#[derive(Debug)]
pub struct Class {
    /// Stable; fit for the metric label `class`.
    pub name: &'static str,
    /// The levels at which nginx writes it.
    pub levels: &'static [Level],
    /// What a failure with this message is put down to; `None` when it is no failure or the message
    /// alone does not tell.
    pub cause: Option<Cause>,
    /// What becomes of the response.
    pub answer: Answer,
    /// What it tells an operator.
    pub means: &'static str,
    /// The functions of nginx that write it.
    pub source: &'static str,
    pub(super) text: Text,
    pub(super) rules: &'static [Rule],
}

impl Class {
    /// Whether a message may tell of an answer that is sent with this status, unless an `error_page`
    /// changed it: the status of a refused request may be set (`limit_req_status`), to none that says
    /// that something broke.
    #[must_use]
    pub fn may_give(&self, status: u16) -> bool {
        match self.answer {
            Answer::Status(usual) if self.cause == Some(Cause::Limited) => {
                usual == status || !matches!(status, 500 | 502 | 504)
            }
            Answer::Status(usual) => usual == status,
            Answer::Fails => true,
            Answer::Unharmed | Answer::NoAnswer => false,
        }
    }

    /// Whether its messages are anybody's words about a request, of which this agent knows no more:
    /// those of no class, and what scripts write.
    #[must_use]
    pub fn says_words(&self) -> bool {
        const WORDS: [&str; 4] = [
            "other",
            "lua_message",
            "lua_socket_error",
            "lua_socket_failed",
        ];
        WORDS.contains(&self.name)
    }
}

impl PartialEq for Class {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Class {}

/// For `with`: a class by its name.
pub(crate) mod by_name {
    use std::fmt;

    use serde::{
        Deserializer, Serializer,
        de::{Error, Visitor},
    };

    use super::Class;
    use crate::error_log::named;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
    pub(crate) fn serialize<S: Serializer>(
        class: &&'static Class,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(class.name)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<&'static Class, D::Error> {
        deserializer.deserialize_str(Reads)
    }

    struct Reads;

    impl Visitor<'_> for Reads {
        type Value = &'static Class;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of a class of messages")
        }

        fn visit_str<E: Error>(self, name: &str) -> Result<&'static Class, E> {
            named(name).ok_or_else(|| E::custom("a class of messages that this version has not"))
        }
    }
}

/// The marks of a message. All that are given must be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// How it begins: `%` for digits, a first `@` for anything without a space.
    pub start: &'static str,
    pub ends: &'static str,
    pub errno: &'static [u32],
    /// How the action begins.
    pub action: &'static str,
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
        ends: "",
        errno: &[],
        action: "",
        level: None,
        alone: false,
        bare: false,
        code: false,
    }
}

impl Rule {
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
            && begins(self.start, message)
    }

    /// Whether nginx does this for a client that waits, and for nothing else. A handshake (`SSL …`)
    /// may be the client's own.
    fn is_for_client(&self) -> bool {
        self.action.ends_with("upstream") && !self.action.starts_with("SSL")
    }

    /// Whether the whole message is as the rule wants.
    pub fn fits(&self, seen: &Seen<'_>) -> bool {
        self.begins(seen.level, seen.connected, seen.message)
            && (self.errno.is_empty() || seen.errno.is_some_and(|no| self.errno.contains(&no)))
            && (self.action.is_empty()
                || (seen.unheard && seen.connected && self.is_for_client())
                || seen
                    .action
                    .is_some_and(|action| action.starts_with(self.action.as_bytes())))
            && seen.message.ends_with(self.ends.as_bytes())
            && !(self.bare && (seen.unheard || seen.action.is_some() || !seen.fields))
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub level: Level,
    pub message: &'a [u8],
    pub errno: Option<u32>,
    pub action: Option<&'a [u8]>,
    pub connected: bool,
    /// A client's fields stand behind it.
    pub fields: bool,
    /// The message is known by its format: what nginx was doing is not, and what it may do for a
    /// client is taken for it.
    pub unheard: bool,
}

fn begins(start: &str, message: &[u8]) -> bool {
    let (start, mut rest) = match start.as_bytes() {
        [b'@', start @ ..] => (start, past(message, |byte| byte != b' ')),
        start => (start, message),
    };
    for wanted in start {
        rest = match rest.split_first() {
            Some((byte, _)) if *wanted == b'%' && byte.is_ascii_digit() => {
                past(rest, |byte| byte.is_ascii_digit())
            }
            Some((byte, after)) if byte == wanted => after,
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
