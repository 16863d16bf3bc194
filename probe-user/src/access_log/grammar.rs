//! What nginx writes for a variable: where its value ends, and that it is one.

use super::literal::Literal;
use super::scan;
use super::time::{TIME_ISO8601, TIME_LOCAL};

/// What a variable's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// Exactly three digits.
    Status,
    /// Digits.
    Number,
    /// Digits, or nothing, or what stands for a missing value.
    MaybeNumber,
    /// Digits, a point, three digits.
    Decimal,
    /// `22/Nov/2026:16:01:50 +0000`
    TimeLocal,
    /// `2026-11-22T16:01:50+00:00`
    TimeIso8601,
    /// The same as something else than nginx writes it: `2026-11-22 16:01:50.123Z`
    TimeOfOthers,
    /// An IPv4 or IPv6 address, or `unix:`.
    Address,
    /// 32 hexadecimal digits, or what stands for a missing value.
    Hex,
    /// Elements with `, ` and ` : ` between, or what stands for a missing value.
    List(Element),
    /// Anything.
    Text,
}

/// One attempt at an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// One to three digits, or `-`.
    Status,
    /// Digits, or `-`.
    Number,
    /// Digits, a point, three digits, or `-`.
    Decimal,
    /// An address with its port, a Unix socket, the name of an upstream, or nothing.
    Peer,
    /// An address or a name, as forwarders list them.
    Forwarder,
}

/// The most digits of a number: those of the largest `u64`.
const DIGITS: usize = 20;

impl Grammar {
    /// Whether a value's last byte tells that it is the last, whatever follows.
    pub(super) fn ends_by_itself(self) -> bool {
        matches!(
            self,
            Self::Status | Self::Decimal | Self::TimeLocal | Self::TimeIso8601
        )
    }

    /// Whether it is one number, decimal or not.
    pub(super) fn is_number(self) -> bool {
        use Grammar::{Decimal, Hex, MaybeNumber, Number, Status};
        matches!(self, Status | Number | MaybeNumber | Decimal | Hex)
    }

    /// Where the value that begins at `at` ends, with `literal` expected behind it. `dash` says
    /// that `-` stands for a missing value, otherwise nothing does.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "the loop over a line's values was measured to take 4 % longer with a call"
    )]
    pub(super) fn end(
        self,
        line: &[u8],
        at: usize,
        literal: &Literal,
        dash: bool,
        work: &mut usize,
    ) -> Option<usize> {
        match self {
            Self::Status => {
                let digits = line.get(at..)?.first_chunk::<3>()?;
                digits.iter().all(u8::is_ascii_digit).then_some(at + 3)
            }
            Self::Number => number(line, at),
            Self::MaybeNumber => number(line, at).or_else(|| missing(line, at, dash).or(Some(at))),
            Self::Decimal => decimal(line, at),
            Self::TimeLocal => TIME_LOCAL.end(line, at),
            Self::TimeIso8601 => TIME_ISO8601.end(line, at),
            Self::TimeOfOthers => time_of_others(line, at),
            Self::Address => address(line, at),
            Self::Hex => hex(line, at).or_else(|| missing(line, at, dash)),
            Self::List(element) => element.list(line, at, literal, dash, work),
            Self::Text => None,
        }
    }
}

/// The end of what stands for a missing value.
fn missing(line: &[u8], at: usize, dash: bool) -> Option<usize> {
    if !dash {
        return Some(at);
    }
    (line.get(at) == Some(&b'-')).then_some(at + 1)
}

fn digits(line: &[u8], at: usize, most: usize) -> usize {
    scan::digits(line.get(at..).unwrap_or_default(), most)
}

#[inline]
fn number(line: &[u8], at: usize) -> Option<usize> {
    let count = digits(line, at, DIGITS);
    (count > 0).then_some(at + count)
}

#[inline]
fn decimal(line: &[u8], at: usize) -> Option<usize> {
    let point = number(line, at)?;
    let [b'.', a, b, c] = line.get(point..)?.first_chunk::<4>()? else {
        return None;
    };
    // Not `&&`, which jumps.
    let all = a.is_ascii_digit() & b.is_ascii_digit() & c.is_ascii_digit();
    all.then_some(point + 4)
}

/// The longest address.
pub(super) const LONGEST_ADDRESS: usize = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len();

/// Whether this is a whole address, as `$remote_addr` is written.
pub(super) fn is_address(text: &[u8]) -> bool {
    let address = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
    text == b"unix:" || std::str::from_utf8(text).is_ok_and(address)
}

/// Whether an address may hold this byte.
pub(super) fn of_address(byte: u8) -> bool {
    ADDRESS.get(usize::from(byte)) == Some(&true)
}

/// `unix:`, or a run of the bytes that addresses are made of.
fn address(line: &[u8], at: usize) -> Option<usize> {
    let rest = line.get(at..)?;
    let count = scan::of_address(rest, LONGEST_ADDRESS);
    if count == 0 && rest.starts_with(b"unix:") {
        return Some(at + 5);
    }
    (count > 0).then_some(at + count)
}

/// What addresses are made of.
static ADDRESS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_hexdigit() || byte == b'.' || byte == b':';
        byte += 1;
    }
    table
};

fn hex(line: &[u8], at: usize) -> Option<usize> {
    let digits = line.get(at..)?.first_chunk::<32>()?;
    // Without jumps, so that the compiler does it all at once.
    let all = digits
        .iter()
        .fold(true, |all, digit| all & digit.is_ascii_hexdigit());
    all.then_some(at + 32)
}

/// The longest run of bytes that a time in ISO 8601 is made of.
#[inline(never)]
fn time_of_others(line: &[u8], at: usize) -> Option<usize> {
    let rest = line.get(at..)?;
    let date_time = rest.first_chunk::<19>()?;
    let date_time = date_time.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        10 => matches!(byte, b'T' | b' '),
        13 | 16 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let more = |byte: &&u8| byte.is_ascii_digit() || b".,:+-Zz".contains(byte);
    let behind = rest.get(19..)?.iter().take(20).take_while(more).count();
    date_time.then_some(at + 19 + behind)
}

/// What nginx writes between attempts, and between those before and after an internal redirect.
pub(super) const SEPARATORS: [&[u8]; 2] = [b", ", b" : "];

impl Element {
    /// Whether an element of this kind may also be read as one of `other`.
    pub(super) fn resembles(self, other: Grammar) -> bool {
        match (self, other) {
            (_, Grammar::Text | Grammar::Hex | Grammar::Address) => true,
            (Self::Peer | Self::Forwarder, _)
            | (_, Grammar::List(Self::Peer | Self::Forwarder)) => false,
            (Self::Decimal, other) => matches!(
                other,
                Grammar::List(Self::Decimal | Self::Number | Self::Status) | Grammar::Decimal
            ),
            (Self::Status | Self::Number, _) => true,
        }
    }

    /// Whether a value of this kind may hold, or be empty before, what `literal` begins with: then
    /// its end is not simply where the literal is found.
    pub(super) fn may_hold(self, literal: &[u8]) -> bool {
        let Some(&first) = literal.first() else {
            return false;
        };
        match self {
            Self::Peer | Self::Forwarder => {
                first.is_ascii_alphanumeric() || b".:/_-\\[]".contains(&first)
            }
            Self::Status | Self::Number => first == b'-' || first.is_ascii_digit(),
            Self::Decimal => first == b'-',
        }
    }

    /// Whether this is one whole element.
    pub(super) fn is_one(self, text: &[u8]) -> bool {
        let whole = |end: Option<usize>| end == Some(text.len());
        text == b"-"
            || match self {
                Self::Status => (1..=3).contains(&text.len()) && whole(number(text, 0)),
                Self::Number => whole(number(text, 0)),
                Self::Decimal => whole(decimal(text, 0)),
                Self::Peer => is_peer(text),
                Self::Forwarder => !text.is_empty() && element_run(text, 0) == text.len(),
            }
    }

    /// The end of a list: the last end of an element at which `literal` follows. nginx writes ` : `
    /// behind the last attempt before an internal redirect, with nothing behind it when the
    /// redirect went to no upstream.
    // Rare, and large: `end` is to stand in the loop over a line's values.
    #[inline(never)]
    fn list(
        self,
        line: &[u8],
        at: usize,
        literal: &Literal,
        dash: bool,
        work: &mut usize,
    ) -> Option<usize> {
        let mut found = None;
        let mut next = at;
        let mut may_be_empty = !dash;
        loop {
            let end = match self.element(line, next, literal) {
                Some(end) => end,
                // Nothing at all, or nothing behind a redirect.
                None if may_be_empty || self == Self::Peer => next,
                None => return found,
            };
            *work += end + 1 - next;
            let next_byte = line.get(end);
            if next_byte != Some(&b' ') && next_byte != Some(&b',') {
                return literal.follows(line, end).then_some(end).or(found);
            }
            let rest = line.get(end..).unwrap_or_default();
            let comma = rest.starts_with(b", ");
            let colon = rest.starts_with(b" : ");
            if literal.follows(line, end) {
                found = Some(end);
                let goes_on = comma && literal.begins(b", ") || colon && literal.begins(b" : ");
                if !goes_on {
                    return found;
                }
            }
            next = match (comma, colon) {
                (true, _) => end + 2,
                (_, true) => end + 3,
                _ => return found,
            };
            may_be_empty = colon;
        }
    }

    fn element(self, line: &[u8], at: usize, literal: &Literal) -> Option<usize> {
        if line.get(at) == Some(&b'-') {
            return Some(at + 1);
        }
        match self {
            Self::Status => Some(digits(line, at, 3))
                .filter(|count| *count > 0)
                .map(|count| at + count),
            Self::Number => number(line, at),
            Self::Decimal => decimal(line, at),
            Self::Peer => peer(line, at, literal),
            Self::Forwarder => Some(element_run(line, at))
                .filter(|count| *count > 0)
                .map(|count| at + count),
        }
    }
}

/// Whether this is nothing, an address with its port, a Unix socket, or the name of an upstream,
/// which holds neither colons nor slashes, and more than digits and points.
fn is_peer(text: &[u8]) -> bool {
    let address = |text: &str| text.parse::<std::net::SocketAddr>().is_ok();
    if text.iter().any(|byte| b":/[]".contains(byte)) {
        return text
            .strip_prefix(b"unix:")
            .is_some_and(|path| !path.is_empty())
            || std::str::from_utf8(text).is_ok_and(address);
    }
    let kinds = text.iter().map(|&byte| kind_in_peer(byte));
    text.is_empty() || kinds.fold(0, |seen, kind| seen | kind) & OTHER != 0
}

/// How many bytes of `line` from `at` may be one element, of whatever kind.
pub(super) fn element_run(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    let rest = rest.get(..LONGEST_PEER).unwrap_or(rest);
    rest.iter()
        .take_while(|&&byte| kind_in_peer(byte) != END)
        .count()
}

fn kind_in_peer(byte: u8) -> u8 {
    PEER.get(usize::from(byte)).copied().unwrap_or(END)
}

/// The longest name of a peer that is read without quotes around it, in bytes.
const LONGEST_PEER: usize = 512;

/// The end of a peer's name. A name of digits and points alone is a number's, not a peer's.
fn peer(line: &[u8], at: usize, literal: &Literal) -> Option<usize> {
    let rest = line.get(at..)?;
    let rest = rest.get(..LONGEST_PEER).unwrap_or(rest);
    let mut count = match rest.first() {
        Some(b'[') => rest.iter().take(64).position(|&byte| byte == b']')? + 1,
        _ => 0,
    };
    let stop = literal
        .first()
        .filter(|byte| !byte.is_ascii_alphanumeric() && !b".:/_-\\".contains(byte))
        .unwrap_or(b' ');
    let mut seen = if count == 0 { END } else { OTHER };
    for &byte in rest.get(count..)? {
        let kind = *PEER.get(usize::from(byte))?;
        if kind == END || byte == stop {
            break;
        }
        seen |= kind;
        count += 1;
    }
    // Neither a number's digits alone nor nothing at all.
    (seen & OTHER != 0).then_some(at + count)
}

const END: u8 = 0;
const DIGIT: u8 = 1;
const OTHER: u8 = 2;

/// What a byte is in a peer's name: one that ends it, a digit or point, or another.
static PEER: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            ..=b' ' | b',' | b'"' => END,
            b'0'..=b'9' | b'.' => DIGIT,
            _ => OTHER,
        };
        byte += 1;
    }
    table
};
