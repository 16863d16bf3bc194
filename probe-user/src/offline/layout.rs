//! What a log is in: envelopes, formats, and whether it holds messages of nginx's too.

use std::sync::{
    Arc, LazyLock, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    formats::{Chosen, TELLING},
    wrapper::{Core, Layers},
};
use crate::{
    access_log::{Entry, KNOWN, objects, texts},
    error_log::{MAX_RECORD, ends, is_open},
};

/// Lines of a log's beginning that are looked at.
const SAMPLE: usize = 2000;
/// Lines of it in which a format is looked for.
const LOOKED_AT: usize = 100;
/// Formats of one log.
const MOST_FORMATS: usize = 8;

/// What a log is in. Threads share it, and what one of them learns of formats.
pub struct Layout {
    /// What stands around each line.
    pub layers: Layers,
    /// Whether the log begins with messages of an error log.
    pub errors: bool,
    /// Whether it is an error log and nothing else, as far as is known before it is read.
    pub errors_only: bool,
    formats: RwLock<Vec<Arc<Chosen>>>,
    version: AtomicUsize,
}

impl Layout {
    /// Of a log that begins so. It is read in the format that was given, if one was, and in those
    /// that fit; `errors` says that it is named as an error log.
    #[must_use]
    pub fn of(head: &[u8], given: Option<&Chosen>, errors: bool) -> Self {
        let clean = cleaned(head);
        let lines = |text| {
            whole_lines(text)
                .filter(|line| !line.is_empty())
                .take(SAMPLE)
        };
        let core = Core::new(given.map(|given| &*given.format));
        let outer: Vec<_> = lines(&clean).collect();
        let layers = Layers::of(&spread(&outer, LOOKED_AT * 2), &core);
        let mut inner = Vec::new();
        let text = if layers.is_empty() {
            &clean
        } else {
            layers.open(&clean, &mut inner, &mut Vec::new());
            &inner
        };
        let (has_errors, others) = without_messages(lines(text), &core);
        let mut formats: Vec<_> = given.cloned().into_iter().collect();
        if !(errors && others.is_empty()) {
            formats.extend(found(&others, given));
        }
        // A format that fits nothing here is tried last.
        let mut entry = Entry::default();
        let mut fits = |chosen: &Chosen| {
            others
                .iter()
                .filter(|line| chosen.parse(line, &mut entry))
                .count()
        };
        formats.sort_by_cached_key(|chosen| std::cmp::Reverse(fits(chosen)));
        let errors_only = errors || (has_errors && (others.is_empty() || formats.is_empty()));
        if errors_only && others.is_empty() {
            formats.clear();
        }
        Self {
            layers,
            errors: has_errors || errors,
            errors_only,
            formats: RwLock::new(formats.into_iter().map(Arc::new).collect()),
            version: AtomicUsize::new(0),
        }
    }

    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        !self.errors && self.formats().is_empty()
    }

    /// Its formats, and how often they have changed.
    #[must_use]
    pub fn formats(&self) -> Vec<Arc<Chosen>> {
        self.formats
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A number that grows when there are more formats.
    #[must_use]
    pub fn version(&self) -> usize {
        self.version.load(Ordering::Acquire)
    }

    /// Adds the format that some of these lines are in, which are in none that is known.
    pub fn learn(&self, lines: &[&[u8]]) {
        if let Some(new) = best(lines, 2) {
            self.add(Arc::new(new));
        }
    }

    /// Adds a format, unless it is there already.
    pub fn add(&self, new: Arc<Chosen>) {
        let mut formats = self.formats.write().unwrap_or_else(PoisonError::into_inner);
        let known = |known: &Arc<Chosen>| known.name == new.name && known.shown == new.shown;
        if formats.len() >= MOST_FORMATS || formats.iter().any(known) {
            return;
        }
        formats.push(new);
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// The formats in wide use, each compiled once.
#[must_use]
pub fn usual() -> &'static [Arc<Chosen>] {
    static USUAL: LazyLock<Vec<Arc<Chosen>>> = LazyLock::new(|| {
        let known = KNOWN.iter().filter_map(|known| Chosen::known(known.name));
        known.map(Arc::new).collect()
    });
    &USUAL
}

/// Text without what nginx never writes: a mark of its encoding, carriage returns at line ends, and
/// the zeros that a loss of power leaves behind.
#[must_use]
pub fn cleaned(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let mut clean: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            0 => {}
            b'\n' => {
                if clean.last() == Some(&b'\r') {
                    clean.pop();
                }
                clean.push(b'\n');
            }
            byte => clean.push(*byte),
        }
    }
    if clean.last() == Some(&b'\r') {
        clean.pop();
    }
    clean
}

/// How a text begins that was saved as UTF-8 by some editors.
pub const BOM: &[u8] = b"\xef\xbb\xbf";

/// The lines of a log's beginning; the last one may be cut.
fn whole_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = memchr::memrchr(b'\n', head).unwrap_or(head.len());
    let whole = head.get(..end).unwrap_or_default();
    whole.split(|byte| *byte == b'\n')
}

/// Whether there are messages of an error log, and the lines that are none.
fn without_messages<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    core: &Core,
) -> (bool, Vec<&'a [u8]>) {
    let mut others = Vec::new();
    let mut any = false;
    let mut open = false;
    let mut length = 0;
    for line in lines {
        length += line.len() + 1;
        if Core::is_error(line) {
            any = true;
            (open, length) = (is_open(line), line.len() + 1);
        } else if open && length <= MAX_RECORD && !core.is_access(line) && !line.starts_with(b"{") {
            open = !ends(line);
        } else {
            open = false;
            others.push(line);
        }
    }
    (any, others)
}

/// The formats that lines are in, the most frequent first.
fn found(lines: &[&[u8]], given: Option<&Chosen>) -> Vec<Chosen> {
    let mut entry = Entry::default();
    let mut rest: Vec<&[u8]> = lines.to_vec();
    if let Some(given) = given {
        rest.retain(|line| !given.parse(line, &mut entry));
        // What was said is believed where it is not wrong.
        if rest.len() < lines.len() {
            return Vec::new();
        }
    }
    let mut formats = Vec::new();
    while formats.len() < MOST_FORMATS {
        let least = if lines.len() < 3 { 1 } else { 2 };
        let Some(chosen) = best(&spread(&rest, LOOKED_AT), least) else {
            break;
        };
        let before = rest.len();
        rest.retain(|line| !chosen.parse(line, &mut entry));
        if rest.len() == before {
            break;
        }
        formats.push(chosen);
    }
    formats
}

/// At most so many of the lines, from all of them: what comes first may be a banner.
fn spread<'a>(lines: &[&'a [u8]], most: usize) -> Vec<&'a [u8]> {
    let step = lines.len().div_ceil(most).max(1);
    lines.iter().copied().step_by(step).collect()
}

/// The format that most of these lines are in. A format that is guessed takes `least` lines that look
/// alike.
fn best(lines: &[&[u8]], least: usize) -> Option<Chosen> {
    let mut entry = Entry::default();
    let mut fit = |chosen: &Chosen| {
        lines
            .iter()
            .filter(|line| chosen.parse(line, &mut entry))
            .count()
    };
    let mut known: Option<(usize, &Arc<Chosen>)> = None;
    for one in usual() {
        let fits = fit(one);
        if fits > known.map_or(0, |(most, _)| most) {
            known = Some((fits, one));
        }
    }
    let is_object = |line: &&&[u8]| line.trim_ascii_start().starts_with(b"{");
    let object = lines.iter().filter(is_object).copied();
    let text = lines.iter().filter(|line| !is_object(line)).copied();
    let guesses = [objects(object), texts(text, least)];
    let guesses = guesses.into_iter().flatten().map(Chosen::guessed);
    let guess = guesses
        .map(|guess| (fit(&guess), guess))
        .max_by_key(|(fits, _)| *fits);
    let telling = |chosen: &Chosen| {
        TELLING
            .iter()
            .filter(|(field, ..)| chosen.gives(*field))
            .count()
    };
    let (fits, chosen) = match (known, guess) {
        (Some((fits, known)), Some((fits_guess, guess))) => {
            let more = telling(&guess) > telling(known) && fits_guess >= fits;
            let better = fits_guess > fits && fits * 4 < lines.len() * 3;
            if more || better {
                (fits_guess, guess)
            } else {
                (fits, (**known).clone())
            }
        }
        (Some((fits, known)), None) => (fits, (**known).clone()),
        (None, Some((fits, guess))) => (fits, guess),
        (None, None) => return None,
    };
    (fits >= least || chosen.shown.is_none()).then_some(chosen)
}
