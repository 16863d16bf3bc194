//! Records go through the ring buffer as bytes: each must come back, and nothing else must.

use super::*;
use crate::connection::message_parts;

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
    let halves = |halves: &[u16]| {
        halves
            .iter()
            .flat_map(|half| half.to_ne_bytes())
            .collect::<Vec<_>>()
    };
    let mut request = halves(&[502, 2, 1, 4, 500, 0, 0, 0, 0, 111, 0, 0]);
    request.extend([7u64, 9].iter().flat_map(|word| word.to_ne_bytes()));
    request.extend(words(&[12]));
    request.extend(halves(&[42, 24]));
    request.extend((4u64 << 56 | 0x5000).to_ne_bytes());
    request.extend(halves(&[13, 500, 0, 0]));
    request.extend([1; CLIENT_LEN]);
    request.extend([2; ADDRESS_LEN]);
    request.extend([b'G'; REQUEST_LEN]);
    let mut errno = words(&[257, 24, u32::MAX, 1, 3, 0]);
    errno.extend([b'/'; PATH_LEN]);
    let mut dropped = words(&[60, 12]);
    dropped.extend([3; CLIENT_LEN]);
    let mut message = (1u64 << 56 | 0x6000).to_ne_bytes().to_vec();
    message.extend(halves(&[12, 1, 0, 0]));
    message.extend([b'%'; FORMAT_LEN]);
    message.extend([b's'; ARGUMENT_LEN]);
    [
        (Kind::Fork, size_of::<Fork>(), words(&[41, 0])),
        (Kind::Exec, size_of::<Exec>(), exec),
        (Kind::Exit, size_of::<Exit>(), words(&[0x8b, 0])),
        (Kind::Signal, size_of::<Signal>(), signal),
        (Kind::Crash, size_of::<Crash>(), crash),
        (Kind::Oom, size_of::<Oom>(), 12u64.to_ne_bytes().to_vec()),
        (Kind::Request, size_of::<Request>(), request),
        (Kind::Errno, size_of::<Errno>(), errno),
        (Kind::AcceptDrop, size_of::<AcceptDrop>(), dropped),
        (
            Kind::BackendExit,
            size_of::<BackendExit>(),
            words(&[9, 0x701]),
        ),
        (Kind::LogMessage, size_of::<LogMessage>(), message),
    ]
    .into_iter()
    .map(|(kind, size, body)| {
        let bytes = [header(kind), body].concat();
        assert_eq!(bytes.len(), size, "{kind:?}");
        (kind, bytes)
    })
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
            Record::Request(request) => {
                assert_eq!((request.status, request.attempts), (502, 2));
                assert_eq!((request.statuses[0], request.outcomes[1]), (500, 111));
                assert_eq!((request.started_ns, request.header_ns), (7, 9));
                assert_eq!((request.failed_call, request.failed_errno), (42, 24));
                assert_eq!(message_parts(request.message), (4, 0x5000));
                assert_eq!((request.message_errno, request.made), (13, 500));
                assert_eq!((request.client[0], request.upstream[0]), (1, 2));
                assert_eq!(request.request, [b'G'; REQUEST_LEN]);
            }
            Record::Errno(errno) => {
                assert_eq!((errno.call, errno.errno, errno.descriptor), (257, 24, -1));
                assert_eq!((errno.about_kind, errno.suppressed), (1, 3));
                assert_eq!(errno.about, [b'/'; PATH_LEN]);
            }
            Record::AcceptDrop(dropped) => {
                assert_eq!((dropped.connections, dropped.memory_errno), (60, 12));
                assert_eq!(dropped.client, [3; CLIENT_LEN]);
            }
            Record::BackendExit(exit) => assert_eq!((exit.status, exit.member), (9, 0x701)),
            Record::LogMessage(message) => {
                assert_eq!(message_parts(message.message), (1, 0x6000));
                assert_eq!((message.errno, message.about), (12, 1));
                assert_eq!(message.format, [b'%'; FORMAT_LEN]);
                assert_eq!(message.argument, [b's'; ARGUMENT_LEN]);
            }
        }
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
fn each_kind_has_a_sample_and_its_own_number() {
    let kinds: Vec<_> = samples().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, Kind::ALL);
    for (n, kind) in kinds.into_iter().enumerate() {
        assert_eq!(kind as usize, n);
    }
}
