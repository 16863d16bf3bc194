//! Lines in every shape, and files that change under the reader.

use super::*;
use std::io::{Seek, Write};

struct Log {
    folder: tempfile::TempDir,
    file: File,
}

impl Log {
    fn new(text: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create(folder.path().join("log")).unwrap();
        file.write_all(text).unwrap();
        Self { folder, file }
    }

    fn tail(&self, at_end: bool) -> Tail {
        let root = Root::at(self.folder.path()).unwrap();
        let mut tail = Tail::open(&root, Path::new("/log")).unwrap();
        tail.go_to(if at_end { u64::MAX } else { 0 });
        tail
    }
}

fn lines(tail: &mut Tail) -> (Vec<Vec<u8>>, Tally) {
    let (mut lines, mut tally) = (Vec::new(), Tally::default());
    let mut buffer = Buffer::default();
    loop {
        let mut sink = |line: &[u8]| lines.push(line.to_vec());
        match tail.read(&mut buffer, &mut sink, &mut tally).unwrap() {
            Read::End => break (lines, tally),
            Read::More => {}
            Read::Truncated => tally.torn += u64::from(tail.restart(&mut tally)),
        }
    }
}

#[test]
fn a_line_may_come_in_pieces() {
    let mut log = Log::new(b"old\n");
    let mut tail = log.tail(true);
    for (written, expected) in [
        (&b""[..], &[][..]),
        (b"a", &[]),
        (b"b", &[]),
        (b"c\n\nd\xff\0", &[&b"abc"[..], b""]),
        (b"\n", &[b"d\xff\0"]),
    ] {
        log.file.write_all(written).unwrap();
        assert_eq!(lines(&mut tail).0, expected, "{written:?}");
    }
    assert!(tail.unchanged().unwrap());
    log.file.write_all(b"x").unwrap();
    assert!(!tail.unchanged().unwrap());
}

#[test]
fn the_rest_of_a_line_begun_earlier_is_no_line() {
    let mut log = Log::new(b"half");
    let mut tail = log.tail(true);
    log.file.write_all(b" more").unwrap();
    assert_eq!(lines(&mut tail).0.len(), 0);
    log.file.write_all(b" done\nwhole\n").unwrap();
    assert_eq!(lines(&mut tail).0, [b"whole"]);
}

#[test]
fn overlong_lines_are_counted_and_skipped() {
    let longest = vec![b'x'; MAX_LINE];
    for extra in [0, 1, 70_000, BUFFER, 3 * BUFFER + 7, 9 * 1024 * 1024] {
        let mut text = b"a\n".to_vec();
        text.extend(vec![b'y'; MAX_LINE + extra]);
        text.push(b'\n');
        text.extend_from_slice(&longest);
        text.extend_from_slice(b"\nb\n");
        let mut tail = Log::new(&text).tail(false);
        let (lines, tally) = lines(&mut tail);
        let expected = if extra == 0 { 4 } else { 3 };
        assert_eq!(lines.len(), expected, "{extra}");
        assert_eq!(tally.overlong, u64::from(extra > 0), "{extra}");
        assert_eq!(tally.lines, lines.len() as u64);
        assert_eq!(tally.bytes, text.len() as u64);
        assert_eq!(lines[expected - 2], longest);
    }
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let mut log = Log::new(b"one\ntwo\n");
    let mut tail = log.tail(true);
    log.file.write_all(b"torn").unwrap();
    lines(&mut tail);
    log.file.set_len(0).unwrap();
    log.file.rewind().unwrap();
    log.file.write_all(b"three\n").unwrap();
    let (lines, tally) = lines(&mut tail);
    assert_eq!(lines, [b"three"]);
    assert_eq!((tally.truncations, tally.torn), (1, 1));
}

#[test]
fn a_huge_backlog_is_skipped_and_said() {
    let mut log = Log::new(b"");
    let mut tail = log.tail(true);
    log.file.set_len(1 << 40).unwrap();
    log.file.seek(io::SeekFrom::End(0)).unwrap();
    log.file.write_all(b"\nlast\n").unwrap();
    let (lines, tally) = lines(&mut tail);
    assert_eq!(lines, [b"last"]);
    assert_eq!(tally.skipped_bytes + tally.bytes, (1 << 40) + 6);
    assert!(tally.bytes <= MAX_READ);
}

#[test]
fn a_deleted_file_is_deserted_after_a_while() {
    let mut log = Log::new(b"");
    let mut tail = log.tail(true);
    std::fs::remove_file(log.folder.path().join("log")).unwrap();
    lines(&mut tail);
    assert!(!tail.is_deserted(Duration::from_hours(1)));
    while !tail.is_deserted(Duration::from_millis(1)) {
        std::thread::yield_now();
    }
    log.file.write_all(b"still\n").unwrap();
    assert_eq!(lines(&mut tail).0, [b"still"]);
    assert!(!tail.is_deserted(Duration::from_hours(1)));
}

#[test]
fn a_file_that_was_rewritten_behind_the_same_beginning_is_told_by_what_was_read_last() {
    let same = "the same line\n".repeat(30);
    let log = Log::new(format!("{same}old\n").as_bytes());
    let mut tail = log.tail(true);
    let text = format!("{same}new\nand more\n");
    std::fs::write(log.folder.path().join("log"), text).unwrap();
    let (lines, tally) = lines(&mut tail);
    assert_eq!((lines.len(), tally.truncations), (32, 1));
}
