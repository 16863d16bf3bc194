//! Any `log_format`, compiled once into a reader of its lines.

use super::field::{Field, NO_SLOT, variable};
use super::grammar::{Element, Grammar, of_address};
use super::literal::Literal;
use super::template::{Piece, pieces};

/// How nginx writes the values of variables: the parameter `escape=` of `log_format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Escape {
    /// `\xHH` for `"`, `\`, and bytes outside 0x20 to 0x7e; a missing value is `-`.
    #[default]
    Default,
    /// JSON's escapes for `"`, `\`, and bytes below 0x20; a missing value is empty.
    Json,
    /// As they are; a missing value is empty. A client can then write what looks like other
    /// fields, or like other lines.
    None,
}

/// Why a format was refused. nginx refuses it too, except for [`FormatError::TooLong`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// More than [`MAX_FORMAT`] bytes.
    #[error("the log format has {0} bytes, more than {MAX_FORMAT}: shorten it")]
    TooLong(usize),
    /// A `$` that no name follows.
    #[error("the log format has a `$` without a variable's name behind it")]
    NoName,
    /// A `${` whose `}` is missing.
    #[error("the closing bracket in \"{0}\" variable is missing in the log format")]
    Unclosed(String),
}

/// The longest format that is compiled, in bytes.
pub const MAX_FORMAT: usize = 64 * 1024;

/// A compiled `log_format`.
#[derive(Debug, Clone)]
pub struct Format {
    pub(super) escape: Escape,
    /// What each line begins with.
    pub(super) head: Literal,
    pub(super) steps: Box<[Step]>,
    /// The slots of the fields that it has.
    pub(super) given: u32,
    /// Whether a line's end is told by its values, so that it need not be searched for.
    pub(super) ends_by_itself: bool,
    lost: Vec<String>,
}

/// A variable and the text behind it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) slot: u8,
    pub(super) end: End,
    pub(super) literal: Literal,
}

/// How the end of a value is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By what nginx writes for the variable.
    Typed(Grammar),
    /// So many bytes before the next such byte, which no value holds.
    Before(u8, usize),
    /// So many bytes before the next quote without a backslash.
    BeforeQuote(usize),
    /// At the next literal behind which the typed variables fit.
    Search,
    /// For a list of upstreams whose elements may hold what the literal begins with: at the one
    /// place where all fits. A line with two is not read.
    List(Element),
    /// The same as a search for an address, where the literal begins with what an address may hold:
    /// `$remote_addr:$remote_port`.
    Address,
    /// With the line, but for the literal.
    Rest,
}

impl Format {
    /// nginx's own format, which a log has when its `access_log` names none.
    #[must_use]
    pub fn combined() -> Self {
        let text = super::known::COMBINED.as_bytes();
        // The text is ours: a test tells that it compiles.
        Compiler::new(Escape::Default).compile(&pieces([text]).unwrap_or_default())
    }

    /// Compiles the text of a `log_format`: all its parts joined.
    ///
    /// # Errors
    /// When nginx would refuse it, or it is longer than [`MAX_FORMAT`].
    pub fn compile(text: &[u8], escape: Escape) -> Result<Self, FormatError> {
        Self::compile_parts([text], escape)
    }

    /// Compiles the parts of a `log_format`, where a variable's name ends with its part.
    ///
    /// # Errors
    /// As those of [`Format::compile`].
    pub fn compile_parts<'a>(
        parts: impl IntoIterator<Item = &'a [u8]>,
        escape: Escape,
    ) -> Result<Self, FormatError> {
        let mut length = 0_usize;
        let mut kept = Vec::new();
        for part in parts {
            length = length.saturating_add(part.len());
            if length <= MAX_FORMAT {
                kept.push(part);
            }
        }
        if length > MAX_FORMAT {
            return Err(FormatError::TooLong(length));
        }
        Ok(Compiler::new(escape).compile(&pieces(kept)?))
    }

    /// Compiles pieces that were made of a log's own lines.
    pub(super) fn of_pieces(pieces: &[Piece<'_>], escape: Escape) -> Self {
        Compiler::new(escape).compile(pieces)
    }

    /// How its values are escaped.
    #[must_use]
    pub fn escape(&self) -> Escape {
        self.escape
    }

    /// Whether its lines hold this field.
    #[must_use]
    pub fn gives(&self, field: Field) -> bool {
        self.given & (1 << field.slot()) != 0
    }

    /// Variables whose values cannot be told apart, or not in every line, for people: each entry is a
    /// run of them, and why.
    #[must_use]
    pub fn unreadable(&self) -> &[String] {
        &self.lost
    }

    /// Whether a client can never write what looks like another field: no value ends by a search
    /// for text that it may hold itself.
    #[must_use]
    pub fn is_unambiguous(&self) -> bool {
        let mut steps = self.steps.iter();
        while let Some(step) = steps.next() {
            if step.end == End::Address && !steps.as_slice().first().is_none_or(follows_address) {
                return false;
            }
            if step.end != End::Search {
                continue;
            }
            // A number behind it may begin with what the literal ends with.
            let last = step.literal.bytes().last();
            if last.is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
                return false;
            }
            // With text of a known length up to a byte that no value holds, there is one place.
            let mut behind = steps.clone();
            let fixed = |step: &Step| {
                matches!(step.end, End::Typed(grammar) if grammar.ends_by_itself())
                    && anchor(step.literal.bytes(), self.escape).is_none()
            };
            let next = behind.find(|step| !fixed(step));
            let anchored = next.is_some_and(
                |step| matches!(step.end, End::Typed(grammar) if grammar.ends_by_itself()),
            );
            if !anchored {
                return false;
            }
        }
        true
    }
}

struct Compiler {
    escape: Escape,
    steps: Vec<Step>,
    given: u32,
    lost: Vec<String>,
}

impl Compiler {
    fn new(escape: Escape) -> Self {
        Self {
            escape,
            steps: Vec::new(),
            given: 0,
            lost: Vec::new(),
        }
    }

    fn compile(mut self, pieces: &[Piece<'_>]) -> Format {
        let (head, mut rest): (&[u8], _) = match pieces.split_first() {
            Some((Piece::Literal(head), rest)) => (head, rest),
            _ => (b"", pieces),
        };
        while !rest.is_empty() {
            rest = self.value(rest);
        }
        Format {
            ends_by_itself: ends_by_itself(head, &self.steps),
            escape: self.escape,
            head: Literal::new(head),
            steps: self.steps.into(),
            given: self.given,
            lost: self.lost,
        }
    }

    /// Takes a variable, or several that cannot be told apart, and the literal behind.
    fn value<'a, 'b>(&mut self, pieces: &'a [Piece<'b>]) -> &'a [Piece<'b>] {
        let mut taken = 0;
        let mut names = Vec::new();
        let mut literal: &[u8] = b"";
        let mut value = (None, Grammar::Text);
        while let Some(Piece::Variable(name)) = pieces.get(taken) {
            taken += 1;
            names.push(*name);
            value = match names.len() {
                1 => variable(name),
                _ => (None, Grammar::Text),
            };
            let mut next = pieces.get(taken);
            literal = b"";
            if let Some(Piece::Literal(text)) = next {
                literal = text;
                next = pieces.get(taken + 1);
            }
            match next {
                Some(Piece::Variable(next)) if !told_apart(value.1, literal, next) => {
                    // What is between two lists is in the lost value too.
                    taken += usize::from(!literal.is_empty());
                }
                _ => break,
            }
        }
        taken += usize::from(!literal.is_empty());
        match (&names[..], pieces.get(taken)) {
            ([name], Some(Piece::Variable(next)))
                if matches!(value.1, Grammar::List(element) if element.may_hold(literal))
                    && anchor(literal, self.escape).is_none()
                    && variable(next).1 == Grammar::Text =>
            {
                self.lose(
                    &[name],
                    "a line is not read where it may hold the text behind it",
                );
            }
            ([_, _, ..], _) => self.lose(&names, "no text between them tells where one ends"),
            _ => {}
        }
        self.step(value, literal, taken >= pieces.len());
        pieces.get(taken.max(1)..).unwrap_or_default()
    }

    fn step(&mut self, value: (Option<Field>, Grammar), literal: &[u8], last: bool) {
        let (field, grammar) = value;
        let anchor = anchor(literal, self.escape);
        let end = match (grammar, anchor) {
            // Between quotes the end is certain, and a peer may be named in any way.
            (Grammar::Text | Grammar::List(Element::Peer | Element::Forwarder), Some(anchor)) => {
                anchor
            }
            (Grammar::Text, None) if last => End::Rest,
            (Grammar::Text, None) => End::Search,
            (Grammar::Address, _) if literal.first().is_some_and(|&byte| of_address(byte)) => {
                End::Address
            }
            (Grammar::List(element), _) if element.may_hold(literal) => End::List(element),
            _ => End::Typed(grammar),
        };
        // A variable that is there twice has the same value twice.
        let slot = field.map_or(NO_SLOT, Field::slot);
        if field.is_some() {
            self.given |= 1 << slot;
        }
        self.steps.push(Step {
            slot,
            end,
            literal: Literal::new(literal),
        });
    }

    /// Says what cannot be read, or not always.
    fn lose(&mut self, names: &[&[u8]], why: &str) {
        /// More of them do not help anybody.
        const SHOWN: usize = 8;
        if self.lost.len() >= SHOWN {
            return;
        }
        let mut text = String::new();
        for name in names.iter().take(SHOWN) {
            let name = name.get(..64).unwrap_or(name);
            text.push('$');
            text.push_str(&String::from_utf8_lossy(name));
            text.push(' ');
        }
        if names.len() > SHOWN {
            text.push_str("… ");
        }
        text.push('(');
        text.push_str(why);
        text.push(')');
        self.lost.push(text);
    }
}

/// Whether a line's end is told by its values: no variable, text or number, goes on behind a line
/// feed, and a search has something other than numbers behind it, whose end it would have to know.
fn ends_by_itself(head: &[u8], steps: &[Step]) -> bool {
    let one_line = |literal: &[u8]| !literal.contains(&b'\n');
    let mut typed_only = true;
    one_line(head)
        && steps.iter().rev().all(|step| {
            let ends = match step.end {
                End::Typed(grammar) => {
                    !matches!(grammar, Grammar::List(Element::Peer | Element::Forwarder))
                }
                End::Before(..) | End::BeforeQuote(_) => true,
                End::Search => !typed_only,
                End::List(_) | End::Address | End::Rest => false,
            };
            typed_only &= matches!(step.end, End::Typed(_));
            ends && one_line(step.literal.bytes())
        })
}

/// Whether there is one place for a variable behind an address and its literal: it is a number, and
/// no address goes on behind it.
fn follows_address(step: &Step) -> bool {
    let number = matches!(step.end, End::Typed(grammar) if grammar.is_number());
    number && !step.literal.first().is_some_and(of_address)
}

/// Whether the end of a value with this literal and this variable behind it can be found.
fn told_apart(grammar: Grammar, literal: &[u8], next: &[u8]) -> bool {
    match grammar {
        _ if literal.is_empty() => grammar.ends_by_itself(),
        Grammar::List(element) if matches!(literal, b", " | b"," | b" : " | b" :") => {
            !element.resembles(variable(next).1)
        }
        _ => true,
    }
}

/// The first byte of a literal that no value of this escape mode holds, as the end of a value.
fn anchor(literal: &[u8], escape: Escape) -> Option<End> {
    let never = |byte: u8| match escape {
        Escape::Default => !(0x20..0x7f).contains(&byte) || byte == b'"',
        Escape::Json => byte < 0x20 || byte == b'"',
        Escape::None => false,
    };
    let back = literal.iter().position(|&byte| never(byte))?;
    let byte = *literal.get(back)?;
    if escape == Escape::Json && byte == b'"' {
        // A backslash of the literal would take the quote with it.
        let plain = !literal.get(..back)?.contains(&b'\\');
        return plain.then_some(End::BeforeQuote(back));
    }
    Some(End::Before(byte, back))
}
