//! The headers of tar.

use std::io::{self, Read};

use super::{Behind, Header};

/// All of a tar is in blocks of this many bytes.
const BLOCK: usize = 512;
/// The longest name, and the most that is said about a file beside its header.
const MOST_SAID: u64 = 64 * 1024;

/// Whether a file begins so.
pub(super) fn is_header(head: &[u8]) -> bool {
    head.first_chunk::<BLOCK>().is_some_and(sum_is_right)
}

/// Whether the checksum is that of the header, and it is one of POSIX or GNU.
fn sum_is_right(block: &[u8; BLOCK]) -> bool {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u64::from(*byte)
            }
        })
        .sum();
    block.get(257..262) == Some(b"ustar") && number(block, 148, 8) == Some(sum)
}

/// The next header, none at the end.
pub(super) fn header(from: &mut impl Read) -> io::Result<Option<Header>> {
    let mut long_name = None;
    loop {
        let mut block = [0; BLOCK];
        match from.read_exact(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let size = number(&block, 124, 12).filter(|_| sum_is_right(&block));
        let size = size.ok_or(io::ErrorKind::InvalidData)?;
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        match block.get(156) {
            Some(b'L') => long_name = Some(text(&said(from, size, padding)?)),
            Some(b'x') => long_name = path_of(&said(from, size, padding)?).or(long_name),
            Some(b'g' | b'K') => drop(said(from, size, padding)?),
            kind => {
                return Ok(Some(Header {
                    name: long_name.unwrap_or_else(|| name(&block)),
                    size,
                    is_file: matches!(kind, Some(b'0' | 0 | b'7')),
                    is_deflated: false,
                    behind: Behind {
                        padding,
                        descriptor: false,
                    },
                }));
            }
        }
    }
}

/// What is said about the next file.
fn said(from: &mut impl Read, size: u64, padding: u64) -> io::Result<Vec<u8>> {
    if size > MOST_SAID {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    from.take(size + padding).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.truncate(usize::try_from(size).unwrap_or(0));
    Ok(bytes)
}

/// The path in what pax says: `30 path=…` and a line feed.
fn path_of(said: &[u8]) -> Option<String> {
    let mut lines = said.split(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let space = line.iter().position(|byte| *byte == b' ')?;
        line.get(space + 1..)?.strip_prefix(b"path=").map(text)
    })
}

fn name(block: &[u8; BLOCK]) -> String {
    let field =
        |from: usize, length: usize| text(block.get(from..from + length).unwrap_or_default());
    let prefix = if block.get(257..263) == Some(b"ustar\0") {
        field(345, 155)
    } else {
        String::new()
    };
    if prefix.is_empty() {
        field(0, 100)
    } else {
        format!("{prefix}/{}", field(0, 100))
    }
}

/// Up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// An octal number, or with its first bit set a binary one.
fn number(block: &[u8; BLOCK], at: usize, length: usize) -> Option<u64> {
    let field = block.get(at..at + length)?;
    if field.first()? & 0x80 != 0 {
        let low = field.last_chunk::<8>()?;
        let number = u64::from_be_bytes(*low);
        // The size of a file is below 2^62.
        return (number >> 62 == 0).then_some(number);
    }
    let digits = field.iter().filter(|byte| !matches!(byte, b' ' | 0));
    digits.into_iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8)?;
        sum.checked_mul(8)?.checked_add(digit.into())
    })
}
