//! Quick looks at the next bytes, many at a time and with few jumps.
//!
//! Most values of a log are shorter than a call of memchr is worth, and the lengths of those that
//! follow each other differ, which a loop over their bytes pays for at each end.

use wide::u8x16;

const HIGHS: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;

/// The first `byte`.
#[inline]
pub(super) fn near(text: &[u8], byte: u8) -> Option<usize> {
    let one = u8x16::splat(byte);
    first(text, |of| of.simd_eq(one))
}

/// The first of two bytes.
#[inline]
pub(super) fn near_of_two(text: &[u8], one: u8, other: u8) -> Option<usize> {
    let (one, other) = (u8x16::splat(one), u8x16::splat(other));
    first(text, |of| of.simd_eq(one) | of.simd_eq(other))
}

/// The first quote that no backslash takes with it.
#[inline]
pub(super) fn quote(text: &[u8]) -> Option<usize> {
    quote_or(text, b'"')
}

/// The first quote, or `other`, that no backslash takes with it.
#[inline]
pub(super) fn quote_or(text: &[u8], other: u8) -> Option<usize> {
    let (quote, backslash) = (u8x16::splat(b'"'), u8x16::splat(b'\\'));
    let third = u8x16::splat(other);
    let mut at = 0;
    loop {
        at += first(text.get(at..)?, |of| {
            of.simd_eq(quote) | of.simd_eq(backslash) | of.simd_eq(third)
        })?;
        if text.get(at) != Some(&b'\\') {
            return Some(at);
        }
        at += 1;
        // It takes a quote with it, and nothing else that is looked for.
        if other != b'"' && text.get(at) == Some(&other) {
            return Some(at);
        }
        at += 1;
    }
}

/// How many bytes `text` begins with that are of an IPv4 or IPv6 address, of at most `most`.
#[inline]
pub(super) fn of_address(text: &[u8], most: usize) -> usize {
    let text = text.get(..most).unwrap_or(text);
    let lower = u8x16::splat(0x20);
    let below =
        |of: u8x16, from: u8, count: u8| (of - u8x16::splat(from)).simd_lt(u8x16::splat(count));
    // `0` to `:`, `a` to `f` of either case, and the point.
    let other = |of: u8x16| {
        !(below(of, b'0', 11) | below(of | lower, b'a', 6) | of.simd_eq(u8x16::splat(b'.')))
    };
    first(text, other).unwrap_or(text.len())
}

/// The place of the first byte that `wanted` says all ones of.
#[inline]
fn first(text: &[u8], wanted: impl Fn(u8x16) -> u8x16) -> Option<usize> {
    let bits = |bytes: &[u8; 16]| u64::from(wanted(u8x16::from(*bytes)).to_bitmask() & 0xffff);
    let mut at = 0;
    let mut rest = text;
    while let Some((chunk, behind)) = rest.split_first_chunk::<64>() {
        let mut found = 0;
        for (quarter, bytes) in chunk.as_chunks::<16>().0.iter().enumerate() {
            found |= bits(bytes) << (16 * quarter);
        }
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        (at, rest) = (at + 64, behind);
    }
    while let Some((bytes, behind)) = rest.split_first_chunk::<16>() {
        let found = bits(bytes);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        (at, rest) = (at + 16, behind);
    }
    let mut last = [0; 16];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    let found = bits(&last) & !(u64::MAX << rest.len());
    (found != 0).then(|| at + found.trailing_zeros() as usize)
}

/// How many digits `text` begins with, of at most `most`.
#[inline]
pub(super) fn digits(text: &[u8], most: usize) -> usize {
    if let Some(word) = text.first_chunk::<8>() {
        let others = not_digits(u64::from_le_bytes(*word));
        if others != 0 {
            return (others.trailing_zeros() as usize / 8).min(most);
        }
    }
    let digits = text.iter().take(most);
    digits.take_while(|byte| byte.is_ascii_digit()).count()
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

    /// Longer than what is looked at at once, twice.
    const LONG: usize = 150;

    #[test]
    fn each_byte_at_each_place() {
        for byte in 0..=255_u8 {
            for place in 0..LONG {
                let mut text = [b'0'; LONG];
                text[place] = byte;
                let expected = text.iter().position(|b| !b.is_ascii_digit());
                assert_eq!(digits(&text, 999), expected.unwrap_or(LONG));
                assert_eq!(digits(&text, 3), expected.unwrap_or(LONG).min(3));
                let other = |b: &u8| !b.is_ascii_hexdigit() && *b != b'.' && *b != b':';
                let expected = text.iter().position(other).unwrap_or(LONG);
                assert_eq!(of_address(&text, 999), expected);
                assert_eq!(of_address(&text, 39), expected.min(39));
                for filler in [b'0', byte ^ 1, byte ^ 0x80] {
                    if filler == byte {
                        continue;
                    }
                    let mut text = [filler; LONG];
                    text[place] = byte;
                    assert_eq!(near(&text, byte), Some(place));
                    assert_eq!(near(&text[..place], byte), None);
                    let either = |end: usize, other| near_of_two(&text[..end], other, byte);
                    let other = filler ^ byte ^ 0x55;
                    let expected =
                        |end: usize| text[..end].iter().position(|b| *b == byte || *b == other);
                    assert_eq!(either(LONG, other), expected(LONG));
                    assert_eq!(either(place, other), expected(place));
                    let quoted = |byte: &u8| *byte == b'"' || *byte == b'\n';
                    if byte != b'\\' && filler != b'\\' {
                        assert_eq!(quote_or(&text, b'\n'), text.iter().position(quoted));
                    }
                }
                let quoted = text.iter().position(|b| *b == b'"');
                assert_eq!(quote(&text), quoted);
            }
        }
    }

    #[test]
    fn a_backslash_takes_the_next_byte() {
        for before in 0..LONG {
            let text = [&vec![b'a'; before][..], br#"\"\\" ""#].concat();
            assert_eq!(quote(&text), Some(before + 4));
            assert_eq!(quote(&text[..before + 4]), None);
            assert_eq!(quote(&text[..=before]), None);
            let text = [&vec![b'a'; before][..], b"\\\n\""].concat();
            assert_eq!(quote(&text), Some(before + 2));
            assert_eq!(quote_or(&text, b'\n'), Some(before + 1));
        }
    }
}
