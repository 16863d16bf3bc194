//! Quick looks at the next few bytes, eight at a time.
//!
//! Most values of a log are shorter than the time that a call of memchr is worth.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Words that are looked at before memchr is called.
const WORDS: usize = 3;

/// `memchr`, quicker for what is near.
#[inline]
pub(super) fn near(text: &[u8], byte: u8) -> Option<usize> {
    let mut at = 0;
    for word in text.chunks_exact(8).take(WORDS) {
        let found = equal(u64::from_le_bytes(*word.first_chunk()?), byte);
        if found != 0 {
            return Some(at + first(found));
        }
        at += 8;
    }
    Some(at + memchr::memchr(byte, text.get(at..)?)?)
}

/// The first quote that no backslash takes with it.
#[inline]
pub(super) fn quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for word in text.chunks_exact(8).take(WORDS) {
        let word = u64::from_le_bytes(*word.first_chunk()?);
        let found = equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            at += first(found);
            break;
        }
        at += 8;
    }
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?,
        }
    }
}

/// How many digits `text` begins with, of at most `most`.
#[inline]
pub(super) fn digits(text: &[u8], most: usize) -> usize {
    if let Some(word) = text.first_chunk::<8>() {
        let others = not_digits(u64::from_le_bytes(*word));
        if others != 0 {
            return first(others).min(most);
        }
    }
    let digits = text.iter().take(most);
    digits.take_while(|byte| byte.is_ascii_digit()).count()
}

/// How many bytes `text` begins with that pass `wanted`, which a table makes quick.
#[inline]
pub(super) fn run(text: &[u8], wanted: &[bool; 256]) -> usize {
    let wanted = |byte: &u8| wanted.get(usize::from(*byte)).is_some_and(|wanted| *wanted);
    text.iter().take_while(|byte| wanted(byte)).count()
}

/// The place of the first byte whose high bit is set.
#[inline]
fn first(highs: u64) -> usize {
    highs.trailing_zeros() as usize / 8
}

/// The high bit of each byte of `word` that is `byte`; above the first such byte others may be set.
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ (ONES * u64::from(byte));
    zero.wrapping_sub(ONES) & !zero & HIGHS
}

/// The high bit of each byte of `word` that is no digit.
#[inline]
fn not_digits(word: u64) -> u64 {
    let low = word & !HIGHS;
    let from_0 = low + ONES * u64::from(0x80 - b'0');
    let above_9 = low + ONES * u64::from(0x80 - b'9' - 1);
    (word | !from_0 | above_9) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_at_each_place() {
        for byte in 0..=255_u8 {
            for place in 0..40 {
                let mut text = [b'0'; 40];
                text[place] = byte;
                let expected = text.iter().position(|b| !b.is_ascii_digit());
                assert_eq!(digits(&text, 99), expected.unwrap_or(40));
                assert_eq!(digits(&text, 3), expected.unwrap_or(40).min(3));
                for filler in [b'0', byte ^ 1, byte ^ 0x80] {
                    if filler == byte {
                        continue;
                    }
                    let mut text = [filler; 40];
                    text[place] = byte;
                    assert_eq!(near(&text, byte), Some(place));
                    assert_eq!(near(&text[..place], byte), None);
                }
                let quoted = text.iter().position(|b| *b == b'"');
                assert_eq!(quote(&text), quoted);
            }
        }
    }

    #[test]
    fn a_backslash_takes_the_next_byte() {
        for before in 0..40 {
            let text = [&vec![b'a'; before][..], br#"\"\\" ""#].concat();
            assert_eq!(quote(&text), Some(before + 4));
            assert_eq!(quote(&text[..before + 4]), None);
            assert_eq!(quote(&text[..=before]), None);
        }
    }
}
