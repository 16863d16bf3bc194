//! The closed list of classes, and looking a message up in it.
//!
//! The order matters: the first class with a rule that fits is taken, so the particular stands
//! before the general.

mod answers;
mod client;
mod dav;
mod files;
mod firewall;
mod lua;
mod modules;
mod process;
mod resources;
mod scripts;
mod tls;
mod upstream;
mod upstream_answer;

use std::{collections::HashMap, sync::LazyLock};

use super::class::{Answer, Class, Text};
use super::level::Level;
use super::rule::{Rule, Seen, start};

/// Makes a table of classes: name, cause, answer, levels, whose text, source, meaning, rules.
macro_rules! table {
    ($($name:ident: $cause:expr, $answer:expr, [$($level:ident),+], $text:ident, $source:literal,
       $means:literal, [$($rule:expr),* $(,)?];)*) => {
        pub(super) static ROWS: &[$crate::error_log::class::Class] = {
            use $crate::error_log::class::{Answer::*, Class, Text};
            use $crate::error_log::level::Level;
            use $crate::error_log::rule::start;
            &[$(Class {
                name: stringify!($name),
                levels: &[$(Level::$level),+],
                cause: $cause,
                answer: $answer,
                means: $means,
                source: $source,
                text: Text::$text,
                rules: &[$($rule),*],
            }),*]
        };
    };
}
use table;

/// Messages that no other class knows.
pub static OTHER: Class = Class {
    name: "other",
    levels: &Level::ALL,
    cause: None,
    answer: Answer::Unharmed,
    means: "not in the list",
    source: "",
    text: Text::Foreign,
    rules: &[],
};

/// Every class, in the order in which they are tried, `other` last.
pub fn all() -> impl Iterator<Item = &'static Class> {
    TABLES.into_iter().flatten().chain([&OTHER])
}

/// The class of this name.
pub fn named(name: &str) -> Option<&'static Class> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Class>> =
        LazyLock::new(|| all().map(|class| (class.name, class)).collect());
    BY_NAME.get(name).copied()
}

static TABLES: [&[Class]; 13] = [
    dav::ROWS,
    modules::ROWS,
    tls::ROWS,
    resources::ROWS,
    process::ROWS,
    files::ROWS,
    upstream::ROWS,
    upstream_answer::ROWS,
    answers::ROWS,
    lua::ROWS,
    scripts::ROWS,
    firewall::ROWS,
    client::ROWS,
];

/// A rule with the first bytes of its start as a number, so that most rules are passed over with
/// one comparison. Of a start that leaves its first word open, those behind it.
struct Entry {
    class: &'static Class,
    rule: &'static Rule,
    word: u128,
    mask: u128,
    second: bool,
}

/// The rules that a message with this first byte may fit, in order.
static BY_FIRST: LazyLock<Vec<Vec<Entry>>> = LazyLock::new(|| {
    (0..=u8::MAX)
        .map(|first| {
            all()
                .flat_map(|class| class.rules.iter().map(move |rule| (class, rule)))
                .filter(|(_, rule)| match rule.start.as_bytes().first() {
                    Some(b'%') => first.is_ascii_digit(),
                    Some(b'@') | None => true,
                    Some(byte) => *byte == first,
                })
                .map(|(class, rule)| entry(class, rule))
                .collect()
        })
        .collect()
});

fn entry(class: &'static Class, rule: &'static Rule) -> Entry {
    let second = rule.start.strip_prefix('@');
    let start = second.unwrap_or(rule.start);
    let plain = start.split(['%', '@']).next().unwrap_or_default();
    Entry {
        class,
        rule,
        word: word(plain.as_bytes()),
        mask: word([u8::MAX; 16].get(..plain.len().min(16)).unwrap_or_default()),
        second: second.is_some(),
    }
}

/// The first 16 bytes, or fewer and zeros.
fn word(text: &[u8]) -> u128 {
    text.first_chunk().map_or_else(
        || {
            let mut bytes = [0; 16];
            bytes
                .iter_mut()
                .zip(text)
                .for_each(|(to, from)| *to = *from);
            u128::from_le_bytes(bytes)
        },
        |bytes| u128::from_le_bytes(*bytes),
    )
}

/// The rules that begin as a message does, as far as 16 bytes tell.
fn likely(message: &[u8]) -> impl Iterator<Item = &'static Entry> {
    let first = usize::from(message.first().copied().unwrap_or_default());
    let entries = BY_FIRST.get(first).map_or(&[][..], Vec::as_slice);
    let behind = message
        .get(..message.len().min(300))
        .and_then(|start| message.get(memchr::memchr(b' ', start)?..));
    let words = [word(message), word(behind.unwrap_or_default())];
    entries.iter().filter(move |entry| {
        let [first, second] = words;
        let word = if entry.second { second } else { first };
        word & entry.mask == entry.word
    })
}

/// Whose text a message that begins so holds; known before its end is.
pub(super) fn text_of(level: Level, connected: bool, message: &[u8]) -> Text {
    likely(message)
        .find(|entry| entry.rule.begins(level, connected, message))
        .map_or(OTHER.text, |entry| entry.class.text)
}

/// The class of a message, and the rule by which it is known.
pub(super) fn find(seen: &Seen<'_>) -> (&'static Class, &'static Rule) {
    static NO_RULE: Rule = start("");
    likely(seen.message)
        .find(|entry| entry.rule.fits(seen))
        .map_or((&OTHER, &NO_RULE), |entry| (entry.class, entry.rule))
}
