//! Recordings of real runs, which every version must replay to the same records.

use std::{fs, path::Path};

use super::*;

fn replayed(text: &[u8], output: Output) -> Result<String, String> {
    let mut out = Vec::new();
    replay(text, &mut out, output, "a test").map_err(|error| format!("{error:#}"))?;
    Ok(String::from_utf8(out).expect("text"))
}

/// The recordings, each with the records that the agent wrote.
fn recordings() -> Vec<(String, Vec<u8>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).expect("the recordings") {
        let path = entry.expect("one").path();
        if path.extension().is_some_and(|end| end == "jsonl") {
            let expected = fs::read_to_string(path.with_extension("out")).expect("its records");
            let text = fs::read(&path).expect("it");
            all.push((path.display().to_string(), text, expected));
        }
    }
    assert!(!all.is_empty(), "nothing in {}", folder.display());
    all
}

#[test]
fn every_recording_gives_its_records() {
    for (path, text, expected) in recordings() {
        for _ in 0..2 {
            let json = replayed(&text, Output::Json).expect("it is one");
            assert_eq!(json, expected, "{path}");
        }
        let shown = replayed(&text, Output::Text).expect("it is one");
        assert!(shown.contains("INCIDENT"), "{path}: {shown}");
        assert!(shown.contains(" incidents, "), "{path}: {shown}");
    }
}

/// Wherever it was cut off, what is whole is read.
#[test]
fn a_part_gives_the_first_records() {
    let (_, text, expected) = recordings().swap_remove(0);
    let header = text
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a header");
    for end in (header + 1..text.len()).step_by(997) {
        let part = replayed(&text[..end], Output::Json).expect("it is one");
        assert!(expected.starts_with(&part), "{end}");
    }
}

#[test]
fn what_came_before_a_malformed_line_is_written() {
    let (_, mut text, expected) = recordings().swap_remove(0);
    text.extend(b"{}\n");
    let mut out = Vec::new();
    let error = replay(&*text, &mut out, Output::Json, "a test").expect_err("it is refused");
    assert!(error.to_string().contains("is malformed"), "{error}");
    assert_eq!(String::from_utf8(out).expect("text"), expected);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let (_, text, _) = recordings().swap_remove(0);
    replay(&*text, Gone, Output::Json, "a test").expect("he has what he wants");
}
