//! Gives the lines of an input to every processor of the host.
//!
//! A file is cut into blocks that the threads take in turn; a block's lines are those that begin
//! in it. Whatever the size of the input, a thread holds one block and at most one long line.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use super::input::Source;

/// How much a thread takes at once, in bytes: what a processor's own cache holds with ease.
const BLOCK: usize = 64 * 1024;
/// The longest line that is given, in bytes.
pub const MAX_LINE: usize = 1024 * 1024;
/// How much beyond a block is read with it, for the end of its last line.
const OVERHANG: usize = 1024;

/// What takes lines, one of it in each thread.
pub trait Take: Send {
    /// Takes whole lines, each but the last with its line feed.
    fn lines(&mut self, lines: &[u8]);
    /// A line was longer than [`MAX_LINE`] and is not given.
    fn overlong(&mut self);
}

/// Gives every line of `source` to one of `takers`. The bytes of a file that are done with are added
/// to `read`; a stream does that itself.
///
/// # Errors
/// When the source cannot be read to its end; what was read until then has been given.
pub fn feed<T: Take>(source: Source, takers: &mut [T], read: &AtomicU64) -> io::Result<()> {
    match source {
        Source::File(file, size) => feed_file(&file, size, takers, read),
        Source::Stream(stream) => feed_stream(stream, takers),
    }
}

fn feed_file<T: Take>(
    file: &File,
    size: u64,
    takers: &mut [T],
    read: &AtomicU64,
) -> io::Result<()> {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        let threads: Vec<_> = takers
            .iter_mut()
            .map(|taker| scope.spawn(|| take_blocks(file, size, &next, taker, read)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(ended())))
            .fold(Ok(()), io::Result::and)
    })
}

fn take_blocks(
    file: &File,
    size: u64,
    next: &AtomicU64,
    taker: &mut impl Take,
    read: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BLOCK + 1 + OVERHANG);
    loop {
        let start = next.fetch_add(BLOCK as u64, Ordering::Relaxed);
        if start >= size {
            return Ok(());
        }
        let end = size.min(start + BLOCK as u64);
        // The byte before the block tells whether a line begins with it.
        let from = start.saturating_sub(1);
        let wanted = size.min(end + OVERHANG as u64) - from;
        buffer.resize(usize::try_from(wanted).unwrap_or(BLOCK + 1 + OVERHANG), 0);
        let length = read_at(file, &mut buffer, from)?;
        buffer.truncate(length);
        // The last line is the one that holds the block's last byte.
        let last = usize::try_from(end - 1 - from).unwrap_or(BLOCK);
        let beyond = buffer.get(last..).unwrap_or_default();
        if let Some(found) = memchr::memchr(b'\n', beyond) {
            buffer.truncate(last + found + 1);
        }
        let first = if start == 0 {
            Some(0)
        } else {
            memchr::memchr(b'\n', &buffer).map(|at| at + 1)
        };
        if let Some(first) = first.filter(|first| *first < buffer.len()) {
            let overlong = finish_line(file, size, from, &mut buffer)?;
            let mut lines = buffer.get(first..).unwrap_or_default();
            if overlong {
                let last = memchr::memrchr(b'\n', lines).map_or(0, |at| at + 1);
                lines = lines.get(..last).unwrap_or_default();
                taker.overlong();
            }
            taker.lines(lines);
        }
        read.fetch_add(end - start, Ordering::Relaxed);
    }
}

/// Reads on to the end of the last line; whether that is too far away.
fn finish_line(file: &File, size: u64, from: u64, buffer: &mut Vec<u8>) -> io::Result<bool> {
    let mut extra = 0;
    while buffer.last() != Some(&b'\n') && from + (buffer.len() as u64) < size {
        if extra > MAX_LINE {
            return Ok(true);
        }
        let had = buffer.len();
        buffer.resize(had + OVERHANG, 0);
        let tail = buffer.get_mut(had..).unwrap_or_default();
        let length = read_at(file, tail, from + had as u64)?;
        let found = tail
            .get(..length)
            .and_then(|tail| memchr::memchr(b'\n', tail));
        buffer.truncate(had + found.map_or(length, |at| at + 1));
        extra += length;
        if length == 0 {
            break;
        }
    }
    Ok(false)
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn feed_stream<T: Take>(mut stream: Box<dyn Read + Send>, takers: &mut [T]) -> io::Result<()> {
    let (full, blocks) = sync_channel::<Vec<u8>>(takers.len());
    let (empty, spare) = sync_channel::<Vec<u8>>(takers.len() * 2 + 2);
    let blocks = Mutex::new(blocks);
    let mut overlong = 0;
    let result = thread::scope(|scope| {
        for taker in takers.iter_mut() {
            let (blocks, empty) = (&blocks, empty.clone());
            scope.spawn(move || {
                while let Some(block) = take(blocks) {
                    taker.lines(&block);
                    // Nobody may want it any more.
                    let _ = empty.try_send(block);
                }
            });
        }
        let result = cut(&mut stream, &full, &spare, &mut overlong);
        drop(full);
        result
    });
    for _ in 0..overlong {
        takers.first_mut().into_iter().for_each(Take::overlong);
    }
    result
}

fn take(blocks: &Mutex<Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    let blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
    blocks.recv().ok()
}

/// Cuts a stream into blocks of whole lines. When it breaks, the whole lines before that are given.
fn cut(
    stream: &mut impl Read,
    full: &SyncSender<Vec<u8>>,
    spare: &Receiver<Vec<u8>>,
    overlong: &mut u64,
) -> io::Result<()> {
    let mut rest: Vec<u8> = Vec::new();
    let mut skipping = false;
    loop {
        let mut block = spare.try_recv().unwrap_or_default();
        block.clear();
        block.append(&mut rest);
        let had = block.len();
        let result = stream.take(BLOCK as u64).read_to_end(&mut block);
        let ended = block.len() == had;
        if skipping {
            let end = memchr::memchr(b'\n', &block).map_or(block.len(), |at| at + 1);
            skipping = end == block.len() && block.last() != Some(&b'\n');
            block.drain(..end);
        }
        // The last line may lack its line feed, but not where the stream broke.
        if !(ended && result.is_ok()) {
            let whole = memchr::memrchr(b'\n', &block).map_or(0, |last| last + 1);
            rest.extend_from_slice(block.get(whole..).unwrap_or_default());
            block.truncate(whole);
        }
        if rest.len() > MAX_LINE {
            (rest, skipping) = (Vec::new(), true);
            *overlong += 1;
        }
        if !block.is_empty() {
            full.send(block).map_err(|_| self::ended())?;
        }
        result?;
        if ended {
            return Ok(());
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("a thread ended early")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    #[derive(Default)]
    struct Lines(Vec<Vec<u8>>, u64);

    impl Take for Lines {
        fn lines(&mut self, lines: &[u8]) {
            let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
            if !lines.is_empty() {
                self.0
                    .extend(lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
            }
        }
        fn overlong(&mut self) {
            self.1 += 1;
        }
    }

    fn fed(source: Source, threads: usize) -> (Vec<Vec<u8>>, u64) {
        let mut takers: Vec<_> = (0..threads).map(|_| Lines::default()).collect();
        let read = AtomicU64::new(0);
        feed(source, &mut takers, &read).expect("read");
        let mut all: Vec<_> = takers
            .iter_mut()
            .flat_map(|t| std::mem::take(&mut t.0))
            .collect();
        all.sort();
        let overlong = takers.iter().map(|taker| taker.1).sum();
        (all, overlong)
    }

    /// Lines of many lengths, so that blocks end everywhere in them.
    fn text(last_has_its_end: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut lines = Vec::new();
        for n in 0..30_000usize {
            lines.push(format!("{n:08} {}", "x".repeat(n * 7919 % 251)).into_bytes());
        }
        // Ends just at a block's end, and one that begins with the next block.
        let mut text = lines.join(&b'\n');
        if last_has_its_end {
            text.push(b'\n');
        }
        (text, lines)
    }

    fn file_of(text: &[u8]) -> Source {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("written");
        Source::File(file, text.len() as u64)
    }

    #[test]
    fn each_line_is_given_once_whole() {
        for ended in [true, false] {
            let (text, lines) = text(ended);
            for threads in [1, 3] {
                assert_eq!(fed(file_of(&text), threads), (lines.clone(), 0));
                let stream = Source::Stream(Box::new(Cursor::new(text.clone())));
                assert_eq!(fed(stream, threads), (lines.clone(), 0));
            }
        }
    }

    #[test]
    fn a_line_may_end_where_a_block_does() {
        for length in BLOCK - 2..=BLOCK + 2 {
            let text = [vec![b'a'; length], vec![b'b'; BLOCK - 1], vec![b'c'; 3]].join(&b'\n');
            let lines = vec![vec![b'a'; length], vec![b'b'; BLOCK - 1], vec![b'c'; 3]];
            let (found, _) = fed(file_of(&text), 2);
            assert_eq!(found.len(), 3, "{length}");
            assert!(found == lines, "{length}");
        }
    }

    /// Ends with an error in the middle of a line.
    struct Broken(Cursor<Vec<u8>>);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("broken")),
                length => Ok(length),
            }
        }
    }

    #[test]
    fn what_came_before_a_stream_broke_is_given() {
        let (mut text, lines) = text(true);
        text.extend_from_slice(b"half a li");
        let mut takers = [Lines::default(), Lines::default()];
        let stream = Source::Stream(Box::new(Broken(Cursor::new(text))));
        let error = feed(stream, &mut takers, &AtomicU64::new(0)).expect_err("broken");
        assert_eq!(error.to_string(), "broken");
        let found: usize = takers.iter().map(|taker| taker.0.len()).sum();
        assert_eq!(found, lines.len());
    }

    #[test]
    fn a_line_without_end_is_counted_and_costs_no_memory() {
        let mut text = b"first\n".to_vec();
        text.resize(3 * MAX_LINE, b'x');
        text.extend_from_slice(b"\nlast");
        let (first, last) = (b"first".to_vec(), b"last".to_vec());
        for source in [
            file_of(&text),
            Source::Stream(Box::new(Cursor::new(text.clone()))),
        ] {
            let (lines, overlong) = fed(source, 2);
            assert_eq!((lines, overlong), (vec![first.clone(), last.clone()], 1));
        }
    }
}
