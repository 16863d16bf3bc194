//! What other programs put around the lines of nginx: container runtimes, journals, syslog, grep.
//!
//! An [`Envelope`] is either text before each line or an object of JSON that holds the line. Those of
//! a log are found out from its first lines: where, in each of them, does begin what nginx writes?
//! A log may have several, one in the other or one after the other.

mod core;
mod object;
mod prefix;

pub use self::{
    core::{Core, is_console},
    object::Holder,
    prefix::Prefix,
};

/// What stands around a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Text before it.
    Prefix(Prefix),
    /// An object of JSON, of which it is one value.
    Object(Holder),
}

/// How a line was taken out of its envelope.
#[derive(Debug, PartialEq, Eq)]
enum Inner {
    /// It is not in this envelope.
    Not,
    /// Whole.
    Whole,
    /// The next line goes on with it.
    Partial,
}

impl Envelope {
    /// What makes such envelopes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prefix(prefix) => prefix.name(),
            Self::Object(holder) => holder.name(),
        }
    }

    /// Writes what is in the envelope behind `out`.
    fn take(&self, line: &[u8], out: &mut Vec<u8>) -> Inner {
        match self {
            Self::Prefix(prefix) => match prefix.strip(line) {
                Some((inner, whole)) => {
                    out.extend_from_slice(inner);
                    if whole { Inner::Whole } else { Inner::Partial }
                }
                None => Inner::Not,
            },
            Self::Object(holder) => match holder.take(line, out) {
                Some(true) => Inner::Whole,
                Some(false) => Inner::Partial,
                None => Inner::Not,
            },
        }
    }
}

/// The envelopes of a log, the outermost first; where there are several at one depth, a line is in
/// the first that fits.
#[derive(Clone, Debug, Default)]
pub struct Layers(Vec<Vec<Envelope>>);

/// Envelopes in envelopes that are looked for, and different ones side by side.
const MOST_DEPTH: usize = 3;
const MOST_ASIDE: usize = 4;
/// Different ones that are counted.
const MOST_SEEN: usize = 64;
/// The longest line that is made of partial ones, in bytes.
const MOST_JOINED: usize = 256 * 1024;

impl Layers {
    /// Those of a log that begins with these lines.
    #[must_use]
    pub fn of(lines: &[&[u8]], core: &Core) -> Self {
        let mut layers = Self::default();
        let mut text = lines.join(&b'\n');
        while layers.0.len() < MOST_DEPTH {
            let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
            let aside = aside(&lines, core);
            if aside.is_empty() {
                break;
            }
            let mut inner = Vec::with_capacity(text.len());
            open_all(&aside, &text, &mut inner);
            layers.0.push(aside);
            text = inner;
        }
        layers
    }

    /// Whether lines stand there as nginx wrote them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of all of them, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for envelope in self.0.iter().flatten() {
            if !names.contains(&envelope.name()) {
                names.push(envelope.name());
            }
        }
        names
    }

    /// The lines of `block` without what stands around them, each with its line feed, in `out`.
    /// `spare` is room that it needs.
    pub fn open(&self, block: &[u8], out: &mut Vec<u8>, spare: &mut Vec<u8>) {
        out.clear();
        let mut layers = self.0.iter();
        match layers.next() {
            Some(first) => open_all(first, block, out),
            None => out.extend_from_slice(block),
        }
        for layer in layers {
            spare.clear();
            open_all(layer, out, spare);
            std::mem::swap(out, spare);
        }
    }
}

/// The envelopes that lines are in, the most frequent first.
fn aside(lines: &[&[u8]], core: &Core) -> Vec<Envelope> {
    let mut found: Vec<(Envelope, usize)> = Vec::new();
    let mut bare = 0;
    for line in lines.iter().filter(|line| !line.is_empty()) {
        if core.is(line) && !Holder::may_hold(line) {
            bare += 1;
            continue;
        }
        let envelope = Holder::of(line, core).map(Envelope::Object).or_else(|| {
            let text = !Holder::may_hold(line);
            text.then(|| Prefix::of(line, core))
                .flatten()
                .map(Envelope::Prefix)
        });
        let Some(envelope) = envelope else {
            continue;
        };
        if let Some((_, count)) = found.iter_mut().find(|(known, _)| *known == envelope) {
            *count += 1;
        } else if found.len() < MOST_SEEN {
            found.push((envelope, 1));
        }
    }
    // A line of nginx's that quotes another is rarer than those that do not.
    found.retain(|(_, count)| *count * 20 > bare);
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    found.truncate(MOST_ASIDE);
    found.into_iter().map(|(envelope, _)| envelope).collect()
}

fn open_all(layer: &[Envelope], block: &[u8], out: &mut Vec<u8>) {
    let mut rest = block;
    let mut joined = 0;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest);
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let before = out.len();
        let mut inner = Inner::Not;
        for envelope in layer {
            inner = envelope.take(line, out);
            if inner != Inner::Not {
                break;
            }
            out.truncate(before);
        }
        if inner == Inner::Not {
            out.extend_from_slice(line);
        }
        joined += out.len() - before;
        if inner == Inner::Partial && joined < MOST_JOINED {
            continue;
        }
        joined = 0;
        if out.last() != Some(&b'\n') || out.len() == before {
            out.push(b'\n');
        }
    }
    if joined > 0 {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests;
