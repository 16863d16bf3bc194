//! What the labels of values are usually called.

use crate::access_log::Field;

/// A label as its words, in lower case: `http.response.status_code` and `httpStatusCode` both end
/// with `status` and `code`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Label(Vec<String>);

/// Longer labels are not looked at to their end, in words.
const MOST_WORDS: usize = 16;

impl Label {
    /// Of a key, or of a path of keys with any separator between them.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut words: Vec<String> = Vec::new();
        let mut before = b' ';
        for &byte in text.iter().take(256) {
            if byte.is_ascii_alphanumeric() {
                let starts = !before.is_ascii_alphanumeric()
                    || (byte.is_ascii_uppercase() && before.is_ascii_lowercase());
                if starts {
                    words.push(String::new());
                }
                if let Some(word) = words.last_mut() {
                    word.push(char::from(byte.to_ascii_lowercase()));
                }
            }
            before = byte;
        }
        words.truncate(MOST_WORDS);
        Self(words)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of its words begins so.
    pub(super) fn has(&self, start: &str) -> bool {
        self.0.iter().any(|word| word.starts_with(start))
    }

    /// How well it names a field: the less the better. None when it does not.
    pub(super) fn rank(&self, field: Field) -> Option<usize> {
        let (names, upstream) = names(field);
        (0..self.0.len()).find_map(|skipped| {
            let (before, rest) = self.0.split_at_checked(skipped)?;
            let of_upstream = before.iter().any(|word| UPSTREAM.contains(&&**word));
            let foreign = before.iter().any(|word| FOREIGN.contains(&&**word));
            if foreign || (of_upstream && upstream.is_empty()) {
                return None;
            }
            let joined = rest.concat();
            let place = |names: &[&str]| names.iter().position(|name| *name == joined);
            let found = place(names).or_else(|| place(upstream).filter(|_| of_upstream));
            Some(found? * 4 + skipped)
        })
    }

    /// Whether it names a time, and how well.
    pub(super) fn rank_as_time(&self) -> Option<usize> {
        (0..self.0.len()).find_map(|skipped| {
            let joined = self.0.get(skipped..)?.concat();
            let place = TIMES.iter().position(|name| *name == joined)?;
            Some(place * 4 + skipped)
        })
    }
}

/// Words for what is behind nginx.
const UPSTREAM: [&str; 4] = ["upstream", "backend", "origin", "up"];

/// Words that make what follows something else.
const FOREIGN: [&str; 9] = [
    "cache", "ssl", "tls", "referer", "referrer", "cookie", "args", "geoip", "ratio",
];

const TIMES: [&str; 18] = [
    "timelocal",
    "timeiso8601",
    "msec",
    "time",
    "timestamp",
    "ts",
    "datetime",
    "date",
    "accesstime",
    "requesttimestamp",
    "eventtime",
    "logtime",
    "startedat",
    "at",
    "t",
    "dt",
    "when",
    "timereceived",
];

/// What a field's label is called, the clearest first; and what it may be called behind a word for
/// what is behind nginx.
fn names(field: Field) -> (&'static [&'static str], &'static [&'static str]) {
    let found = NAMES.iter().find(|(of, ..)| *of == field);
    found.map_or((&[], &[]), |(_, names, upstream)| (names, upstream))
}

type Names = (Field, &'static [&'static str], &'static [&'static str]);

static NAMES: &[Names] = &[
    (
        Field::Status,
        &[
            "status",
            "statuscode",
            "httpstatus",
            "httpstatuscode",
            "responsestatus",
            "responsecode",
            "responsestatuscode",
            "response",
            "httpcode",
            "respcode",
            "respstatus",
            "httpresponse",
            "returncode",
            "retcode",
            "resultcode",
            "code",
            "scstatus",
            "sc",
            "st",
            "rc",
            "s",
        ],
        &[],
    ),
    (
        Field::UpstreamStatus,
        &[
            "upstreamstatus",
            "upstreamstatuscode",
            "upstreamcode",
            "us",
            "ustatus",
        ],
        &[
            "status",
            "statuscode",
            "code",
            "response",
            "responsestatus",
            "responsecode",
        ],
    ),
    (
        Field::UpstreamAddr,
        &[
            "upstreamaddr",
            "upstreamaddress",
            "upstream",
            "ua",
            "uaddr",
            "upstreamhost",
            "backend",
            "backendaddr",
            "upstreamserver",
            "proxyaddr",
        ],
        &["addr", "address", "host", "server", "ip", "peer", "name"],
    ),
    (
        Field::UpstreamResponseTime,
        &[
            "upstreamresponsetime",
            "urt",
            "ut",
            "upstreamtime",
            "apptime",
            "responsetime",
            "upstreamduration",
            "upstreamlatency",
            "backendtime",
        ],
        &[
            "responsetime",
            "time",
            "duration",
            "latency",
            "responseduration",
            "rt",
        ],
    ),
    (
        Field::UpstreamConnectTime,
        &["upstreamconnecttime", "uct"],
        &["connecttime", "connect"],
    ),
    (
        Field::UpstreamHeaderTime,
        &["upstreamheadertime", "uht"],
        &["headertime", "header"],
    ),
    (
        Field::RequestTime,
        &[
            "requesttime",
            "rt",
            "reqtime",
            "requestduration",
            "duration",
            "requesttimeseconds",
            "latency",
            "elapsed",
            "took",
            "timetaken",
            "totaltime",
            "processingtime",
            "responsetime",
        ],
        &[],
    ),
    (
        Field::Request,
        &[
            "request",
            "requestline",
            "req",
            "httprequest",
            "shortmessage",
            "message",
            "msg",
            "r",
        ],
        &[],
    ),
    (
        Field::RequestMethod,
        &["requestmethod", "method", "httpmethod", "verb", "m"],
        &[],
    ),
    (
        Field::RequestUri,
        &[
            "requesturi",
            "requesturl",
            "uri",
            "url",
            "requestpath",
            "path",
            "uripath",
            "urlpath",
            "urloriginal",
            "target",
            "u",
        ],
        &[],
    ),
    (
        Field::RemoteAddr,
        &[
            "remoteaddr",
            "remoteaddress",
            "clientip",
            "remoteip",
            "client",
            "clientaddr",
            "clientaddress",
            "sourceip",
            "sourceaddress",
            "srcip",
            "src",
            "ip",
            "realip",
            "xrealip",
            "address",
            "addr",
            "remote",
            "remotehost",
            "host",
        ],
        &[],
    ),
    (Field::Connection, &["connection", "connectionserial"], &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(field: Field, label: &str) -> Option<usize> {
        Label::of(label.as_bytes()).rank(field)
    }

    #[test]
    fn labels_of_many_styles_name_one_field() {
        for label in [
            "status",
            "_status",
            "statusCode",
            "http.response.status_code",
            "httpRequest.status",
            "responseStatus",
            "nginx\0access\0response_code",
            "STATUS",
        ] {
            assert!(rank(Field::Status, label).is_some(), "{label}");
        }
        for label in [
            "upstream_status",
            "upstream.status",
            "cache_status",
            "statusText",
            "",
        ] {
            assert_eq!(rank(Field::Status, label), None, "{label}");
        }
        for label in [
            "upstreamStatus",
            "upstream.status",
            "backend.response.code",
            "us",
        ] {
            assert!(rank(Field::UpstreamStatus, label).is_some(), "{label}");
        }
        assert_eq!(rank(Field::UpstreamStatus, "upstream_cache_status"), None);
        assert!(rank(Field::Status, "status") < rank(Field::Status, "http.response.code"));
        assert!(Label::of(b"@timestamp").rank_as_time().is_some());
        assert!(Label::of(b"access_time").rank_as_time().is_some());
    }
}
