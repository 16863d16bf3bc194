//! Files in an archive, read one after the other without unpacking it.

mod tar;
mod zip;

use std::{
    io::{self, BufRead, BufReader, Read},
    sync::{Arc, Mutex, PoisonError},
};

use flate2::bufread::DeflateDecoder;

use super::compressed::Bytes;

/// What an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// tar, of any age that is in use
    Tar,
    /// zip
    Zip,
}

impl Archive {
    /// Of what begins so.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        if tar::is_header(head) {
            Some(Self::Tar)
        } else if head.starts_with(b"PK\x03\x04") {
            Some(Self::Zip)
        } else {
            None
        }
    }

    /// Its files, in their order.
    #[must_use]
    pub fn members(self, from: Bytes) -> Members {
        Members {
            kind: self,
            state: Arc::new(Mutex::new(Some(State::Plain {
                from: BufReader::new(from),
                left: 0,
            }))),
            behind: Behind::default(),
        }
    }
}

/// What is read at the moment.
enum State {
    /// So many bytes as they are.
    Plain { from: BufReader<Bytes>, left: u64 },
    /// Compressed ones, which say themselves where they end.
    Deflated(DeflateDecoder<BufReader<Bytes>>),
}

/// What stands behind a file in the archive and is no part of it.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    padding: u64,
    /// Sizes and a checksum, which zip may write there.
    descriptor: bool,
}

/// A file of an archive.
pub struct Member {
    /// Its name.
    pub name: String,
    /// What is in it, until the next one is asked for.
    pub bytes: Bytes,
}

/// The files of an archive that have something in them.
pub struct Members {
    kind: Archive,
    state: Arc<Mutex<Option<State>>>,
    behind: Behind,
}

/// What a header says about the file behind it.
struct Header {
    name: String,
    size: u64,
    is_file: bool,
    is_deflated: bool,
    behind: Behind,
}

impl Iterator for Members {
    type Item = io::Result<Member>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Members {
    fn step(&mut self) -> io::Result<Option<Member>> {
        loop {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            // When it breaks there is nothing more.
            let Some(last) = state.take() else {
                return Ok(None);
            };
            let mut from = finished(last)?;
            self.behind.pass(&mut from)?;
            let header = match self.kind {
                Archive::Tar => tar::header(&mut from)?,
                Archive::Zip => zip::header(&mut from)?,
            };
            let Some(header) = header else {
                return Ok(None);
            };
            self.behind = header.behind;
            *state = Some(if header.is_deflated {
                State::Deflated(DeflateDecoder::new(from))
            } else {
                State::Plain {
                    from,
                    left: header.size,
                }
            });
            drop(state);
            if header.is_file && (header.size > 0 || header.is_deflated) {
                return Ok(Some(Member {
                    name: header.name,
                    bytes: Box::new(Reader(Arc::clone(&self.state))),
                }));
            }
        }
    }
}

impl Behind {
    fn pass(&self, from: &mut BufReader<Bytes>) -> io::Result<()> {
        if self.descriptor {
            zip::descriptor(from)?;
        }
        skip(from, self.padding)
    }
}

/// What the archive is read from, behind the file that was read last.
fn finished(state: State) -> io::Result<BufReader<Bytes>> {
    match state {
        State::Plain { mut from, left } => {
            skip(&mut from, left)?;
            Ok(from)
        }
        State::Deflated(mut decoder) => {
            io::copy(&mut decoder, &mut io::sink())?;
            Ok(decoder.into_inner())
        }
    }
}

fn skip(from: &mut impl BufRead, bytes: u64) -> io::Result<()> {
    io::copy(&mut from.take(bytes), &mut io::sink()).map(drop)
}

/// Reads what the archive is at.
struct Reader(Arc<Mutex<Option<State>>>);

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            Some(State::Plain { from, left }) => {
                let length = from.take(*left).read(buffer)?;
                if length == 0 && *left > 0 && !buffer.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                *left -= length as u64;
                Ok(length)
            }
            Some(State::Deflated(decoder)) => decoder.read(buffer),
            None => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests;
