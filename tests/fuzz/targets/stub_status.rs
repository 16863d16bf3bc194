//! Any answer to the question for nginx's own counters.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nginx_probe::stub_status::{Counters, parse};

fuzz_target!(|body: &[u8]| {
    let Some(counters) = parse(body) else {
        return;
    };
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 4);
    // As nginx would write them, they are read again.
    assert_eq!(parse(written(counters).as_bytes()), Some(counters));
});

fn written(counters: Counters) -> String {
    let Counters {
        active,
        accepted,
        handled,
        requests,
        reading,
        writing,
        waiting,
    } = counters;
    format!(
        "Active connections: {active} \nserver accepts handled requests\n \
         {accepted} {handled} {requests} \nReading: {reading} Writing: {writing} Waiting: {waiting} \n"
    )
}
