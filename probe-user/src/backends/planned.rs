//! Ends that a program means, and yet are no exit code 0.

use crate::signals::{HUP, INT, QUIT, Sent, TERM};

/// What uWSGI means by its exit codes (`uwsgi.h`): go cheap, reload (also after `max-requests`), end,
/// brutal reload.
const UWSGI: [u8; 4] = [15, 17, 30, 31];
/// Added to the number of the signal that a program was told to end by, and did: Java and others.
const BY_SIGNAL: u32 = 128;

/// Whether a program of that name, which was sent these signals, has ended with that code as it was
/// meant to.
pub(super) fn is_planned(name: &str, code: u8, signals: &[Sent]) -> bool {
    let told = signals.iter().any(|sent| {
        [TERM, INT, QUIT, HUP].contains(&sent.signal)
            && sent.sender.is_some()
            && u32::from(code) == BY_SIGNAL + sent.signal
    });
    told || (name.contains("uwsgi") && UWSGI.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Sender;

    #[test]
    fn what_was_asked_for_is_planned() {
        let sent = |signal| Sent {
            signal,
            sender: Some(Sender {
                pid: 1,
                uid: 0,
                comm: "systemd".into(),
            }),
        };
        let by_kernel = Sent {
            signal: TERM,
            sender: None,
        };
        for (name, code, signals, planned) in [
            ("java", 143, &[sent(TERM)][..], true),
            ("node", 130, &[sent(HUP), sent(INT)], true),
            ("node", 143, &[sent(INT)], false),
            ("node", 143, &[by_kernel], false),
            ("node", 1, &[sent(TERM)], false),
            ("uwsgi-core", 17, &[], true),
            ("uwsgi", 30, &[], true),
            ("uwsgi", 1, &[], false),
            ("python3", 17, &[], false),
        ] {
            assert_eq!(is_planned(name, code, signals), planned, "{name} {code}");
        }
    }
}
