//! Any process title, and any list of mappings: what a process says of itself in `/proc`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_probe::config::{Invocation, Role};
use nginx_probe::crash::Mappings;

fuzz_target!(|text: &[u8]| {
    let role = Role::of_title(text);
    let invocation = Invocation::of_title(text);
    if role != Some(Role::Master) {
        assert_eq!(invocation, Invocation::default());
    }
    let paths = [
        &invocation.conf_file,
        &invocation.prefix,
        &invocation.error_log,
    ];
    for path in paths.into_iter().flatten() {
        assert!(!path.as_os_str().is_empty() && path.as_os_str().len() <= text.len());
    }

    let mappings = Mappings::parse(text).expect("a slice is read");
    let mut end = 0;
    for mapping in mappings.iter() {
        assert!(end <= mapping.start && mapping.start < mapping.end);
        end = mapping.end;
        assert_eq!(mappings.find(mapping.start), Some(mapping));
        assert_ne!(mappings.find(mapping.end), Some(mapping));
        assert!(!mapping.display_path().contains(char::is_control));
    }
});
