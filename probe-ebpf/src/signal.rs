//! Which signals the programs report.

/// Number of the last standard signal; real-time signals follow.
const LAST_STANDARD: u32 = 31;

/// Signals whose default action ends a process with a core dump because the process itself went
/// wrong: ILL 4, TRAP 5, ABRT 6, BUS 7, FPE 8, SEGV 11, SYS 31 (x86 and arm numbering).
const CRASH: u64 = bit(4) | bit(5) | bit(6) | bit(7) | bit(8) | bit(11) | bit(31);

/// Signals that say nothing about a death or a change of configuration and can be frequent:
/// PIPE 13, ALRM 14, CHLD 17, CONT 18, STOP 19 to TTOU 22, URG 23, VTALRM 26, PROF 27, IO 29.
const NOISE: u64 = bit(13)
    | bit(14)
    | bit(17)
    | bit(18)
    | bit(19)
    | bit(20)
    | bit(21)
    | bit(22)
    | bit(23)
    | bit(26)
    | bit(27)
    | bit(29);

/// Whether a signal sent to a tracked process is worth a record.
#[must_use]
pub const fn is_reported(signal: u32) -> bool {
    signal >= 1 && signal <= LAST_STANDARD && NOISE & bit(signal) == 0
}

/// Whether a signal sent to a process behind nginx may be its end: such programs wake each other by
/// USR1 and its like.
#[must_use]
pub const fn is_deadly(signal: u32) -> bool {
    matches!(signal, 1 | 2 | 3 | 9 | 15) || is_crash(signal)
}

/// Whether the delivery of a signal means that the process crashed.
#[must_use]
pub const fn is_crash(signal: u32) -> bool {
    signal <= LAST_STANDARD && CRASH & bit(signal) != 0
}

const fn bit(signal: u32) -> u64 {
    1 << signal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_fatal_signals_are_reported() {
        for signal in [1, 2, 3, 9, 10, 11, 12, 15, 28, 31] {
            assert!(is_reported(signal), "signal {signal}");
        }
        for signal in [0, 13, 14, 17, 23, 29, 32, 64, u32::MAX] {
            assert!(!is_reported(signal), "signal {signal}");
        }
        for signal in 0..=64 {
            assert!(!is_deadly(signal) || is_reported(signal), "signal {signal}");
        }
        assert!(is_deadly(9) && is_deadly(11) && is_deadly(15) && !is_deadly(10));
    }

    #[test]
    fn only_the_process_itself_going_wrong_is_a_crash() {
        for signal in 0..=64 {
            assert_eq!(
                is_crash(signal),
                [4, 5, 6, 7, 8, 11, 31].contains(&signal),
                "{signal}"
            );
        }
    }
}
