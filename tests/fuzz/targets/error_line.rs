//! Any block of an error log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_probe::error_log::{Line, MAX_RECORD, Parsed, records};
use nginx_probe_fuzz::is_piece;

fuzz_target!(|block: &[u8]| {
    let mut at = 0;
    for record in records(block) {
        let bytes = record.bytes;
        assert!(is_piece(block, bytes));
        assert_eq!(block.get(at..at + bytes.len()), Some(bytes));
        at += bytes.len();
        if at < block.len() {
            assert_eq!(block[at], b'\n');
            at += 1;
        }
        let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(record.lines as usize, feeds + 1);
        assert!(feeds == 0 || bytes.len() < MAX_RECORD);
        parse(bytes);
    }
    assert_eq!(at, block.len());
    parse(block);
});

fn parse(record: &[u8]) {
    match Parsed::of(record) {
        Parsed::Line(line) => ask(record, &line),
        Parsed::Console(console) => {
            assert!(is_piece(record, console.message) && !console.class.name.is_empty());
        }
        Parsed::Continuation(text) => assert_eq!(text, record),
    }
}

fn ask(record: &[u8], line: &Line) {
    let pieces = [
        Some(line.message),
        line.errno.map(|(_, text)| text),
        line.action,
        line.client,
        line.server,
        line.request,
        line.subrequest,
        line.upstream,
        line.host,
        line.referrer,
        line.path(),
        line.zone(),
        line.unresolved(),
        line.upstream_address(),
        line.config_place().map(|(file, _)| file),
        line.rule(),
    ];
    for piece in pieces.into_iter().flatten() {
        assert!(is_piece(record, piece));
    }
    // What has a field of its own is not in the message as well.
    for piece in [line.client, line.request].into_iter().flatten() {
        let end = line.message.as_ptr_range().end;
        assert!(piece.is_empty() || end <= piece.as_ptr());
    }
    assert!(!line.class.name.is_empty());
    assert_eq!(line.cut, record.len() + 1 >= MAX_RECORD);
    let _ = line.exit();
    let time = line.time;
    assert!(time.unix(0) - time.unix(3600) == 3600);
}
