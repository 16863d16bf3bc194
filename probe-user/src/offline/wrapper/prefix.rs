//! Text before each line.

use super::Core;

/// Text of so many words, and of so many marks behind them, before each line.
///
/// The same program writes the same number of them, whatever they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    maker: Maker,
    words: usize,
    mark: u8,
    marks: usize,
}

/// What puts text before lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Compose,
    Cri,
    Kubectl,
    Syslog,
    Times,
    Grep,
    Unknown,
}

/// How far into a line what nginx wrote is looked for, in bytes.
const MOST: usize = 192;
/// Places behind which another prefix is looked for.
const MOST_NESTED: u8 = 4;

impl Prefix {
    /// What stands before a line of nginx's in this one, or before another such prefix.
    pub(super) fn of(line: &[u8], core: &Core) -> Option<Self> {
        Self::before(line, core, true)
    }

    fn before(line: &[u8], core: &Core, may_nest: bool) -> Option<Self> {
        let places = line.iter().take(MOST).enumerate();
        let mut places = places.filter(|(_, byte)| b" \t:|-".contains(byte));
        let mut tries = if may_nest { MOST_NESTED } else { 0 };
        places.find_map(|(at, _)| {
            let (before, inner) = line.split_at_checked(at + 1)?;
            let begins = inner.first().is_some_and(|byte| !b" \t|-".contains(byte));
            if !begins {
                return None;
            }
            let maker = Maker::of(before);
            let is_known = maker != Maker::Unknown;
            let nested = || {
                let inner = Self::before(inner, core, false);
                inner.is_some_and(|inner| inner.maker != Maker::Unknown)
            };
            // Before a request there may be a host's name, which the format has to say.
            let sure = if core.is(inner) {
                is_known || !core.is_access(inner)
            } else {
                let may_try = is_known && tries > 0;
                tries -= u8::from(may_try);
                may_try && nested()
            };
            sure.then(|| Self::new(maker, before)).flatten()
        })
    }

    fn new(maker: Maker, before: &[u8]) -> Option<Self> {
        let last = *before.last()?;
        let mark = if last.is_ascii_whitespace() { 0 } else { last };
        let words = words(before);
        // What has no space behind it is no word.
        let (words, tail) = if mark == 0 {
            (words, &b""[..])
        } else {
            (words - 1, last_word(before))
        };
        let marks = memchr::memchr_iter(mark, tail).count();
        let prefix = Self {
            maker,
            words,
            mark,
            marks,
        };
        (prefix
            .strip(before)
            .is_some_and(|(inner, _)| inner.is_empty()))
        .then_some(prefix)
    }

    /// What makes it.
    pub(super) fn name(&self) -> &'static str {
        match self.maker {
            Maker::Compose => "docker compose",
            Maker::Cri => "CRI",
            Maker::Kubectl => "kubectl --prefix",
            Maker::Syslog => "syslog",
            Maker::Times => "timestamps",
            Maker::Grep => "file names",
            Maker::Unknown => "text before each line",
        }
    }

    /// What is behind it, and whether that is a whole line.
    pub(super) fn strip<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], bool)> {
        let mut at = 0;
        for word in 0..self.words {
            let rest = line.get(at..)?;
            // A line of nothing keeps its prefix, but maybe not the space behind it.
            let length = rest
                .iter()
                .position(u8::is_ascii_whitespace)
                .unwrap_or(rest.len());
            let after = rest.get(length..)?;
            let last = word + 1 == self.words && self.marks == 0;
            let spaces = after
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
            if length == 0 || spaces == 0 && !last {
                return None;
            }
            at += length + if last { spaces.min(1) } else { spaces };
        }
        let rest = line.get(at..)?;
        let tail = match self.marks.checked_sub(1) {
            Some(nth) => memchr::memchr_iter(self.mark, rest).nth(nth)? + 1,
            None => 0,
        };
        let (before, inner) = line.split_at_checked(at + tail)?;
        let is_tail_a_word = !before.get(at..)?.iter().any(u8::is_ascii_whitespace);
        let partial = self.maker == Maker::Cri && before.ends_with(b" P ");
        let same = self.maker == Maker::Unknown || Maker::of(before) == self.maker;
        (is_tail_a_word && same).then_some((inner, !partial))
    }
}

fn words(text: &[u8]) -> usize {
    let words = text.split(u8::is_ascii_whitespace);
    words.filter(|word| !word.is_empty()).count()
}

fn last_word(text: &[u8]) -> &[u8] {
    text.rsplit(u8::is_ascii_whitespace)
        .next()
        .unwrap_or_default()
}

impl Maker {
    /// By what it wrote.
    fn of(before: &[u8]) -> Self {
        let text = before.trim_ascii_end();
        let has_space = text.len() < before.len() || before.is_empty();
        let mut words = text
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let second = words.next().unwrap_or_default();
        let third = words.next().unwrap_or_default();
        if is_time(first) && matches!(second, b"stdout" | b"stderr") && matches!(third, b"F" | b"P")
        {
            Self::Cri
        } else if is_rfc5424(first, second) {
            Self::Syslog
        } else if text.ends_with(b"|") && !third.ends_with(b"|") {
            Self::Compose
        } else if has_space
            && first.starts_with(b"[")
            && first.ends_with(b"]")
            && first.contains(&b'/')
            && (second.is_empty() || is_time(second))
        {
            Self::Kubectl
        } else if is_syslog(first, second, third) && text.ends_with(b":") {
            Self::Syslog
        } else if has_space
            && (is_time(first) && third.is_empty() || is_time_of_journal(first, second))
        {
            if text.ends_with(b":") {
                Self::Syslog
            } else {
                Self::Times
            }
        } else if is_time(first) && text.ends_with(b":") {
            Self::Syslog
        } else if !has_space && second.is_empty() && is_path(text) {
            Self::Grep
        } else {
            Self::Unknown
        }
    }
}

/// Whether it is a time as container runtimes write it.
fn is_time(word: &[u8]) -> bool {
    word.len() >= 19
        && word.get(4) == Some(&b'-')
        && word.get(10) == Some(&b'T')
        && word.get(13) == Some(&b':')
        && word.iter().take(4).all(u8::is_ascii_digit)
}

/// `2026-11-22 10:00:00` or a name before a time, as some viewers write it.
fn is_time_of_journal(first: &[u8], second: &[u8]) -> bool {
    let date = first.len() == 10 && first.get(4) == Some(&b'-') && first.get(7) == Some(&b'-');
    let clock = second.len() >= 8 && second.get(2) == Some(&b':') && second.get(5) == Some(&b':');
    date && clock || is_time(second)
}

/// `Nov 22 10:00:00`, with a priority before it or not.
fn is_syslog(first: &[u8], second: &[u8], third: &[u8]) -> bool {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let month = first
        .rsplit(|byte| *byte == b'>')
        .next()
        .unwrap_or_default();
    MONTHS.contains(&month)
        && (1..=2).contains(&second.len())
        && second.iter().all(u8::is_ascii_digit)
        && third.get(2) == Some(&b':')
        && third.get(5) == Some(&b':')
}

/// `<190>1 2026-11-22T10:00:00Z`
fn is_rfc5424(first: &[u8], second: &[u8]) -> bool {
    let version = first
        .strip_suffix(b">1")
        .is_some_and(|priority| priority.starts_with(b"<"));
    let priority = first.starts_with(b"<") && first.contains(&b'>');
    version && is_time(second)
        || priority
            && is_time(
                first
                    .rsplit(|byte| *byte == b'>')
                    .next()
                    .unwrap_or_default(),
            )
}

/// Whether it is the name of a file, and maybe the number of a line, each with its mark.
fn is_path(text: &[u8]) -> bool {
    let path = text.strip_suffix(b":").or_else(|| text.strip_suffix(b"-"));
    path.is_some_and(|path| {
        let number = path.iter().all(u8::is_ascii_digit);
        let name = memchr::memchr2(b'.', b'/', path).is_some() && !path.starts_with(b"[");
        let name = name || path.starts_with(b"(standard");
        !path.is_empty() && (name || number)
    })
}
