//! The text that `stub_status` answers with (`ngx_http_stub_status_module.c`).

/// What one answer says. The first four count what all workers, dead ones too, did since the shared
/// memory was made; a binary upgrade or a restart makes it anew, a reload does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Open connections of clients, the one that asked included; those of `stream`, `mail` and
    /// QUIC too.
    pub active: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Of these, handed to a worker's connection slot.
    pub handled: u64,
    /// Requests.
    pub requests: u64,
    /// Connections whose request is being read.
    pub reading: u64,
    /// Connections being answered, the one that asked included.
    pub writing: u64,
    /// Idle connections that are kept alive.
    pub waiting: u64,
}

/// Reads an answer, to the letter; Tengine's further columns of the second line are passed over.
#[must_use]
pub fn parse(body: &[u8]) -> Option<Counters> {
    let text = std::str::from_utf8(body).ok()?;
    let mut lines = text.split('\n');
    let active = number(
        lines
            .next()?
            .strip_prefix("Active connections: ")?
            .trim_end(),
    )?;

    let mut columns = lines.next()?.split_ascii_whitespace();
    let heads = ["server", "accepts", "handled", "requests"];
    if !heads.iter().all(|head| columns.next() == Some(head)) {
        return None;
    }
    let further = columns.count();
    let mut sums = lines.next()?.strip_prefix(' ')?.split_ascii_whitespace();
    let accepted = number(sums.next()?)?;
    let handled = number(sums.next()?)?;
    let requests = number(sums.next()?)?;
    if sums.by_ref().map_while(number).count() != further || sums.next().is_some() {
        return None;
    }

    let mut states = lines.next()?.split_ascii_whitespace();
    let mut state = |name| {
        if states.next()? == name {
            number(states.next()?)
        } else {
            None
        }
    };
    let reading = state("Reading:")?;
    let busy = state("Writing:")?;
    let idle = state("Waiting:")?;
    let ends = states.next().is_none() && lines.next() == Some("") && lines.next().is_none();
    ends.then_some(Counters {
        active,
        accepted,
        handled,
        requests,
        reading,
        writing: busy,
        waiting: idle,
    })
}

fn number(text: &str) -> Option<u64> {
    // `u64::from_str` takes a sign.
    if text.starts_with('+') {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Active connections: 291 \nserver accepts handled requests\n \
        16630948 16630946 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n";

    #[test]
    fn an_answer_is_read() {
        let expected = Counters {
            active: 291,
            accepted: 16_630_948,
            handled: 16_630_946,
            requests: 31_070_465,
            reading: 6,
            writing: 179,
            waiting: 106,
        };
        assert_eq!(parse(TEXT.as_bytes()), Some(expected));
        let tengine = TEXT
            .replace("requests\n", "requests request_time\n")
            .replace("465 ", "465 77 ");
        assert_eq!(parse(tengine.as_bytes()), Some(expected));
    }

    #[test]
    fn whatever_else_is_answered_is_none() {
        for end in 0..TEXT.len() {
            assert_eq!(parse(&TEXT.as_bytes()[..end]), None, "{end}");
        }
        for (from, to) in [
            ("291", "-1"),
            ("291", "+1"),
            ("291", "18446744073709551616"),
            ("31070465", "31070465 1"),
            ("requests\n", "requests request_time\n"),
            ("Waiting", "Reading"),
            ("106 \n", "106 1\n"),
            ("106 \n", "106 \nmore"),
            ("106 \n", "106 \n\n"),
            ("Active", "\u{feff}Active"),
        ] {
            let text = TEXT.replace(from, to);
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"\xff\xfe"), None);
        assert_eq!(parse(&b"Active connections: ".repeat(200)), None);
    }
}
