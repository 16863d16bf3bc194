//! What was recorded is read again as it was, and what is no recording is refused.

mod any;

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::{clock::Time, facts::Fact};

fn header() -> Header {
    Header::new("host".into(), Duration::from_millis(1_500), false, true)
}

fn given(reader: &mut Reader<&[u8]>) -> Given {
    let given = reader.next_given().expect("it is well formed");
    given.expect("there is more")
}

fn refused(text: &[u8]) -> String {
    let (_, mut reader) = match Reader::new(text) {
        Ok(new) => new,
        Err(error) => return error.to_string(),
    };
    loop {
        match reader.next_given() {
            Ok(Some(_)) => {}
            Ok(None) => return String::new(),
            Err(error) => return error.to_string(),
        }
    }
}

fn with_header(lines: &str) -> Vec<u8> {
    let header = serde_json::to_string(&header()).expect("a header");
    format!("{header}\n{lines}").into_bytes()
}

proptest! {
    #[test]
    fn any_fact_is_read_as_it_was_written(fact in any::fact()) {
        let text = serde_json::to_string(&fact).expect("a fact is JSON");
        let read: Fact = serde_json::from_str(&text).expect("it is a fact");
        prop_assert_eq!(format!("{:?}", read), format!("{:?}", fact), "{}", text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        refused(&bytes);
        refused(&with_header(&String::from_utf8_lossy(&bytes)));
    }
}

#[test]
fn a_recording_is_read_in_its_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("recording");
    let fact = any::some_fact(Time(1_000));
    let mut recorder = Recorder::create(&path, &header()).expect("a new file");
    recorder.tick(Time(5), false);
    recorder.fact(&fact);
    // The first is passed over for the second, and that is earlier than what is known.
    recorder.tick(Time(900), false);
    recorder.tick(Time(999), false);
    recorder.fact(&fact);
    recorder.tick(Time(1_500), false);
    recorder.tick(Time(2_000), false);
    recorder.fact(&fact);
    recorder.tick(Time(3_000), false);
    recorder.tick(Time(4_000), true);
    recorder.finish(Time(5_000));

    let text = fs::read(&path).expect("it was written");
    let (read, mut reader) = Reader::new(&*text).expect("a recording");
    assert_eq!(read, header());
    let mut seen = Vec::new();
    while let Some(given) = reader.next_given().expect("well formed") {
        seen.push(match given {
            Given::Fact(read) => {
                assert_eq!(format!("{read:?}"), format!("{fact:?}"));
                "fact".to_owned()
            }
            Given::Tick(time) => format!("tick {}", time.0),
            Given::Finish(time) => format!("finish {}", time.0),
        });
    }
    let expected = [
        "tick 5",
        "fact",
        "fact",
        "tick 2000",
        "fact",
        "tick 4000",
        "finish 5000",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_file_of_its_own_that_only_the_owner_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("recording");
    drop(Recorder::create(&path, &header()).expect("a new file"));
    let mode = fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for (path, why) in [(&*path, "is there already"), ("-".as_ref(), "needs a file")] {
        let error = Recorder::create(path, &header()).expect_err("it is refused");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_disk_that_takes_no_more_ends_it_and_nothing_else() {
    // The file is made, and then is a device that is full.
    let mut recorder = Recorder::full(&header());
    for n in 0..100_000 {
        recorder.fact(&any::some_fact(Time(n)));
        recorder.tick(Time(n), true);
    }
    recorder.finish(Time(100_000));
    assert!(recorder.is_over());
}

#[test]
fn what_is_no_recording_is_refused_with_words() {
    for (text, why) in [
        ("", "it is empty"),
        ("\n", "no header"),
        ("{\"type\":\"incident\"}\n", "no header"),
        ("127.0.0.1 - - [", "no header"),
        (
            "{\"nginx_probe_recording\":2,\"version\":\"9.1\",\"new\":1}\n",
            "of format 2, made by nginx-probe 9.1",
        ),
        (
            "{\"nginx_probe_recording\":1}\n",
            "line 1 is malformed: missing field",
        ),
        (
            "{\"nginx_probe_recording\":1,\"version\":\"0\",\"host\":\"\",\"quiet_s\":-1,\
             \"blind\":false,\"responses\":false}\n",
            "below zero",
        ),
    ] {
        let said = refused(text.as_bytes());
        assert!(said.contains(why), "{text:?}: {said:?}");
    }
    let long = "x".repeat(MAX_LINE + 1);
    assert!(refused(long.as_bytes()).contains("no header"));
}

#[test]
fn a_line_that_is_none_is_named() {
    let tick = "{\"tick\":\"2026-01-01T00:00:00.000000Z\"}\n";
    for (line, why) in [
        ("{}\n", "line 3 is malformed: it is no fact"),
        (
            "{\"tock\":1}\n",
            "line 3 is malformed: unknown field `tock`",
        ),
        ("nonsense\n", "line 3 is malformed"),
        ("\n", "line 3 is malformed"),
        (
            "{\"time\":\"2026-01-01T00:00:00Z\",\"instance\":\"\",\"event\":{\"fell\":1}}\n",
            "line 3 is malformed: unknown variant `fell`",
        ),
        ("{\"tick\":\"2026-01-", "line 3, the last, is torn"),
    ] {
        let said = refused(&with_header(&format!("{tick}{line}")));
        assert!(said.contains(why), "{line:?}: {said:?}");
    }
    let long = format!("{tick}{}\n{tick}", "x".repeat(MAX_LINE + 1));
    assert!(refused(&with_header(&long)).contains("line 3 is longer than 1048576 bytes"));
    // A whole line that only lacks its end is one.
    assert_eq!(refused(&with_header(&format!("{tick}{}", tick.trim()))), "");
}

#[test]
fn an_unknown_class_is_an_error() {
    let fact = any::noted("connect_refused", Time(0));
    let text = serde_json::to_string(&fact).expect("a fact");
    assert!(serde_json::from_str::<Fact>(&text).is_ok(), "{text}");
    let text = text.replace("connect_refused", "of_the_future");
    let error = serde_json::from_str::<Fact>(&text).expect_err("not known");
    assert!(
        error.to_string().contains("this version has not"),
        "{error}"
    );
}

#[test]
fn the_correlator_is_made_alike() {
    let text = serde_json::to_string(&header()).expect("a header");
    let read: Header = serde_json::from_str(&text).expect("a header");
    assert_eq!(read, header());
    drop(read.correlator());
    // More than a duration holds.
    let mut endless = header();
    endless.quiet_s = 1e300;
    drop(endless.correlator());
}

#[test]
fn a_reader_tells_what_comes_first() {
    let fact = any::some_fact(Time(7));
    let line = serde_json::to_string(&fact).expect("a fact");
    let text = with_header(&format!("{line}\n"));
    let (_, mut reader) = Reader::new(&*text).expect("a recording");
    assert!(matches!(given(&mut reader), Given::Fact(read) if read.time == Time(7)));
    assert_eq!(reader.number(), 2);
}
