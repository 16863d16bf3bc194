//! Any `log_format`, and any log read with it.
//!
//! Input: the escape mode, then the format (each line of it a part), `%%`, and the log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_probe::access_log::Format;
use nginx_probe_fuzz::{ask, escape, logged, parts, read_line};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, input)) = input.split_first() else {
        return;
    };
    let escape = escape(choice);
    let [text, log] = parts(input);
    assert_eq!(&*escape.unescape(&logged(log, escape)), log);
    let _ = escape.unescape(log);

    let whole = Format::compile(text, escape);
    let in_parts = Format::compile_parts(text.split(|byte| *byte == b'\n'), escape);
    for format in [whole, in_parts].into_iter().flatten() {
        let _ = (format.is_unambiguous(), format.unreadable().join(" "));
        read_line(&format, log);
        let mut lines = 0;
        let read = format.for_each_line(log, |line| {
            lines += 1;
            if let Ok(entry) = line {
                ask(entry);
            }
        });
        assert_eq!(read.parsed + read.unparsed, lines);
        for line in log.split(|byte| *byte == b'\n') {
            read_line(&format, line);
        }
    }
});
