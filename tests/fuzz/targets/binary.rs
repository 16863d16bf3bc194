//! Any file, read as an nginx binary.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use nginx_probe::config::Build;

fuzz_target!(|binary: &[u8]| {
    let build = Build::read(binary).expect("a slice is read");
    // In whatever pieces it comes.
    let pieces = Build::read(Pieces(binary)).expect("a slice is read");
    assert_eq!(build, pieces);
    assert!(build.version.is_none_or(|version| version.len() <= 100));
});

/// Gives at most seven bytes at once.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(7);
        self.0.read(&mut buffer[..length])
    }
}
