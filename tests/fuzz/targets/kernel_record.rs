//! Any bytes from the ring buffer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_probe_ebpf::record::{Record, STACK_LEN};
use nginx_probe_fuzz::is_piece;

fuzz_target!(|bytes: &[u8]| {
    match Record::decode(bytes) {
        Ok(record) => {
            assert_eq!(record.kind() as u32, record.header().kind);
            assert_eq!(bytes[4..8], record.header().pid.to_ne_bytes());
            if let Record::Crash(crash) = record {
                assert!(is_piece(bytes, crash.stack) && crash.stack.len() <= STACK_LEN);
            }
            // No part of a record is a record, and nothing may follow it.
            assert!(Record::decode(&bytes[..bytes.len() - 1]).is_err());
            assert!(Record::decode(&[bytes, b"\0"].concat()).is_err());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
