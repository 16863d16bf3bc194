//! Any values through any format, and any bytes through all of it.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// What nginx writes for a variable, by the rules of its C code.
fn logged(value: Option<&[u8]>, escape: Escape) -> Vec<u8> {
    let Some(value) = value else {
        return match escape {
            Escape::Default => b"-".to_vec(),
            Escape::Json | Escape::None => Vec::new(),
        };
    };
    let mut text = Vec::new();
    for &byte in value {
        let hex = match (escape, byte) {
            (Escape::Default, ..0x20 | b'"' | b'\\' | 0x7f..) => format!("\\x{byte:02X}"),
            (Escape::Json, b'"' | b'\\') => format!("\\{}", char::from(byte)),
            (Escape::Json, b'\n') => "\\n".into(),
            (Escape::Json, b'\r') => "\\r".into(),
            (Escape::Json, b'\t') => "\\t".into(),
            (Escape::Json, 0x08) => "\\b".into(),
            (Escape::Json, 0x0c) => "\\f".into(),
            (Escape::Json, ..0x20) => format!("\\u00{byte:02X}"),
            _ => {
                text.push(byte);
                continue;
            }
        };
        text.extend(hex.bytes());
    }
    text
}

/// Any bytes, those that mean something in logs more often than others.
fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    let telling = b"\"\\ -,:[]\t\n\r\x08\x0c\0\x7f\xff019x{}".to_vec();
    let byte = prop_oneof![select(telling), any::<u8>()];
    let lines = [
        &br#"" 500 1 "-" "-""#[..],
        b" [22/Nov/2026:16:01:50 +0000] ",
        b"-",
    ];
    let like_fields = select(lines.map(<[u8]>::to_vec).to_vec());
    proptest::option::weighted(0.9, prop_oneof![4 => vec(byte, 0..40), 1 => like_fields])
}

/// A variable, its value as nginx writes it in each mode, and whether that is never missing.
fn variable() -> impl Strategy<Value = (&'static str, Typed)> {
    let text = select(vec![
        "request",
        "uri",
        "http_user_agent",
        "remote_user",
        "other",
        "host",
    ]);
    let list = |name, element: BoxedStrategy<String>| {
        let separator = select(vec![", ", " : "]);
        let rest = vec((separator, element.clone()), 0..4);
        (
            Just(name),
            (element, rest).prop_map(|(mut text, rest)| {
                for (separator, element) in rest {
                    text.push_str(separator);
                    text.push_str(&element);
                }
                Typed::Plain(text)
            }),
        )
    };
    let plain = |name, text: BoxedStrategy<String>| (Just(name), text.prop_map(Typed::Plain));
    let seconds = || {
        (0..100_000_u32, 0..1000_u32)
            .prop_map(|(s, ms)| format!("{s}.{ms:03}"))
            .boxed()
    };
    let status = || {
        (0..1000_u16)
            .prop_map(|status| format!("{status:03}"))
            .boxed()
    };
    let or_dash =
        |of: BoxedStrategy<String>| prop_oneof![3 => of, 1 => Just("-".to_owned())].boxed();
    let peers = [
        "10.0.0.1:80",
        "[::1]:8080",
        "unix:/run/a.sock",
        "backend",
        "",
    ];
    let peer = select(peers.map(str::to_owned).to_vec()).boxed();
    prop_oneof![
        4 => (text, value().prop_map(Typed::Text)),
        1 => plain("status", status()),
        1 => plain("request_time", seconds()),
        1 => plain("body_bytes_sent", any::<u64>().prop_map(|n| n.to_string()).boxed()),
        1 => plain("time_local", Just("22/Nov/2026:16:01:50 -0130".to_owned()).boxed()),
        1 => plain("time_iso8601", Just("2026-11-22T16:01:50+00:00".to_owned()).boxed()),
        1 => plain("remote_addr", select(vec!["::1", "192.0.2.1", "unix:"]).prop_map(str::to_owned).boxed()),
        1 => list("upstream_status", or_dash(status())),
        1 => list("upstream_response_time", or_dash(seconds())),
        1 => list("upstream_addr", peer),
    ]
}

#[derive(Debug, Clone)]
enum Typed {
    Text(Option<Vec<u8>>),
    Plain(String),
}

impl Typed {
    fn logged(&self, escape: Escape) -> Vec<u8> {
        match self {
            Self::Text(value) => logged(value.as_deref(), escape),
            Self::Plain(text) => text.clone().into_bytes(),
        }
    }
}

fn field_of(name: &str) -> Option<Field> {
    super::super::field::variable(name.as_bytes()).0
}

fn escape() -> impl Strategy<Value = Escape> {
    select(vec![Escape::Default, Escape::Json, Escape::None])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// Where each variable has a byte behind it that no value holds, all comes back.
    #[test]
    fn any_values_come_back(
        variables in vec((variable(), select(vec!["\"", "\" \"", " \"", "\",\"k\":\"", "\t", ", \""])), 0..12),
        head in select(vec!["", "\"", "{\"k\":"]),
        escape in select(vec![Escape::Default, Escape::Json]),
    ) {
        let mut text = head.to_owned();
        let mut line = head.as_bytes().to_vec();
        for ((name, value), literal) in &variables {
            write!(text, "${{{name}}}{literal}").unwrap();
            line.extend(value.logged(escape));
            line.extend(literal.bytes());
        }
        let format = compile(&text, escape);
        let mut entry = Entry::default();
        prop_assert!(format.parse(&line, &mut entry), "{} {}", text, line.escape_ascii());
        prop_assert!(format.is_unambiguous());
        for (at, ((name, value), _)) in variables.iter().enumerate() {
            let Some(field) = field_of(name) else { continue };
            // Of a variable that is there twice the last is kept.
            if variables[at + 1..].iter().any(|((other, _), _)| field_of(other) == Some(field)) {
                continue;
            }
            let read = entry.get(field).unwrap();
            prop_assert_eq!(read, &value.logged(escape)[..], "{}", text);
            if let Typed::Text(Some(sent)) = value {
                prop_assert_eq!(&*escape.unescape(read), &sent[..]);
            }
        }
    }

    /// nginx's own format, whose user stands without quotes.
    #[test]
    fn any_user_and_request_come_back(user in value(), request in value(), agent in value(), status in 0..1000_u16) {
        let [user, request, agent] = [user, request, agent].map(|v| logged(v.as_deref(), Escape::Default));
        let start = [b"::1 - ", &user[..], b" [22/Nov/2026:16:01:50 +0000] \"", &request].concat();
        let line = [&start[..], format!("\" {status:03} 0 \"-\" \"").as_bytes(), &agent, b"\""].concat();
        let mut entry = Entry::default();
        prop_assert!(Format::combined().parse(&line, &mut entry), "{}", line.escape_ascii());
        prop_assert_eq!(entry.get(Field::RemoteUser), Some(&user[..]));
        prop_assert_eq!(entry.get(Field::Request), Some(&request[..]));
        prop_assert_eq!(entry.get(Field::UserAgent), Some(&agent[..]));
        prop_assert_eq!(entry.status(), Some(status));
    }

    /// Nothing panics, whatever the format and the line; what is read lies in the line.
    #[test]
    fn any_bytes_are_survived(
        parts in vec((variable(), vec(select(b"\"\\ -,:[]\t;$1x".to_vec()), 0..4)), 0..10),
        escape in escape(),
        cuts in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        noise in vec(any::<u8>(), 0..80),
    ) {
        let mut text = Vec::new();
        let mut line = Vec::new();
        for ((name, value), literal) in &parts {
            text.extend(format!("${{{name}}}").bytes());
            text.extend(literal);
            line.extend(value.logged(escape));
            line.extend(literal);
        }
        for (place, byte) in cuts {
            if !line.is_empty() {
                let place = place.index(line.len());
                line[place] = byte;
            }
        }
        let _ = Format::compile(&noise, escape);
        let Ok(format) = Format::compile(&text, escape) else { return Ok(()) };
        for line in [&line, &noise] {
            let mut entry = Entry::default();
            if format.parse(line, &mut entry) {
                for field in Field::ALL {
                    prop_assert_eq!(entry.get(field).is_some(), format.gives(field));
                    prop_assert!(entry.attempts(field).count() <= line.len());
                }
            }
            let _ = (entry.method(), entry.path_without_query(), entry.time(), entry.status());
            let _ = (entry.request_time(), entry.pid(), entry.connection(), entry.remote_port());
        }
    }

    /// A line is read the same among others as alone, also where its end is not searched for first.
    #[test]
    fn lines_among_others_are_those_alone(
        parts in vec((variable(), select(vec!["\"", "\" \"", " [", "] ", " ", "\n"])), 1..6),
        escape in escape(),
        lines in vec((any::<prop::sample::Index>(), select(b"\n\"\\ -[".to_vec()), 0..3_u8), 0..6),
        long in vec(select(b"\n\" x".to_vec()), 0..1500),
    ) {
        let (mut text, mut line) = (String::new(), Vec::new());
        for ((name, value), literal) in &parts {
            write!(text, "${{{name}}}{literal}").unwrap();
            line.extend(value.logged(escape));
            line.extend(literal.bytes());
        }
        let mut log = Vec::new();
        for (place, byte, how) in lines {
            let from = log.len();
            log.extend_from_slice(&line);
            match (how, line.len()) {
                (0, _) | (_, 0) => {}
                (1, length) => log[from + place.index(length)] = byte,
                (_, length) => {
                    let at = from + place.index(length);
                    log.splice(at..at, long.iter().copied());
                }
            }
            log.push(b'\n');
        }
        let format = compile(&text, escape);
        let mut alone = log.split_inclusive(|byte| *byte == b'\n');
        format.for_each_line(&log, |among| {
            let alone = alone.next().unwrap().strip_suffix(b"\n").unwrap();
            let expected = values(&format, alone);
            let (line, read) = match among {
                Ok(entry) => {
                    let given = Field::ALL.into_iter().filter(|field| format.gives(*field));
                    let read = given.map(|field| (field, entry.get(field).unwrap())).collect();
                    (entry.line(), Some(read))
                }
                Err(line) => (line, None),
            };
            assert_eq!((line, read), (alone, expected), "{text}");
        });
        prop_assert!(alone.next().is_none());
    }

    /// Against a calendar that counts days one by one.
    #[test]
    fn times_are_those_of_the_calendar(
        day_of_era in 0..60_000_i64, of_day in 0..86_400_i64, zone in -1439..1440_i64,
    ) {
        let (mut year, mut month, mut day) = (1970_i64, 1_usize, day_of_era);
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = |year, month: usize| match month {
            2 => 28 + i64::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        while day >= length(year, month) {
            day -= length(year, month);
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
        let name = &names[month * 3 - 3..month * 3];
        let clock = format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60);
        let sign = if zone < 0 { '-' } else { '+' };
        let (hours, minutes) = (zone.abs() / 60, zone.abs() % 60);
        let local = format!("{:02}/{name}/{year}:{clock} {sign}{hours:02}{minutes:02}", day + 1);
        let iso = format!("{year}-{month:02}-{:02}T{clock}{sign}{hours:02}:{minutes:02}", day + 1);
        let expected = (day_of_era * 86_400 + of_day - zone * 60) * 1_000_000;
        for (name, text) in [("$time_local", local), ("$time_iso8601", iso)] {
            let mut entry = Entry::default();
            prop_assert!(compile(name, Escape::None).parse(text.as_bytes(), &mut entry));
            prop_assert_eq!(entry.time(), Some(expected), "{}", text);
        }
    }
}
