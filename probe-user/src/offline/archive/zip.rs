//! The headers of zip, as they stand before each file.

use std::io::{self, BufRead, Read};

use super::{Behind, Header};

const FILE: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Flags: the file is encrypted; its sizes stand behind it.
const ENCRYPTED: u16 = 1;
const SIZES_BEHIND: u16 = 8;

/// The next header, none at the end.
pub(super) fn header(from: &mut impl Read) -> io::Result<Option<Header>> {
    let mut head = [0; 30];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    // Behind the last file stands a list of all of them.
    if !head.starts_with(&FILE) {
        return Ok(None);
    }
    let two = |at: usize| {
        head.get(at..at + 2)
            .and_then(|two| Some(u16::from_le_bytes(*two.first_chunk()?)))
            .unwrap_or(0)
    };
    let four = |at: usize| u64::from(two(at)) | u64::from(two(at + 2)) << 16;
    let (flags, method) = (two(6), two(8));
    let mut name = vec![0; usize::from(two(26))];
    from.read_exact(&mut name)?;
    let mut extra = vec![0; usize::from(two(28))];
    from.read_exact(&mut extra)?;
    let size = match four(18) {
        0xffff_ffff => size_of_64(&extra).ok_or(io::ErrorKind::InvalidData)?,
        size => size,
    };
    let behind = flags & SIZES_BEHIND != 0;
    let is_deflated = method == DEFLATED && flags & ENCRYPTED == 0;
    // Nothing tells where such a file ends.
    if behind && !is_deflated {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Some(Header {
        is_file: !name.ends_with(b"/")
            && flags & ENCRYPTED == 0
            && matches!(method, STORED | DEFLATED),
        name: String::from_utf8_lossy(&name).into_owned(),
        size,
        is_deflated,
        behind: Behind {
            padding: 0,
            descriptor: behind,
        },
    }))
}

/// The compressed size in the field for large files.
fn size_of_64(mut extra: &[u8]) -> Option<u64> {
    loop {
        let [id, id2, length, length2, rest @ ..] = extra else {
            return None;
        };
        let length = usize::from(u16::from_le_bytes([*length, *length2]));
        let (field, behind) = rest.split_at_checked(length)?;
        if [*id, *id2] == [1, 0] {
            let size = u64::from_le_bytes(*field.get(8..)?.first_chunk()?);
            return (size >> 62 == 0).then_some(size);
        }
        extra = behind;
    }
}

/// Passes what stands behind a file whose header has no sizes: a checksum and two sizes of four or
/// eight bytes, which a mark may precede.
pub(super) fn descriptor(from: &mut impl BufRead) -> io::Result<()> {
    let mut seen = Vec::new();
    // What follows it is a header again.
    for length in [12, 16, 20, 24] {
        let mut more = vec![0; length - seen.len()];
        from.read_exact(&mut more)?;
        seen.extend(more);
        let marked = seen.starts_with(&DESCRIPTOR);
        let fits = matches!((length, marked), (12 | 20, false) | (16 | 24, true));
        let next = from.fill_buf()?;
        if fits && (next.starts_with(b"PK") || next.is_empty()) {
            return Ok(());
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}
