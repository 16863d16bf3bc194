//! Records go through the ring buffer as bytes: each must come back, and nothing else must.

use super::*;

fn header(kind: Kind) -> Vec<u8> {
    let mut bytes = (kind as u32).to_ne_bytes().to_vec();
    bytes.extend(42u32.to_ne_bytes());
    bytes.extend(7u64.to_ne_bytes());
    bytes
}

/// The bytes of a record of each kind, as the programs lay them out.
fn samples() -> Vec<(Kind, Vec<u8>)> {
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect::<Vec<_>>()
    };
    let comm = *b"nginx\0\0\0\0\0\0\0\0\0\0\0";
    let mut crash = words(&[11, 1]);
    crash.extend(
        [8u64, 0x1000, 0x7fff_0000, 0, 0]
            .iter()
            .flat_map(|word| word.to_ne_bytes()),
    );
    crash.extend(words(&[1024, 0]));
    crash.extend((0..STACK_LEN).map(|n| n.to_le_bytes()[0]));
    let mut exec = comm.to_vec();
    exec.extend(words(&[1, 0]));
    let mut signal = words(&[9, 0, 77, 1000]);
    signal.extend(comm);
    [
        (Kind::Fork, words(&[41, 0])),
        (Kind::Exec, exec),
        (Kind::Exit, words(&[0x8b, 0])),
        (Kind::Signal, signal),
        (Kind::Crash, crash),
        (Kind::Oom, 12u64.to_ne_bytes().to_vec()),
    ]
    .into_iter()
    .map(|(kind, body)| (kind, [header(kind), body].concat()))
    .collect()
}

#[test]
fn every_kind_comes_back() {
    for (kind, bytes) in samples() {
        let record = Record::decode(&bytes).expect("whole");
        assert_eq!(record.kind(), kind);
        assert_eq!((record.header().pid, record.header().time_ns), (42, 7));
        match record {
            Record::Fork(fork) => assert_eq!(fork.parent, 41),
            Record::Exec(exec) => assert_eq!((&exec.comm[..6], exec.watched), (&b"nginx\0"[..], 1)),
            Record::Exit(exit) => assert_eq!(exit.status, 0x8b),
            Record::Signal(signal) => {
                assert_eq!((signal.signal, signal.code), (9, 0));
                assert_eq!((signal.sender_pid, signal.sender_uid), (77, 1000));
            }
            Record::Crash(crash) => {
                assert_eq!((crash.signal, crash.code, crash.address), (11, 1, 8));
                assert_eq!((crash.ip, crash.sp), (0x1000, 0x7fff_0000));
                assert_eq!(crash.stack.len(), 1024);
                assert_eq!(crash.stack[..3], [0, 1, 2]);
            }
            Record::Oom(oom) => assert_eq!(oom.rss_pages, 12),
        }
    }
}

#[test]
fn sizes_are_those_of_the_programs() {
    let sizes = [
        size_of::<Fork>(),
        size_of::<Exec>(),
        size_of::<Exit>(),
        size_of::<Signal>(),
        size_of::<Crash>(),
        size_of::<Oom>(),
    ];
    for ((kind, bytes), size) in samples().iter().zip(sizes) {
        assert_eq!(bytes.len(), size, "{kind:?}");
    }
}

#[test]
fn every_cut_is_an_error() {
    for (kind, bytes) in samples() {
        for end in 0..bytes.len() {
            assert_eq!(
                Record::decode(&bytes[..end]),
                Err(DecodeError::Truncated),
                "{kind:?} {end}"
            );
        }
    }
}

#[test]
fn more_than_a_record_is_an_error() {
    for (_, mut bytes) in samples() {
        bytes.push(0);
        assert_eq!(Record::decode(&bytes), Err(DecodeError::TrailingBytes));
    }
}

#[test]
fn unknown_kinds_and_lengths_are_errors() {
    let (_, mut bytes) = samples().remove(0);
    bytes[..4].copy_from_slice(&99u32.to_ne_bytes());
    assert_eq!(Record::decode(&bytes), Err(DecodeError::UnknownKind(99)));
    let (_, mut bytes) = samples().remove(4);
    let length_at = 16 + 8 + 40;
    bytes[length_at..length_at + 4].copy_from_slice(&u32::MAX.to_ne_bytes());
    assert_eq!(
        Record::decode(&bytes),
        Err(DecodeError::BadLength(u32::MAX))
    );
}

#[test]
fn kinds_are_numbered_in_order() {
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, n);
    }
}
