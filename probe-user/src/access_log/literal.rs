//! The text between two variables of a format.

use memchr::memmem::Finder;

/// What follows a value; it may be empty.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    bytes: Box<[u8]>,
    /// The bytes as a number, when there are at most eight, and which bits of it count.
    word: u64,
    mask: u64,
    finder: Option<Box<Finder<'static>>>,
}

impl Literal {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut word = [0; 8];
        let mut mask = [0; 8];
        for ((word, mask), &byte) in word.iter_mut().zip(&mut mask).zip(bytes) {
            (*word, *mask) = (byte, 0xff);
        }
        Self {
            word: u64::from_le_bytes(word),
            mask: u64::from_le_bytes(mask),
            finder: (bytes.len() > 8).then(|| Box::new(Finder::new(bytes).into_owned())),
            bytes: bytes.into(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn first(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether `text` begins with it.
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        text.starts_with(&self.bytes)
    }

    /// Whether it is in `line` at `at`.
    #[inline]
    pub(super) fn follows(&self, line: &[u8], at: usize) -> bool {
        let Some(rest) = line.get(at..) else {
            return false;
        };
        if let Some(word) = rest.first_chunk::<8>() {
            let equal = u64::from_le_bytes(*word) & self.mask == self.word;
            return equal && (self.bytes.len() <= 8 || rest.starts_with(&self.bytes));
        }
        // Near the end of a line nothing or a quote is the usual one, and not worth a call.
        match *self.bytes {
            [] => true,
            [byte] => rest.first() == Some(&byte),
            _ => rest.starts_with(&self.bytes),
        }
    }

    /// Where it is next, from `from` on.
    pub(super) fn find(&self, line: &[u8], from: usize) -> Option<usize> {
        /// The values before it are short as a rule.
        const NEAR: usize = 16;
        let rest = line.get(from..)?;
        let Some(&first) = self.bytes.first() else {
            return Some(from);
        };
        for (near, &byte) in rest.iter().take(NEAR).enumerate() {
            if byte == first && self.follows(line, from + near) {
                return Some(from + near);
            }
        }
        let far = from + NEAR.min(rest.len());
        let rest = line.get(far..)?;
        if let Some(finder) = &self.finder {
            return Some(far + finder.find(rest)?);
        }
        memchr::memchr_iter(first, rest)
            .map(|at| far + at)
            .find(|&at| self.follows(line, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_wherever_it_is() {
        for text in [
            "x",
            "xy",
            "xx",
            "12345678",
            "123456789",
            "\" \"",
            "xxxxxxxxxxxxxxxy",
        ] {
            let literal = Literal::new(text.as_bytes());
            for before in 0..40 {
                for after in 0..12 {
                    for filler in ["-", "x", "1"] {
                        let line = filler.repeat(before) + text + &filler.repeat(after);
                        let expected = line.find(text);
                        assert_eq!(literal.find(line.as_bytes(), 0), expected, "{text} {line}");
                        assert!(literal.follows(line.as_bytes(), before));
                        let cut = &line.as_bytes()[..before + text.len() - 1];
                        assert!(!literal.follows(cut, before));
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_everywhere() {
        let nothing = Literal::new(b"");
        assert!(nothing.follows(b"a", 1));
        assert!(!nothing.follows(b"a", 2));
        assert_eq!(nothing.find(b"a", 1), Some(1));
    }
}
