//! What compressors made, read without ever holding it whole.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// Compressed input is read in pieces of this many bytes.
const PIECE: usize = 64 * 1024;
/// The most memory that a compressed file may ask for, in MiB: `zstd --ultra` and `xz -9` ask for up
/// to that.
const MOST_MIB: u32 = 128;

/// Where bytes come from.
pub type Bytes = Box<dyn Read + Send>;

/// How something is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip
    Gzip,
    /// Zstandard
    Zstd,
    /// xz
    Xz,
    /// LZ4, in its frames
    Lz4,
}

impl Compression {
    /// Of what begins so, if it is compressed in a way that is read here.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }

    /// What it was before.
    #[must_use]
    pub fn undone(self, from: Bytes) -> Bytes {
        let buffered = BufReader::with_capacity(PIECE, from);
        match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(buffered)),
            Self::Zstd => Box::new(Frames::new(buffered, Zstd::start)),
            Self::Xz => {
                let limit = MOST_MIB * 1024;
                Box::new(lzma_rust2::XzReader::new_mem_limit(buffered, true, limit))
            }
            Self::Lz4 => Box::new(Frames::new(buffered, |from| {
                Ok(Lz4(lz4_flex::frame::FrameDecoder::new(from)))
            })),
        }
    }
}

/// Compressors whose files are not read here, by how these begin.
pub const OTHERS: [(&[u8], &str); 4] = [
    (b"BZh", "bzip2"),
    (b"\x1f\x9d", "uncompress"),
    (b"LZIP", "lzip"),
    (b"\x89LZO", "lzop"),
];

/// What decodes one frame, and gives back what it read from.
trait Frame: Read + Sized {
    type From;
    fn end(self) -> Self::From;
}

struct Zstd<R: Read>(StreamingDecoder<R, FrameDecoder>);

impl<R: Read> Zstd<R> {
    fn start(from: R) -> io::Result<Self> {
        let most = u64::from(MOST_MIB) << 20;
        let decoder = StreamingDecoder::new_with_max_window_size(from, most);
        decoder
            .map(Self)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(damaged)
    }
}

impl<R: Read> Frame for Zstd<R> {
    type From = R;

    fn end(self) -> R {
        self.0.into_inner()
    }
}

struct Lz4<R: Read>(lz4_flex::frame::FrameDecoder<R>);

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(damaged)
    }
}

impl<R: Read> Frame for Lz4<R> {
    type From = R;

    fn end(self) -> R {
        self.0.into_inner()
    }
}

/// What a decoder has to say of its input is all one to whoever reads a log.
fn damaged(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted => error,
        _ => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

/// Frames one after the other, as `cat` and parallel compressors make them.
struct Frames<R, F> {
    between: Option<R>,
    frame: Option<F>,
    start: fn(R) -> io::Result<F>,
}

impl<R, F> Frames<R, F> {
    fn new(from: R, start: fn(R) -> io::Result<F>) -> Self {
        Self {
            between: Some(from),
            frame: None,
            start,
        }
    }
}

impl<R: BufRead, F: Frame<From = R>> Read for Frames<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let length = frame.read(buffer)?;
                if length > 0 || buffer.is_empty() {
                    return Ok(length);
                }
                self.between = self.frame.take().map(F::end);
            }
            let Some(mut from) = self.between.take() else {
                return Ok(0);
            };
            // What is no frame behind the last one is padding.
            let more = from.fill_buf()?;
            if more.iter().all(|byte| *byte == 0) {
                return Ok(0);
            }
            if is_skippable(more) {
                skip(&mut from)?;
                self.between = Some(from);
                continue;
            }
            self.frame = Some((self.start)(from)?);
        }
    }
}

/// Both compressors let others put frames of their own between.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

fn skip(from: &mut impl BufRead) -> io::Result<()> {
    let mut head = [0; 8];
    from.read_exact(&mut head)?;
    let [_, _, _, _, length @ ..] = head;
    let length = u64::from(u32::from_le_bytes(length));
    io::copy(&mut from.take(length), &mut io::sink())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A frame of Zstandard whose one block is as it was.
    fn raw_frame(text: &[u8]) -> Vec<u8> {
        let length = u8::try_from(text.len()).expect("short");
        let block = u32::from(length) << 3 | 1;
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, length];
        frame.extend_from_slice(&block.to_le_bytes()[..3]);
        frame.extend_from_slice(text);
        frame
    }

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let compression = Compression::of(&bytes).expect("compressed");
        let mut out = Vec::new();
        compression
            .undone(Box::new(Cursor::new(bytes)))
            .read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn frames_follow_each_other() {
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let bytes = [
            raw_frame(b"one\n"),
            skippable,
            raw_frame(b"two\n"),
            vec![0; 9],
        ]
        .concat();
        assert_eq!(read(bytes).expect("read"), b"one\ntwo\n");
        let mut cut = raw_frame(b"one\n");
        cut.truncate(10);
        assert!(read(cut).is_err());
    }

    #[test]
    fn nothing_asks_for_more_memory_than_there_may_be() {
        // A window of 2 GiB.
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8];
        bytes.extend_from_slice(&[1, 0, 0, b'x']);
        assert!(read(bytes).is_err());
    }
}
