//! Formats that are in wide use, for logs of which no configuration is at hand.

use super::entry::Entry;
use super::format::{Escape, Format};

/// A format in wide use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What it is called.
    pub name: &'static str,
    /// Its `log_format`, of [`Escape::Default`].
    pub text: &'static str,
}

macro_rules! combined {
    () => {
        concat!(
            r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "#,
            r#""$http_referer" "$http_user_agent""#
        )
    };
}

/// nginx's own format.
pub(super) const COMBINED: &str = combined!();

/// The formats in wide use, what is read more exactly first.
pub const KNOWN: [Known; 7] = [
    Known {
        name: "combined",
        text: COMBINED,
    },
    Known {
        name: "main",
        text: concat!(combined!(), r#" "$http_x_forwarded_for""#),
    },
    Known {
        name: "upstreaminfo",
        text: concat!(
            combined!(),
            " $request_length $request_time [$proxy_upstream_name] \
             [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length \
             $upstream_response_time $upstream_status $req_id"
        ),
    },
    Known {
        name: "vhost_combined",
        text: concat!("$host:$server_port ", combined!()),
    },
    Known {
        name: "common",
        text: r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent"#,
    },
    Known {
        name: "combined with more behind it",
        text: concat!(combined!(), " $more"),
    },
    Known {
        name: "vhost_combined with more behind it",
        text: concat!("$host:$server_port ", combined!(), " $more"),
    },
];

impl Format {
    /// The format of [`KNOWN`] that is called so.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        let known = KNOWN.iter().find(|known| known.name == name)?;
        Self::compile(known.text.as_bytes(), Escape::Default).ok()
    }
}

/// The most lines of a sample that are looked at.
const SAMPLE: usize = 100;

/// The format of [`KNOWN`] that most of these lines are in, if at least half of them are in one.
/// Empty lines do not count; up to 100 lines are looked at.
#[must_use]
pub fn detect<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<(&'static str, Format)> {
    let lines = lines.into_iter().filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.take(SAMPLE).collect();
    let mut best = None;
    let mut most = 0;
    for known in KNOWN {
        let Ok(format) = Format::compile(known.text.as_bytes(), Escape::Default) else {
            continue;
        };
        let mut entry = Entry::default();
        let fit = lines.iter().filter(|line| format.parse(line, &mut entry));
        let count = fit.count();
        if count > most {
            (most, best) = (count, Some((known.name, format)));
        }
    }
    best.filter(|_| most * 2 >= lines.len())
}
