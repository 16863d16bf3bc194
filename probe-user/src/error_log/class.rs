//! What a class of messages is, and how a message is known to be of it.

use super::level::Level;
use super::rule::Rule;
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
    /// Someone else's, to the end of the line: no fields follow it.
    Alone,
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

    /// Whether it tells of an answer that had begun, and cannot go on: of an upstream's, what it says
    /// of the header is said elsewhere.
    #[must_use]
    pub fn cuts(&self) -> bool {
        let of_upstream = matches!(
            self.cause,
            Some(Cause::UpstreamClosed | Cause::UpstreamTimeout | Cause::UpstreamRefused)
        );
        self.answer == Answer::Fails && (!of_upstream || self.name.ends_with("_body"))
    }

    /// Whether its messages are anybody's words about a request, of which this agent knows no more:
    /// those of no class, and what scripts write.
    #[must_use]
    pub fn says_words(&self) -> bool {
        const WORDS: [&str; 6] = [
            "other",
            "lua_socket_error",
            "lua_socket_failed",
            "lua_misused",
            "njs_fetch_failed",
            "rule_noted",
        ];
        self.cause.is_none()
            && self.answer == Answer::Unharmed
            && (self.name.ends_with("_message") || WORDS.contains(&self.name))
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
