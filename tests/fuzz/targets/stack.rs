//! Any file that a crashed process has mapped, and any stack of it.
//!
//! Input: the instruction pointer as two bytes, 128 bytes of stack, then the file.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nginx_probe::crash::{Mappings, Registers, Symbolizer};
use nginx_probe_fuzz::Folder;

const MAPS: &[u8] = b"10000-120000 r-xp 00000000 00:01 1 /nginx\n";
const STACK: usize = 128;

static PROC: LazyLock<(Folder, Mappings)> = LazyLock::new(|| {
    let folder = Folder::new();
    folder.write("1/maps", MAPS);
    (folder, Mappings::parse(MAPS).expect("a slice is read"))
});

fuzz_target!(|input: &[u8]| {
    let Some((&[high, low], input)) = input.split_first_chunk::<2>() else {
        return;
    };
    let Some((stack, file)) = input.split_first_chunk::<STACK>() else {
        return;
    };
    let (folder, mappings) = &*PROC;
    folder.write("1/map_files/10000-120000", file);
    let registers = Registers {
        ip: 0x10000 + u64::from(u16::from_be_bytes([high, low])),
        sp: 0x7fff_0000,
        fp: 0x7fff_0010,
        lr: 0,
    };
    let mut symbolizer = Symbolizer::new();
    let frames = symbolizer.resolve(mappings, folder.path(), &[1], registers, stack);
    assert!((1..=32).contains(&frames.len()));
    for frame in &frames {
        let symbol = frame.symbol.as_deref().unwrap_or_default();
        assert!(symbol.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        assert!(
            frame
                .module
                .as_deref()
                .is_none_or(|module| module == "/nginx")
        );
    }
    // What it keeps is bounded, and a second look gives the same.
    assert!(symbolizer.bytes() <= 12 << 20);
    let again = symbolizer.resolve(mappings, folder.path(), &[1], registers, stack);
    assert_eq!(frames, again);
});
